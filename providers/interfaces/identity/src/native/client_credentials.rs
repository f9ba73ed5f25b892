//! The default: client credentials of OAuth2 (RFC 6749, section 4.4), for any service that has an endpoint for
//! tokens.

mod config;
mod request;

use std::{collections::BTreeMap, fmt, sync::Arc};

use wrt_contract::{CallContext, async_trait};
use wrt_runtime::{Backend, Entry, Serves, SettingsError};

use crate::{
    Identity, IdentityError, IdentityInterface, IdentityName, Scopes, Token, TokenCache,
    TokenValue, WrtIdentity,
    https::{self, HttpsError},
};
pub use config::{ClientOptions, OAuth2Options};
use request::Requester;

/// Tokens from an endpoint, by an id and a secret.
pub struct IdentityDefault {
    identities: BTreeMap<IdentityName, Arc<Requester>>,
    cache: TokenCache,
}

/// Why the provider cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Settings that make no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No client.
    #[error(transparent)]
    Https(#[from] HttpsError),
    /// The program stops.
    #[error("the program stops")]
    Stopped,
}

impl Backend for IdentityDefault {
    const NAME: &'static str = "oauth2";
    const NODE_FILES: &'static [&'static str] = &["authority_file"];

    type ConnectOptions = OAuth2Options;
    type ConnectError = ConnectError;

    async fn connect_with(options: OAuth2Options) -> Result<Self, ConnectError> {
        let (endpoint, clients) = (options.endpoint()?, options.clients()?);
        let authority = options.authority_file.clone();
        let http = tokio::task::spawn_blocking(move || https::client(authority.as_deref()));
        let http = http.await.map_err(|_stopped| ConnectError::Stopped)??;
        let requester = |(name, client)| {
            let requester = Requester::new(&endpoint, client, &options, http.clone());
            (name, Arc::new(requester))
        };
        Ok(Self {
            identities: clients.into_iter().map(requester).collect(),
            cache: TokenCache::default(),
        })
    }

    fn is_for_good(error: &ConnectError) -> bool {
        matches!(error, ConnectError::Settings(_))
    }

    fn check(options: &OAuth2Options) -> Result<(), SettingsError> {
        options.endpoint()?;
        options.clients().map(drop)
    }
}

impl Serves<WrtIdentity> for IdentityDefault {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<IdentityInterface>(|provider| provider);
    }
}

#[async_trait]
impl Identity for IdentityDefault {
    async fn token(
        &self,
        context: &CallContext,
        identity: &IdentityName,
        scopes: &Scopes,
        refused: Option<TokenValue>,
    ) -> Result<Token, IdentityError> {
        let requester = self.identities.get(identity);
        let requester = Arc::clone(requester.ok_or(IdentityError::NoSuchIdentity)?);
        let asked_for = scopes.clone();
        let request = || async move { requester.token(&asked_for).await };
        self.cache
            .token(context, (identity, scopes), refused.as_ref(), request)
            .await
    }
}

impl fmt::Debug for IdentityDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityDefault")
            .field("identities", &self.identities.keys())
            .finish_non_exhaustive()
    }
}
