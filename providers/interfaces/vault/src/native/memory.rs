//! The vault in memory: bounded, and gone with its process.

use parking_lot::Mutex;
use wrt_contract::{CallContext, async_trait};
use wrt_runtime::{Entry, InProcess, Serves};

use crate::{
    Contents, Cursor, LockerName, NamePage, Secret, SecretName, SecretValue, Vault, VaultError,
    Version, WrtVault,
};

/// Values, names and 128 bytes for each value. One beyond it is refused; nothing is evicted.
const BYTES_MAX: usize = 16 << 20;

/// Secrets in the memory of this process, for tests and trials. A part of the provider in memory.
#[derive(Debug, Default)]
pub struct VaultDefault(Mutex<Contents>);

impl InProcess for VaultDefault {
    const NAME: &'static str = "memory";
}

impl Serves<WrtVault> for VaultDefault {
    fn serve(entry: &mut Entry<Self>) {
        crate::offer(entry);
    }
}

#[async_trait]
impl Vault for VaultDefault {
    async fn get(
        &self,
        _: &CallContext,
        locker: &LockerName,
        name: &SecretName,
        version: Option<Version>,
    ) -> Result<Option<Secret>, VaultError> {
        Ok(self.0.lock().get(locker, name, version.as_ref()))
    }

    async fn set(
        &self,
        _: &CallContext,
        locker: &LockerName,
        name: &SecretName,
        value: SecretValue,
    ) -> Result<Version, VaultError> {
        self.0.lock().set(locker, name, value, BYTES_MAX)
    }

    async fn delete(
        &self,
        _: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<(), VaultError> {
        self.0.lock().delete(locker, name);
        Ok(())
    }

    async fn exists(
        &self,
        _: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<bool, VaultError> {
        Ok(self.0.lock().exists(locker, name))
    }

    async fn list(
        &self,
        _: &CallContext,
        locker: &LockerName,
        cursor: Option<Cursor>,
    ) -> Result<NamePage, VaultError> {
        self.0.lock().list(locker, cursor.as_ref())
    }

    async fn versions(
        &self,
        _: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<Vec<Version>, VaultError> {
        Ok(self.0.lock().versions(locker, name))
    }
}
