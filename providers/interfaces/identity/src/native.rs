//! The node's side: the trait, its host glue, the cache, the default and the suite.

mod cache;
mod client_credentials;
mod error;
mod name;
mod token;

pub mod conformance;
pub mod host;
pub mod https;
pub mod limits;

use wrt_contract::CallContext;

pub use cache::{NewToken, TokenCache};
pub use client_credentials::{ClientOptions, ConnectError, IdentityDefault, OAuth2Options};
pub use error::{IdentityError, Limit};
pub use host::WrtIdentity;
pub use name::{IdentityName, Scope, Scopes};
pub use token::{Token, TokenValue};

/// Tokens by identity and scopes.
#[wrt_contract::interface(name = "wrt:identity", error = IdentityError)]
pub trait Identity {
    /// A token that is good, and is not the one that a service has refused, if there is one.
    ///
    /// The same one is given until it is to be refreshed, which is before it ends. Whoever wants one for the
    /// same identity and scopes meanwhile waits for the same request.
    ///
    /// # Errors
    /// [`IdentityError::NoSuchIdentity`] and [`IdentityError::Denied`].
    #[operation(idempotent)]
    async fn token(
        &self,
        context: &CallContext,
        identity: &IdentityName,
        scopes: &Scopes,
        refused: Option<TokenValue>,
    ) -> Result<Token, IdentityError>;
}
