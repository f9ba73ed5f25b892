//! Host glue: what a component imports, over the trait.
//!
//! An identity is a handle on the host; what travels is its name. `open` is no call: it looks for the link.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTableError};
use wrt_host::{Host, InstanceState, Package};
use wrt_protocol::FaultKind;

use crate::{Identity, IdentityError, IdentityInterface, IdentityName, Scopes, TokenValue};
use bindings::wrt::identity::credentials;

#[allow(missing_docs, reason = "generated")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../../wit/identity",
        world: "wrt:identity/imports",
        imports: { default: async | trappable },
        with: { "wrt:identity/credentials.identity": crate::host::IdentityHandle },
        trappable_error_type: { "wrt:identity/credentials.error" => crate::host::HostError },
    });
}

/// `wrt:identity`.
#[derive(Debug, Clone, Copy)]
pub struct WrtIdentity;

impl Host for WrtIdentity {
    fn describe(package: &mut Package) {
        package.imports::<IdentityInterface>(&["wrt:identity/credentials@0.1.0"]);
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        credentials::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

/// An open identity: a link, and a name.
#[derive(Clone)]
pub struct IdentityHandle {
    provider: Arc<dyn Identity>,
    name: IdentityName,
}

/// What ends a guest's call without a result.
#[derive(Debug)]
pub enum HostError {
    /// Told to the guest.
    Told(IdentityError),
    /// A handle that the guest does not have: its own mistake, and a trap.
    Trap(wasmtime::Error),
}

impl From<IdentityError> for HostError {
    fn from(error: IdentityError) -> Self {
        Self::Told(error)
    }
}

impl From<ResourceTableError> for HostError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

/// The one place where an error, a fault among them, becomes words for a guest.
fn words(error: IdentityError) -> credentials::Error {
    match error {
        IdentityError::NoSuchIdentity => credentials::Error::NoSuchIdentity,
        IdentityError::Denied(code) => credentials::Error::Denied(code.into()),
        IdentityError::OverLimit { .. }
        | IdentityError::Empty
        | IdentityError::BadCharacter
        | IdentityError::BadScopes(_) => credentials::Error::Invalid(error.to_string()),
        IdentityError::Other(text) => credentials::Error::Other(text.into()),
        IdentityError::Fault(fault) => {
            tracing::debug!(%fault, "a call for a token failed");
            match fault.kind() {
                FaultKind::Denied => credentials::Error::Denied(fault.to_string()),
                _ => credentials::Error::Other(fault.to_string()),
            }
        }
    }
}

async fn token(
    state: &mut InstanceState,
    identity: Resource<IdentityHandle>,
    scopes: Vec<String>,
    refused: Option<TokenValue>,
) -> Result<credentials::AccessToken, HostError> {
    let scopes = Scopes::new(scopes)?;
    let IdentityHandle { provider, name } = state.table().get(&identity)?.clone();
    let context = state.context().clone();
    let token = provider.token(&context, &name, &scopes, refused).await?;
    // The guest gets a copy. This one is not zeroed: the bindings drop it.
    Ok(credentials::AccessToken {
        token: token.value.expose().to_owned(),
        seconds_left: token.good_for.as_secs(),
    })
}

impl credentials::Host for InstanceState {
    async fn open(&mut self, name: String) -> Result<Resource<IdentityHandle>, HostError> {
        // Not whoever is linked as `default` in the place of a link that is not there: that is somebody
        // else. Beside its own that one has identities of other names, or says that it has not.
        let own = match name.as_str() {
            "" => self.link_named::<IdentityInterface>("default"),
            name => self.link_named::<IdentityInterface>(name),
        };
        let handle = match own {
            Some(provider) => IdentityHandle {
                provider,
                name: IdentityName::own(),
            },
            None => IdentityHandle {
                name: IdentityName::new(&name).map_err(|error| match error {
                    IdentityError::Empty => IdentityError::NoSuchIdentity,
                    error => error,
                })?,
                provider: self
                    .link_named::<IdentityInterface>("default")
                    .ok_or(IdentityError::NoSuchIdentity)?,
            },
        };
        Ok(self.table().push(handle)?)
    }

    fn convert_error(&mut self, error: HostError) -> wasmtime::Result<credentials::Error> {
        match error {
            HostError::Told(error) => Ok(words(error)),
            HostError::Trap(trap) => Err(trap),
        }
    }
}

impl credentials::HostIdentity for InstanceState {
    async fn get_token(
        &mut self,
        identity: Resource<IdentityHandle>,
        scopes: Vec<String>,
    ) -> Result<credentials::AccessToken, HostError> {
        token(self, identity, scopes, None).await
    }

    async fn replace_token(
        &mut self,
        identity: Resource<IdentityHandle>,
        scopes: Vec<String>,
        refused: String,
    ) -> Result<credentials::AccessToken, HostError> {
        let refused = TokenValue::new(refused)?;
        token(self, identity, scopes, Some(refused)).await
    }

    async fn drop(&mut self, identity: Resource<IdentityHandle>) -> wasmtime::Result<()> {
        self.table().delete(identity)?;
        Ok(())
    }
}
