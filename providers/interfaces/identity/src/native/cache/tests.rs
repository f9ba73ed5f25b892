//! What only a clock that stands still can show; the rest is in the suite.

use std::{
    future,
    sync::atomic::{AtomicU64, Ordering},
};

use super::*;

/// Gives numbered tokens, each for a minute.
#[derive(Clone, Default)]
struct Service {
    given: Arc<AtomicU64>,
}

impl Service {
    fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    fn give(&self) -> Result<NewToken, IdentityError> {
        let number = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(NewToken {
            value: value(number),
            life: Some(Duration::from_secs(60)),
        })
    }
}

fn value(number: u64) -> TokenValue {
    TokenValue::new(format!("token-{number}")).unwrap()
}

fn scopes(scope: &str) -> Scopes {
    Scopes::new([scope]).unwrap()
}

async fn ask<F>(cache: &TokenCache, request: impl FnOnce() -> F) -> Result<Token, IdentityError>
where
    F: Future<Output = Result<NewToken, IdentityError>> + Send + 'static,
{
    let (context, own) = (CallContext::default(), IdentityName::own());
    cache
        .token(&context, (&own, &scopes("a")), None, request)
        .await
}

async fn ask_service(cache: &TokenCache, service: &Service) -> Token {
    let service = service.clone();
    ask(cache, || async move { service.give() }).await.unwrap()
}

async fn fails() -> Result<NewToken, IdentityError> {
    Err(IdentityError::denied("not today"))
}

#[tokio::test(start_paused = true)]
async fn a_token_is_refreshed_before_it_ends() {
    let (cache, service) = (TokenCache::default(), Service::default());
    assert_eq!(ask_service(&cache, &service).await.value, value(1));
    tokio::time::advance(Duration::from_secs(44)).await;
    let same = ask_service(&cache, &service).await;
    assert_eq!(
        (same.value, same.good_for),
        (value(1), Duration::from_secs(16))
    );
    tokio::time::advance(Duration::from_secs(1)).await;
    let new = ask_service(&cache, &service).await;
    assert_eq!(
        (new.value, new.good_for),
        (value(2), Duration::from_secs(60))
    );
}

#[tokio::test(start_paused = true)]
async fn while_no_new_one_comes_the_old_one_is_given_until_it_ends() {
    let (cache, service) = (TokenCache::default(), Service::default());
    ask_service(&cache, &service).await;
    tokio::time::advance(Duration::from_secs(50)).await;
    let old = ask(&cache, fails).await.unwrap();
    assert_eq!(
        (old.value, old.good_for),
        (value(1), Duration::from_secs(10))
    );
    let begun = Instant::now();
    let old = ask(&cache, future::pending).await.unwrap();
    assert_eq!((old.value, begun.elapsed()), (value(1), REFRESH_WAIT_MAX));
    tokio::time::advance(Duration::from_secs(8)).await;
    assert!(ask(&cache, fails).await.is_err(), "it has ended");
}

#[tokio::test(start_paused = true)]
async fn a_request_outlives_who_began_it_and_not_the_last_who_waits() {
    let (cache, service) = (TokenCache::default(), Service::default());
    let slow = |service: &Service| {
        let service = service.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            service.give()
        }
    };
    let (first, second) = {
        let first = tokio::time::timeout(Duration::from_secs(1), ask(&cache, || slow(&service)));
        tokio::join!(first, ask(&cache, || slow(&service)))
    };
    assert!(first.is_err());
    assert_eq!((second.unwrap().value, service.given()), (value(1), 1));

    tokio::time::advance(Duration::from_secs(120)).await;
    let alone = tokio::time::timeout(Duration::from_secs(1), ask(&cache, || slow(&service)));
    assert!(alone.await.is_err());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(service.given(), 1, "nobody has waited for it");
    assert_eq!(ask_service(&cache, &service).await.value, value(2));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_never_answered_ends() {
    let cache = TokenCache::default();
    let begun = Instant::now();
    let context = CallContext::with_budget(REQUEST_TIMEOUT * 2);
    let (own, scopes) = (IdentityName::own(), scopes("a"));
    let answer = cache.token(&context, (&own, &scopes), None, future::pending);
    let Err(IdentityError::Fault(fault)) = answer.await else {
        panic!("nobody has given a token");
    };
    assert_eq!(fault.kind(), FaultKind::Unavailable);
    assert_eq!(begun.elapsed(), REQUEST_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_that_is_given_once_more_is_no_answer() {
    let cache = TokenCache::default();
    let (context, own) = (CallContext::default(), IdentityName::own());
    let same = || async { Service::default().give() };
    let token = ask(&cache, same).await.unwrap();
    let (refused, scopes) = (Some(&token.value), scopes("a"));
    for _ in 0..2 {
        let again = cache.token(&context, (&own, &scopes), refused, same);
        assert!(matches!(again.await, Err(IdentityError::Other(_))));
        assert!(ask(&cache, same).await.is_err(), "and to nobody else");
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_tokens_are_kept_and_no_more() {
    let (cache, service) = (TokenCache::default(), Service::default());
    let (context, own) = (CallContext::default(), IdentityName::own());
    for number in 0..TOKENS_KEPT_MAX + 10 {
        let service = service.clone();
        let scopes = scopes(&number.to_string());
        let asked = cache.token(
            &context,
            (&own, &scopes),
            None,
            || async move { service.give() },
        );
        asked.await.unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert_eq!(cache.0.lock().0.len(), TOKENS_KEPT_MAX);
}
