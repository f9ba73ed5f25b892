//! A Key Vault's secrets as `wrt:vault`.

mod call;
pub mod name;
pub(crate) mod order;
mod removal;
mod value;

use std::collections::HashMap;

use azure_core::http::RequestContent;
use azure_security_keyvault_secrets::{
    ResourceExt as _, SecretClient, SecretClientOptions,
    models::{self, SecretClientGetSecretOptions, SecretProperties, SetSecretParameters},
};
use wrt_contract::{CallContext, async_trait};
use wrt_vault::{
    Cursor, LockerName, NamePage, Secret, SecretName, SecretValue, Vault, VaultError, Version,
    limits::VERSIONS_MAX,
};

use self::{
    call::{Listed, call, page, refused},
    removal::Removal,
};
use crate::{
    Azure,
    answer::{Failure, What},
    transport::Transport,
};

/// Pages of the vault that one listing looks through for names of its locker.
const PAGES_MAX: usize = 8;
/// Hexadecimal digits of a version.
const VERSION_DIGITS: usize = 32;
/// A name that no secret has: the encoding of none ends in a dash.
const NOBODY: &str = "wrt-probe-";

/// How the client of a vault is set up.
pub(crate) fn client_options(transport: Transport, check_audience: bool) -> SecretClientOptions {
    SecretClientOptions {
        client_options: transport.options(),
        verify_challenge_resource: Some(check_audience),
        ..SecretClientOptions::default()
    }
}

impl Azure {
    fn vault(&self) -> Result<&SecretClient, VaultError> {
        self.vault.as_ref().ok_or(VaultError::NoSuchVault)
    }

    /// Whether the vault answers. What it answers to others is none of this.
    pub(crate) async fn look_at_vault(&self, context: &CallContext) -> Result<(), VaultError> {
        let Some(client) = &self.vault else {
            return Ok(());
        };
        match call(context, || client.get_secret(NOBODY, None)).await? {
            Ok(_) => Ok(()),
            Err(failure) => match failure.status() {
                Some((403 | 404, _)) => Ok(()),
                _ => Err(refused(&failure)),
            },
        }
    }

    /// All values of a secret, those that are disabled too.
    async fn values(
        &self,
        context: &CallContext,
        client: &SecretClient,
        secret: &str,
    ) -> Result<Vec<SecretProperties>, VaultError> {
        let (mut values, mut skip) = (Vec::new(), None);
        loop {
            let request = || page(client, Some(secret), skip.as_deref());
            let listed: Listed = match call(context, request).await? {
                Ok(listed) => listed,
                Err(failure) if is_gone(&failure) => return Ok(Vec::new()),
                Err(failure) => return Err(refused(&failure)),
            };
            values.extend(listed.values);
            skip = listed.skip;
            // More than are told may be kept: which of them are the newest, only all of them say.
            if skip.is_none() {
                return Ok(values);
            }
        }
    }
}

/// Whether a failure says that there is no such secret, or no such value that can be read.
fn is_gone(failure: &Failure) -> bool {
    matches!(failure.status(), Some((404, _) | (403, "SecretDisabled")))
}

/// Whether a value can be read.
fn is_enabled(value: &SecretProperties) -> bool {
    let attributes = value.attributes.as_ref();
    attributes.is_none_or(|it| it.enabled != Some(false))
}

