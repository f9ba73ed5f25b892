//! Azure as a provider: `wrt:vault` by the secrets of a Key Vault, and `wrt:identity` by Entra, through the
//! crates of Azure's own SDK.
//!
//! Invariants:
//! - a secret is sent to the vault of the settings and to nobody else: what a guest gives back (a cursor, a
//!   version) becomes a part of a request's path or query only after it was looked at;
//! - a name is in the vault as [`vault_name`] writes it, and is read back from there: two names of secrets are
//!   never one of the vault's, whose names know no case;
//! - the SDK tries nothing again by itself: a throttled request waits for as long as the service says, if the
//!   call has that much time left, and is *overloaded* at once if not;
//! - the SDK's cache of tokens is not used: it would give a token again that a service has refused. The tokens of
//!   `wrt:identity` are in that interface's own cache, the vault's own one is with the client of the vault;
//! - the managed identity of an app service is used where the settings name it: that the SDK finds it in the
//!   environment of the process is not enough;
//! - no text of the SDK's is passed on that may quote what it could not read.
//!
//! Start reading at [`Azure`].

mod answer;
mod config;
mod entra;
mod transport;
mod vault;

use std::{error::Error, sync::Arc};

use azure_security_keyvault_secrets::SecretClient;
use wrt_contract::CallContext;
use wrt_identity::{ConnectError, IdentityInterface, TokenCache, WrtIdentity};
use wrt_runtime::{Backend, Entry, Serves, SettingsError};
use wrt_vault::WrtVault;

pub use config::{AzureConfig, Credential, OtherIdentity};
use entra::Entra;
use transport::Transport;
pub use vault::name as vault_name;
use vault::order::Order;

/// Entra, and a Key Vault if one is set.
pub struct Azure {
    entra: Arc<Entra>,
    tokens: TokenCache,
    vault: Option<SecretClient>,
    purges: bool,
    order: Order,
}

impl Backend for Azure {
    const NAME: &'static str = "azure";
    const NODE_FILES: &'static [&'static str] = &["token_file", "authority_file"];

    type ConnectOptions = AzureConfig;
    type ConnectError = ConnectError;

    async fn connect_with(config: AzureConfig) -> Result<Self, ConnectError> {
        let settings = config.parsed()?;
        let file = config.authority_file.clone();
        let transport = tokio::task::spawn_blocking(move || Transport::new(file.as_deref()));
        let transport = transport
            .await
            .map_err(|_stopped| ConnectError::Stopped)??;
        let entra = Arc::new(Entra::new(&settings, transport.clone()));
        let vault = settings.vault_url.as_ref().map(|url| {
            let options = vault::client_options(transport, config.check_audience);
            let client = SecretClient::new(url.as_str(), entra::own(&entra), Some(options));
            client.map_err(|_checked_before| SettingsError::Value {
                field: "vault_url".to_owned(),
                message: "the SDK does not take it".to_owned(),
            })
        });
        Ok(Self {
            entra,
            tokens: TokenCache::default(),
            vault: vault.transpose()?,
            purges: config.purge,
            order: Order::default(),
        })
    }

    fn is_for_good(error: &ConnectError) -> bool {
        matches!(error, ConnectError::Settings(_))
    }

    fn check(config: &AzureConfig) -> Result<(), SettingsError> {
        config.parsed().map(drop)
    }

    /// Whether the vault answers, if there is one, and takes the provider for who it says that it is.
    async fn probe(&self, context: &CallContext) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.look_at_vault(context).await?)
    }
}

impl Serves<WrtVault> for Azure {
    fn serve(entry: &mut Entry<Self>) {
        wrt_vault::offer(entry);
    }
}

impl Serves<WrtIdentity> for Azure {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<IdentityInterface>(|azure| azure);
    }
}
