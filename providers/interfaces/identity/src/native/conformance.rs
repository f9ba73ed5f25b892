//! What every provider does, as code.

mod fixture;

use std::{sync::Arc, time::Duration};

use wrt_conformance::{Case, cases, run_cases};

use self::fixture::Fixture;
use crate::{Identity, IdentityError, IdentityName};

/// Who gives the tokens of the suite, as the test that runs it has it in hand. Scopes are told apart, so that
/// each case has one of its own.
pub trait Issuer: Send + Sync {
    /// What it calls the scope of a case.
    fn scope(&self, case: &str) -> String;

    /// An identity that the provider has beside its own.
    fn other_identity(&self) -> IdentityName;

    /// From now on tokens for the scope are of this kind.
    fn behave(&self, scope: &str, behaviour: Behaviour);

    /// How many tokens it has given for the scope.
    fn given(&self, scope: &str) -> usize;
}

/// What an [`Issuer`] does.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// For how long its tokens are good.
    pub life: Duration,
    /// How long it takes to answer.
    pub delay: Duration,
    /// Whether it gives none.
    pub refuses: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            life: Duration::from_secs(3600),
            delay: Duration::ZERO,
            refuses: false,
        }
    }
}

const CASES: &[Case<Fixture>] = cases![
    a_token_comes_with_the_time_that_it_is_good_for,
    a_token_is_given_again_while_it_is_good,
    scopes_are_told_apart,
    identities_are_told_apart,
    an_identity_that_is_not_there_is_told,
    callers_at_one_time_share_a_request,
    a_token_is_refreshed_before_it_ends,
    a_refused_token_is_given_to_nobody_again,
    a_refusal_by_many_is_one_request,
    an_issuer_that_refuses_is_told_and_asked_again,
];

/// How many callers there are at one time.
const CALLERS: usize = 16;

/// Runs every case, each with a scope of its own.
///
/// # Panics
/// With the cases that failed.
pub async fn run(identity: Arc<dyn Identity>, issuer: Arc<dyn Issuer>) {
    let fixture = |case: &str| Fixture::new(case, Arc::clone(&identity), Arc::clone(&issuer));
    run_cases(CASES, fixture).await;
}

async fn a_token_comes_with_the_time_that_it_is_good_for(it: Fixture) {
    it.behave(Behaviour {
        life: Duration::from_secs(600),
        ..Behaviour::default()
    });
    let token = it.token().await;
    let seconds = token.good_for.as_secs_f64();
    assert!((500.0..=600.0).contains(&seconds), "{seconds} s");
}

async fn a_token_is_given_again_while_it_is_good(it: Fixture) {
    let first = it.token().await;
    let second = it.token().await;
    assert_eq!(first.value, second.value);
    assert!(second.good_for <= first.good_for);
    assert_eq!(it.given(), 1);
}

async fn scopes_are_told_apart(it: Fixture) {
    let other = it.beside("other");
    assert_ne!(it.token().await.value, other.token().await.value);
    assert_eq!((it.given(), other.given()), (1, 1));
}

async fn identities_are_told_apart(it: Fixture) {
    let other = it.as_other_identity();
    let (own, others) = (it.token().await, other.token().await);
    assert_ne!(own.value, others.value);
    assert_eq!(it.given(), 2);
    assert_eq!(it.token().await.value, own.value);
    assert_eq!(other.token().await.value, others.value);
    let another = other.instead_of(&others).await.expect("it is given");
    assert_ne!(another.value, others.value);
    assert_eq!(it.token().await.value, own.value, "it was not refused");
}

async fn an_identity_that_is_not_there_is_told(it: Fixture) {
    let nobody = it.as_identity(IdentityName::new("nobody").expect("legal"));
    assert_eq!(nobody.try_token().await, Err(IdentityError::NoSuchIdentity));
    assert_eq!(it.given(), 0);
}

async fn callers_at_one_time_share_a_request(it: Fixture) {
    it.behave(Behaviour {
        delay: Duration::from_millis(300),
        ..Behaviour::default()
    });
    let tokens = it.tokens(CALLERS).await;
    assert_eq!(tokens.len(), CALLERS);
    assert!(tokens.iter().all(|token| token.value == tokens[0].value));
    assert_eq!(it.given(), 1);
}

async fn a_token_is_refreshed_before_it_ends(it: Fixture) {
    let life = Duration::from_secs(4);
    it.behave(Behaviour {
        life,
        ..Behaviour::default()
    });
    let first = it.token().await;
    assert!(first.good_for <= life);
    let mut left = first.good_for;
    let second = loop {
        let token = it.token().await;
        if token.value != first.value {
            break token;
        }
        assert!(token.good_for > Duration::ZERO, "it has ended");
        left = token.good_for;
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(second.good_for > left);
    assert_eq!(it.given(), 2);
}

async fn a_refused_token_is_given_to_nobody_again(it: Fixture) {
    let first = it.token().await;
    let second = it.instead_of(&first).await.expect("another one");
    assert_ne!(first.value, second.value);
    assert_eq!(it.token().await.value, second.value);
    // Who has it still and tells so late gets the one that is known, without a request.
    let late = it.instead_of(&first).await.expect("the new one");
    assert_eq!(late.value, second.value);
    assert_eq!(it.given(), 2);
}

async fn a_refusal_by_many_is_one_request(it: Fixture) {
    let first = it.token().await;
    it.behave(Behaviour {
        delay: Duration::from_millis(300),
        ..Behaviour::default()
    });
    let tokens = it.all_instead_of(CALLERS, &first).await;
    assert!(tokens.iter().all(|token| token.value == tokens[0].value));
    assert_ne!(tokens[0].value, first.value);
    assert_eq!(it.given(), 2);
}

async fn an_issuer_that_refuses_is_told_and_asked_again(it: Fixture) {
    it.behave(Behaviour {
        refuses: true,
        ..Behaviour::default()
    });
    let refused = it.try_token().await;
    assert!(
        matches!(refused, Err(IdentityError::Denied(_))),
        "{refused:?}"
    );
    it.behave(Behaviour::default());
    it.token().await;
    assert_eq!(it.given(), 1);
}