/// A version becomes a part of a path: one that is none of the vault's does not get there.
fn is_version(version: &Version) -> bool {
    let text = version.as_str();
    text.len() == VERSION_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn version_of(
    id: azure_core::Result<azure_security_keyvault_secrets::ResourceId>,
) -> Result<Version, VaultError> {
    let version = id.ok().and_then(|id| id.version);
    let version = version.and_then(|version| Version::new(&version).ok());
    version.ok_or_else(|| VaultError::other("the vault has told of a value without its version"))
}

fn secret_of(mut secret: models::Secret) -> Result<Secret, VaultError> {
    let text = secret.value.take().unwrap_or_default();
    Ok(Secret {
        value: value::decode(text, secret.content_type.as_deref())?,
        version: version_of(secret.resource_id())?,
    })
}

#[async_trait]
impl Vault for Azure {
    async fn get(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
        version: Option<Version>,
    ) -> Result<Option<Secret>, VaultError> {
        let (client, secret) = (self.vault()?, name::encode(locker, name)?);
        if version.as_ref().is_some_and(|version| !is_version(version)) {
            return Ok(None);
        }
        let request = || async {
            let options = SecretClientGetSecretOptions {
                secret_version: version.as_ref().map(ToString::to_string),
                ..SecretClientGetSecretOptions::default()
            };
            let answer = client.get_secret(&secret, Some(options));
            answer.await?.into_model()
        };
        match call(context, request).await? {
            Ok(secret) => secret_of(secret).map(Some),
            Err(failure) if is_gone(&failure) => Ok(None),
            Err(failure) => Err(refused(&failure)),
        }
    }

    async fn set(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
        value: SecretValue,
    ) -> Result<Version, VaultError> {
        let (client, secret) = (self.vault()?, name::encode(locker, name)?);
        let (text, content_type) = value::encode(&value)?;
        let mut removal = Removal::new(self, client, &secret);
        loop {
            let request = || async {
                let number = (order::TAG.to_owned(), self.order.next());
                let parameters = SetSecretParameters {
                    value: Some(text.to_string()),
                    content_type: content_type.clone(),
                    tags: Some(HashMap::from([number])),
                    ..SetSecretParameters::default()
                };
                let content: RequestContent<_> = parameters.try_into()?;
                let answer = client.set_secret(&secret, content, None);
                answer.await?.into_model()
            };
            match call(context, request).await? {
                Ok(secret) => return version_of(secret.resource_id()),
                // It was deleted, and its name is not free yet.
                Err(Failure {
                    of_token: false,
                    what: What::Status { status: 409, .. },
                }) => removal.make_room(context).await?,
                Err(failure) => return Err(refused(&failure)),
            }
        }
    }

    async fn delete(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<(), VaultError> {
        let (client, secret) = (self.vault()?, name::encode(locker, name)?);
        Removal::new(self, client, &secret).remove(context).await
    }

    async fn exists(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<bool, VaultError> {
        let secret = self.get(context, locker, name, None).await?;
        Ok(secret.is_some())
    }

    async fn list(
        &self,
        context: &CallContext,
        locker: &LockerName,
        cursor: Option<Cursor>,
    ) -> Result<NamePage, VaultError> {
        let client = self.vault()?;
        let mut skip = cursor.map(|cursor| cursor.to_string());
        let mut names = Vec::new();
        for _ in 0..PAGES_MAX {
            let request = || page(client, None, skip.as_deref());
            let listed = match call(context, request).await? {
                Ok(listed) => listed,
                Err(failure) => {
                    return Err(match failure.status() {
                        Some((400, _)) if skip.is_some() => VaultError::BadCursor,
                        _ => refused(&failure),
                    });
                }
            };
            let ours = listed.values.iter().filter_map(|value| {
                let id = value.resource_id().ok()?;
                name::decode(locker, &id.name)
            });
            names.extend(ours);
            skip = listed.skip;
            if skip.is_none() || !names.is_empty() {
                break;
            }
        }
        let next = skip.map(|skip| Cursor::new(&skip)).transpose();
        let next = next.map_err(|_too_long| VaultError::other("a page starts at too long a word"));
        Ok(NamePage { names, next: next? })
    }

    async fn versions(
        &self,
        context: &CallContext,
        locker: &LockerName,
        name: &SecretName,
    ) -> Result<Vec<Version>, VaultError> {
        let (client, secret) = (self.vault()?, name::encode(locker, name)?);
        let mut values = self.values(context, client, &secret).await?;
        values.retain(is_enabled);
        values.sort_by_cached_key(order::place);
        let newest = values.iter().rev().take(VERSIONS_MAX);
        newest
            .map(|value| version_of(value.resource_id()))
            .collect()
    }
}
