//! A scope of its own for a case, and short words for what must succeed.

use std::sync::Arc;

use futures::future::join_all;
use wrt_conformance::unique_name;
use wrt_contract::CallContext;

use super::{Behaviour, Issuer};
use crate::{Identity, IdentityError, IdentityName, Scopes, Token};

/// What a case works with.
#[derive(Clone)]
pub(crate) struct Fixture {
    provider: Arc<dyn Identity>,
    issuer: Arc<dyn Issuer>,
    identity: IdentityName,
    case: String,
    scope: String,
}

impl Fixture {
    pub(crate) fn new(case: &str, provider: Arc<dyn Identity>, issuer: Arc<dyn Issuer>) -> Self {
        let case = unique_name(case, 32).replace('_', "-");
        Self {
            provider,
            identity: IdentityName::own(),
            scope: issuer.scope(&case),
            case,
            issuer,
        }
    }

    /// The same with another scope.
    pub(crate) fn beside(&self, suffix: &str) -> Self {
        let scope = self.issuer.scope(&format!("{}-{suffix}", self.case));
        Self {
            scope,
            ..self.clone()
        }
    }

    pub(crate) fn as_identity(&self, identity: IdentityName) -> Self {
        Self {
            identity,
            ..self.clone()
        }
    }

    pub(crate) fn as_other_identity(&self) -> Self {
        self.as_identity(self.issuer.other_identity())
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.issuer.behave(&self.scope, behaviour);
    }

    pub(crate) fn given(&self) -> usize {
        self.issuer.given(&self.scope)
    }

    async fn ask(&self, refused: Option<&Token>) -> Result<Token, IdentityError> {
        let scopes = Scopes::new([&self.scope]).expect("a case has legal scopes");
        let refused = refused.map(|token| token.value.clone());
        let context = CallContext::default();
        let asked = self
            .provider
            .token(&context, &self.identity, &scopes, refused);
        asked.await
    }

    pub(crate) async fn try_token(&self) -> Result<Token, IdentityError> {
        self.ask(None).await
    }

    pub(crate) async fn token(&self) -> Token {
        let asked = self.try_token().await;
        asked.unwrap_or_else(|error| panic!("a token for {}: {error}", self.scope))
    }

    pub(crate) async fn instead_of(&self, refused: &Token) -> Result<Token, IdentityError> {
        self.ask(Some(refused)).await
    }

    /// So many callers at one time.
    pub(crate) async fn tokens(&self, callers: usize) -> Vec<Token> {
        join_all((0..callers).map(|_| self.token())).await
    }

    pub(crate) async fn all_instead_of(&self, callers: usize, refused: &Token) -> Vec<Token> {
        let asked = join_all((0..callers).map(|_| self.instead_of(refused))).await;
        let tokens: Result<Vec<_>, _> = asked.into_iter().collect();
        tokens.unwrap_or_else(|error| panic!("another token for {}: {error}", self.scope))
    }
}
