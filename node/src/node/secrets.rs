//! Secrets that settings refer to, read from the vaults of the app.

use std::{collections::BTreeMap, time::Duration};

use wrt_contract::CallContext;
use wrt_deployment::SecretReference;
use wrt_protocol::ActorAddress;
use wrt_runtime::{LatticeState, SecretsError, SecretsInterface, State as _};
use wrt_supervision::StartError;

/// How long the vault of one secret may take to answer.
const READ_BUDGET: Duration = Duration::from_secs(5);

/// Why a secret was not read.
#[derive(Debug, thiserror::Error)]
#[error("{secret} is not read: {why}")]
struct NotRead {
    secret: SecretReference,
    why: String,
}

/// The secrets that are there, each as its vault has it now: on this node or another one. They leave the
/// vault's keeping: what connects by them has them in its memory.
pub(super) async fn read_secrets(
    state: &LatticeState,
    wanted: impl Iterator<Item = &SecretReference>,
) -> Result<BTreeMap<SecretReference, String>, StartError> {
    let mut read = BTreeMap::new();
    for secret in wanted {
        if read.contains_key(secret) {
            continue;
        }
        let vault = ActorAddress::provider(state.app().clone(), secret.vault.clone());
        let vault = state.site(vault).object::<SecretsInterface>();
        let context = CallContext::with_budget(READ_BUDGET);
        let value = vault.read(&context, secret.locker.as_deref(), &secret.secret);
        let not_read = |why: String| NotRead {
            secret: secret.clone(),
            why,
        };
        let value = match value.await {
            Ok(Some(value)) => value,
            Ok(None) => continue,
            Err(error @ SecretsError::Refused(_)) => {
                return Err(StartError::Refused(not_read(error.to_string()).into()));
            }
            Err(SecretsError::Fault(fault)) => {
                return Err(StartError::Transient(not_read(fault.to_string()).into()));
            }
        };
        let text = std::str::from_utf8(value.expose());
        let text = text.map_err(|_bytes| not_read("it is no text".to_owned()));
        let text = text.map_err(|error| StartError::Transient(error.into()))?;
        read.insert(secret.clone(), text.to_owned());
    }
    Ok(read)
}
