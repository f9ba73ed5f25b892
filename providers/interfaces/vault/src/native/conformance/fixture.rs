//! A locker of its own for a case, and short words for operations that must succeed.

use std::{collections::BTreeSet, sync::Arc};

use wrt_conformance::unique_name;
use wrt_contract::CallContext;

use crate::{
    Cursor, LockerName, NamePage, Secret, SecretName, SecretValue, Vault, VaultError, Version,
};

/// Pages after which a listing counts as endless. A vault may answer many empty ones where its service
/// holds other names as well.
const PAGES_MAX: usize = 10_000;

/// What a case works with.
pub(crate) struct Fixture {
    vault: Arc<dyn Vault>,
    locker: LockerName,
}

pub(crate) fn value(bytes: &[u8]) -> SecretValue {
    SecretValue::new(bytes.to_vec()).expect("a case sets legal values")
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).expect("a case names legal secrets")
}

fn must<T>(what: &str, secret: &str, done: Result<T, VaultError>) -> T {
    done.unwrap_or_else(|error| panic!("{what} {secret:?}: {error}"))
}

impl Fixture {
    pub(crate) fn new(case: &str, vault: Arc<dyn Vault>) -> Self {
        let locker = LockerName::new(&unique_name(case, 48)).expect("48 bytes are a legal name");
        Self { vault, locker }
    }

    /// The same vault, and a locker whose name goes on with `suffix`.
    pub(crate) fn beside(&self, suffix: &str) -> Self {
        let locker = LockerName::new(&format!("{}{suffix}", self.locker));
        Self {
            vault: Arc::clone(&self.vault),
            locker: locker.expect("a case names legal lockers"),
        }
    }

    pub(crate) async fn get(&self, secret: &str) -> Option<Secret> {
        self.read(secret, None).await
    }

    pub(crate) async fn get_version(&self, secret: &str, version: &Version) -> Option<Secret> {
        self.read(secret, Some(version.clone())).await
    }

    async fn read(&self, secret: &str, version: Option<Version>) -> Option<Secret> {
        let (vault, context, name) = self.call(secret);
        let got = vault.get(&context, &self.locker, &name, version);
        must("get", secret, got.await)
    }

    pub(crate) async fn try_set(
        &self,
        secret: &str,
        value: SecretValue,
    ) -> Result<Version, VaultError> {
        let (vault, context, name) = self.call(secret);
        vault.set(&context, &self.locker, &name, value).await
    }

    pub(crate) async fn set(&self, secret: &str, bytes: &[u8]) -> Version {
        must("set", secret, self.try_set(secret, value(bytes)).await)
    }

    pub(crate) async fn delete(&self, secret: &str) {
        let (vault, context, name) = self.call(secret);
        let done = vault.delete(&context, &self.locker, &name);
        must("delete", secret, done.await);
    }

    pub(crate) async fn exists(&self, secret: &str) -> bool {
        let (vault, context, name) = self.call(secret);
        let exists = vault.exists(&context, &self.locker, &name);
        must("exists", secret, exists.await)
    }

    pub(crate) async fn versions(&self, secret: &str) -> Vec<Version> {
        let (vault, context, name) = self.call(secret);
        let versions = vault.versions(&context, &self.locker, &name);
        must("versions of", secret, versions.await)
    }

    fn call(&self, secret: &str) -> (&dyn Vault, CallContext, SecretName) {
        (&*self.vault, CallContext::default(), name(secret))
    }

    pub(crate) async fn page(&self, cursor: Option<Cursor>) -> Result<NamePage, VaultError> {
        let context = CallContext::default();
        self.vault.list(&context, &self.locker, cursor).await
    }

    /// All names, each of which must come once.
    pub(crate) async fn names(&self) -> BTreeSet<String> {
        let (mut names, mut cursor) = (BTreeSet::new(), None);
        for _ in 0..PAGES_MAX {
            let page = must("list", self.locker.as_str(), self.page(cursor).await);
            for name in page.names {
                assert!(names.insert(name.to_string()), "{name} twice");
            }
            cursor = page.next;
            if cursor.is_none() {
                return names;
            }
        }
        panic!("the listing does not end");
    }
}
