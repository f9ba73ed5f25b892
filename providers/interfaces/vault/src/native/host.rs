//! Host glue: what a component imports, over the trait.
//!
//! A locker is a handle on the host; what travels is its name. `open` is no call: it looks for the link
//! that the name names, or else the link `default`.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTableError};
use wrt_contract::CallContext;
use wrt_host::{Host, InstanceState, Package};
use wrt_protocol::FaultKind;

use crate::{
    Cursor, LockerName, SecretName, SecretValue, Vault, VaultError, VaultInterface, Version,
};
use bindings::wrt::vault::vault;

#[allow(missing_docs, reason = "generated")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../../wit/vault",
        world: "wrt:vault/imports",
        imports: { default: async | trappable },
        with: { "wrt:vault/vault.locker": crate::host::LockerHandle },
        trappable_error_type: { "wrt:vault/vault.error" => crate::host::HostError },
    });
}

/// `wrt:vault`.
#[derive(Debug, Clone, Copy)]
pub struct WrtVault;

impl Host for WrtVault {
    fn describe(package: &mut Package) {
        package.imports::<VaultInterface>(&["wrt:vault/vault@0.1.0"]);
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        vault::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

/// An open locker: a link, and a name.
#[derive(Clone)]
pub struct LockerHandle {
    vault: Arc<dyn Vault>,
    locker: LockerName,
}

/// What ends a guest's call without a result.
#[derive(Debug)]
pub enum HostError {
    /// Told to the guest.
    Told(VaultError),
    /// A handle that the guest does not have: its own mistake, and a trap.
    Trap(wasmtime::Error),
}

impl From<VaultError> for HostError {
    fn from(error: VaultError) -> Self {
        Self::Told(error)
    }
}

impl From<ResourceTableError> for HostError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

/// The one place where an error, a fault among them, becomes words for a guest.
fn words(error: VaultError) -> vault::Error {
    match error {
        VaultError::NoSuchVault => vault::Error::NoSuchVault,
        VaultError::AccessDenied => vault::Error::AccessDenied,
        VaultError::OverLimit { .. } | VaultError::Empty | VaultError::BadCursor => {
            vault::Error::Invalid(error.to_string())
        }
        VaultError::Full => vault::Error::Full,
        VaultError::Other(text) => vault::Error::Other(text.into()),
        VaultError::Fault(fault) => {
            tracing::debug!(%fault, "a vault call failed");
            match fault.kind() {
                FaultKind::Denied => vault::Error::AccessDenied,
                _ => vault::Error::Other(fault.to_string()),
            }
        }
    }
}

/// What a call on an open locker needs. It owns it: the instance's state cannot be borrowed while the call
/// is on its way.
fn on(
    state: &mut InstanceState,
    locker: &Resource<LockerHandle>,
) -> Result<(CallContext, LockerHandle), HostError> {
    let handle = state.table().get(locker)?.clone();
    Ok((state.context().clone(), handle))
}

/// A secret for the guest, which gets a copy of the value. This one is not zeroed: the bindings drop it.
fn secret_of(secret: crate::Secret) -> vault::Secret {
    vault::Secret {
        version: secret.version.to_string(),
        value: secret.value.into_exposed(),
    }
}

impl vault::Host for InstanceState {
    async fn open(&mut self, name: String) -> Result<Resource<LockerHandle>, HostError> {
        let vault = self.link::<VaultInterface>(&name);
        let vault = vault.ok_or(VaultError::NoSuchVault)?;
        let locker = LockerName::opened_by(&name)?;
        Ok(self.table().push(LockerHandle { vault, locker })?)
    }

    fn convert_error(&mut self, error: HostError) -> wasmtime::Result<vault::Error> {
        match error {
            HostError::Told(error) => Ok(words(error)),
            HostError::Trap(trap) => Err(trap),
        }
    }
}

impl vault::HostLocker for InstanceState {
    async fn get(
        &mut self,
        locker: Resource<LockerHandle>,
        name: String,
    ) -> Result<Option<vault::Secret>, HostError> {
        let (context, LockerHandle { vault, locker }) = on(self, &locker)?;
        let name = SecretName::new(&name)?;
        let secret = vault.get(&context, &locker, &name, None).await?;
        Ok(secret.map(secret_of))
    }

    async fn get_version(
        &mut self,
        locker: Resource<LockerHandle>,
        name: String,
        version: String,
    ) -> Result<Option<vault::Secret>, HostError> {
        let (context, LockerHandle { vault, locker }) = on(self, &locker)?;
        let (name, version) = (SecretName::new(&name)?, Version::new(&version)?);
        let secret = vault.get(&context, &locker, &name, Some(version)).await?;
        Ok(secret.map(secret_of))
    }

    async fn set(
        &mut self,
        locker: Resource<LockerHandle>,
        name: String,
        value: Vec<u8>,
    ) -> Result<String, HostError> {
        let value = SecretValue::new(value)?;
        let (context, LockerHandle { vault, locker }) = on(self, &locker)?;
        let name = SecretName::new(&name)?;
        let version = vault.set(&context, &locker, &name, value).await?;
        Ok(version.to_string())
    }

    async fn delete(
        &mut self,
        locker: Resource<LockerHandle>,
        name: String,
    ) -> Result<(), HostError> {
        let (context, LockerHandle { vault, locker }) = on(self, &locker)?;
        let name = SecretName::new(&name)?;
        Ok(vault.delete(&context, &locker, &name).await?)
    }

    async fn exists(
        &mut self,
        locker: Resource<LockerHandle>,
        name: String,
    ) -> Result<bool, HostError> {
        let (context, LockerHandle { vault, locker }) = on(self, &locker)?;
        let name = SecretName::new(&name)?;
        Ok(vault.exists(&context, &locker, &name).await?)
    }

    async fn list(
        &mut self,
        locker: Resource<LockerHandle>,
        cursor: Option<String>,
    ) -> Result<vault::Page, HostError> {
        let (context, LockerHandle { vault, locker }) = on(self, &locker)?;
        let cursor = cursor.map(|cursor| Cursor::new(&cursor)).transpose()?;
        let page = vault.list(&context, &locker, cursor).await?;
        Ok(vault::Page {
            names: page.names.iter().map(ToString::to_string).collect(),
            cursor: page.next.map(|cursor| cursor.to_string()),
        })
    }

    async fn versions(
        &mut self,
        locker: Resource<LockerHandle>,
        name: String,
    ) -> Result<Vec<String>, HostError> {
        let (context, LockerHandle { vault, locker }) = on(self, &locker)?;
        let name = SecretName::new(&name)?;
        let versions = vault.versions(&context, &locker, &name).await?;
        Ok(versions.iter().map(ToString::to_string).collect())
    }

    async fn drop(&mut self, locker: Resource<LockerHandle>) -> wasmtime::Result<()> {
        self.table().delete(locker)?;
        Ok(())
    }
}
