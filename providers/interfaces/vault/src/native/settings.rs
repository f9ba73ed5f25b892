//! Vaults that settings of other providers refer to.

use std::sync::Arc;

use wrt_contract::{CallContext, SecretBytes, async_trait};
use wrt_runtime::{Backend, Entry, Secrets, SecretsError, SecretsInterface};

use crate::{LockerName, SecretName, Vault, VaultError, VaultInterface};

/// Says that a backend is a vault: one for guests, and one that settings can refer to.
pub fn offer<B: Backend + Vault>(entry: &mut Entry<B>) {
    entry.offers::<VaultInterface>(|vault| vault);
    entry.offers::<SecretsInterface>(|vault| Arc::new(OfSettings(vault)));
}

/// A vault, as settings read it.
struct OfSettings<V>(Arc<V>);

#[async_trait]
impl<V: Vault> Secrets for OfSettings<V> {
    async fn read(
        &self,
        context: &CallContext,
        locker: Option<&str>,
        name: &str,
    ) -> Result<Option<SecretBytes>, SecretsError> {
        let locker = LockerName::opened_by(locker.unwrap_or_default()).map_err(told)?;
        let name = SecretName::new(name).map_err(told)?;
        let secret = self.0.get(context, &locker, &name, None).await;
        let secret = secret.map_err(told)?;
        Ok(secret.map(|secret| SecretBytes::new(secret.value.into_exposed())))
    }
}

fn told(error: VaultError) -> SecretsError {
    match error {
        VaultError::Fault(fault) => SecretsError::Fault(fault),
        refused => SecretsError::Refused(refused.to_string()),
    }
}
