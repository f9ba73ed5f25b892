//! How a secret goes: the vault keeps what was deleted, and its name taken, until it is purged or forgotten.

use std::time::Duration;

use azure_core::{http::RequestContent, time::OffsetDateTime};
use azure_security_keyvault_secrets::{
    ResourceExt as _, SecretClient,
    models::{
        SecretAttributes, SecretClientUpdateSecretPropertiesOptions, SecretProperties,
        UpdateSecretPropertiesParameters,
    },
};
use wrt_contract::CallContext;
use wrt_vault::VaultError;

use super::{
    call::{Pauses, call, refused},
    is_enabled, version_of,
};
use crate::Azure;

/// How long is waited first for what the vault is doing still.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// How often a secret that was just deleted is looked for among the deleted ones, to be purged.
const PURGES_MAX: usize = 4;

/// Of one secret.
///
/// ```text
///           delete             purge
/// there ────────────> deleted ───────> gone: the name is free
///   ^                    |
///   └────────────────────┘
///     recover, and its values disabled
/// ```
pub(super) struct Removal<'a> {
    azure: &'a Azure,
    client: &'a SecretClient,
    secret: &'a str,
    may_purge: bool,
    pauses: Pauses,
}

/// What became of a purge.
enum Purged {
    /// It is gone.
    Yes,
    /// It is on its way, from here or to there.
    NotYet,
    /// The vault does not let this app purge, or nobody.
    Forbidden,
}

impl<'a> Removal<'a> {
    pub(super) fn new(azure: &'a Azure, client: &'a SecretClient, secret: &'a str) -> Self {
        Self {
            azure,
            client,
            secret,
            may_purge: azure.purges,
            pauses: Pauses::new(PAUSE_FIRST),
        }
    }

    /// Deletes it. That it is purged as well is for the next one who sets it, who would have to wait: where it
    /// fails, that one does it.
    pub(super) async fn remove(mut self, context: &CallContext) -> Result<(), VaultError> {
        if !self.may_purge {
            // It will be recovered by who sets it again, and then these are not to be read.
            self.disable(context, None).await?;
        }
        let request = || self.client.delete_secret(self.secret, None);
        match call(context, request).await? {
            Ok(_deleted) => {}
            Err(failure) => match failure.status() {
                // Being deleted is deleted.
                Some((404 | 409, _)) => return Ok(()),
                _ => return Err(refused(&failure)),
            },
        }
        for _ in 0..PURGES_MAX {
            if !self.may_purge {
                break;
            }
            match self.purge(context).await {
                Ok(Purged::NotYet) => {}
                Ok(Purged::Yes | Purged::Forbidden) => break,
                Err(error) => {
                    tracing::warn!(%error, "a deleted secret is not purged yet");
                    break;
                }
            }
            let waited = self.pauses.next(context, None, "azure: not purged yet");
            if waited.await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Frees the name of a secret that was deleted, or takes it back.
    pub(super) async fn make_room(&mut self, context: &CallContext) -> Result<(), VaultError> {
        let is_over = match self.may_purge {
            true => match self.purge(context).await? {
                Purged::Yes | Purged::NotYet => false,
                Purged::Forbidden => {
                    self.may_purge = false;
                    self.recover(context).await?
                }
            },
            false => self.recover(context).await?,
        };
        if !is_over {
            let detail = "azure: the name of a deleted secret is not free yet";
            self.pauses.next(context, None, detail).await?;
        }
        Ok(())
    }

    async fn purge(&self, context: &CallContext) -> Result<Purged, VaultError> {
        let request = || self.client.purge_deleted_secret(self.secret, None);
        let Err(failure) = call(context, request).await? else {
            return Ok(Purged::Yes);
        };
        match failure.status() {
            Some((404 | 409, _)) => Ok(Purged::NotYet),
            Some((403, _)) => Ok(Purged::Forbidden),
            _ => Err(refused(&failure)),
        }
    }

    /// Recovers it, and disables the values that it had. Whether that is done: where somebody else has it in
    /// hand, it is not.
    async fn recover(&mut self, context: &CallContext) -> Result<bool, VaultError> {
        let request = || async {
            let answer = self.client.get_deleted_secret(self.secret, None);
            answer.await?.into_model()
        };
        let deleted_at = match call(context, request).await? {
            Ok(deleted) => deleted.deleted_date,
            Err(failure) => match failure.status() {
                Some((404 | 409, _)) => return Ok(false),
                _ => return Err(refused(&failure)),
            },
        };
        let request = || self.client.recover_deleted_secret(self.secret, None);
        if let Err(failure) = call(context, request).await? {
            return match failure.status() {
                Some((404 | 409, _)) => Ok(false),
                _ => Err(refused(&failure)),
            };
        }
        // The vault takes its time with that too.
        while self.disable(context, deleted_at).await? == 0 {
            let detail = "azure: a deleted secret is not recovered yet";
            self.pauses.next(context, None, detail).await?;
        }
        Ok(true)
    }

    /// Disables the values that were set until then, or all; how many values there are.
    async fn disable(
        &self,
        context: &CallContext,
        until: Option<OffsetDateTime>,
    ) -> Result<usize, VaultError> {
        let values = self.azure.values(context, self.client, self.secret).await?;
        let is_old = |value: &&SecretProperties| {
            let created = value.attributes.as_ref().and_then(|it| it.created);
            is_enabled(value)
                && until.is_none_or(|until| created.is_none_or(|created| created <= until))
        };
        for value in values.iter().filter(is_old) {
            let version = version_of(value.resource_id())?;
            let request = || async {
                let parameters = UpdateSecretPropertiesParameters {
                    secret_attributes: Some(SecretAttributes {
                        enabled: Some(false),
                        ..SecretAttributes::default()
                    }),
                    ..UpdateSecretPropertiesParameters::default()
                };
                let content: RequestContent<_> = parameters.try_into()?;
                let options = SecretClientUpdateSecretPropertiesOptions {
                    secret_version: Some(version.to_string()),
                    ..SecretClientUpdateSecretPropertiesOptions::default()
                };
                let answer =
                    self.client
                        .update_secret_properties(self.secret, content, Some(options));
                answer.await
            };
            if let Err(failure) = call(context, request).await? {
                match failure.status() {
                    Some((404, _)) => {}
                    _ => return Err(refused(&failure)),
                }
            }
        }
        Ok(values.len())
    }
}
