//! One request to the vault, and pages of what it lists.

use std::time::Duration;

use azure_core::http::pager::{PagerContinuation, PagerOptions};
use azure_security_keyvault_secrets::{
    SecretClient,
    models::{
        SecretClientListSecretPropertiesOptions, SecretClientListSecretPropertiesVersionsOptions,
        SecretProperties,
    },
};
use futures::StreamExt as _;
use reqwest::Url;
use wrt_contract::CallContext;
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_vault::VaultError;

use crate::answer::{Failure, What, overloaded};

/// As many as the service gives at most.
const PAGE_MAX: i32 = 25;
/// The parameter of a page's address that says where it starts.
const SKIP: &str = "$skiptoken";
/// How long is waited first where the service does not say.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// And at most.
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// A page of a listing, and where the next one starts.
pub(super) struct Listed {
    pub(super) values: Vec<SecretProperties>,
    pub(super) skip: Option<String>,
}

/// Growing pauses, within the time of a call.
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) fn new(first: Duration) -> Self {
        Self(first)
    }

    /// Waits for as long as the service says, or longer each time; not at all if the call would be over then.
    ///
    /// # Errors
    /// What is said instead of waiting.
    pub(super) async fn next(
        &mut self,
        context: &CallContext,
        told: Option<Duration>,
        detail: &str,
    ) -> Result<(), Fault> {
        let pause = told.unwrap_or(self.0);
        self.0 = (self.0 * 2).min(PAUSE_MAX);
        if pause >= context.remaining() {
            let kind = overloaded(pause);
            return Err(Fault::not_executed(kind, Hop::Backend, detail));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Sends a request, and again when the service has asked to wait.
///
/// # Errors
/// Within: what the service answers otherwise. Without: a fault.
pub(super) async fn call<T, F>(
    context: &CallContext,
    mut request: impl FnMut() -> F,
) -> Result<Result<T, Failure>, VaultError>
where
    F: Future<Output = azure_core::Result<T>>,
{
    let mut pauses = Pauses::new(PAUSE_FIRST);
    loop {
        let error = match context.bound(Hop::Backend, request()).await? {
            Ok(answer) => return Ok(Ok(answer)),
            Err(error) => error,
        };
        let failure = Failure::of(&error);
        let Some(told) = failure.asks_to_wait() else {
            return Ok(Err(failure));
        };
        tracing::debug!(?told, "the vault asks to wait");
        pauses.next(context, told, "azure: throttled").await?;
    }
}

/// What of a failure the interface has a word for.
pub(super) fn refused(failure: &Failure) -> VaultError {
    match &failure.what {
        What::Status {
            status: 401 | 403, ..
        } => VaultError::AccessDenied,
        What::Status { status, .. } if failure.of_token && (400..429).contains(status) => {
            VaultError::AccessDenied
        }
        What::Status {
            status: status @ 400..=499,
            code,
            ..
        } => VaultError::other(format!("the vault answers {status}, {code}")),
        What::Other => {
            let detail = "azure: an answer that cannot be read";
            Fault::maybe_executed(FaultKind::Unavailable, Hop::Backend, detail).into()
        }
        _ => failure.fault().into(),
    }
}

/// A page of the values of one secret, or of all secrets.
pub(super) async fn page(
    client: &SecretClient,
    secret: Option<&str>,
    skip: Option<&str>,
) -> azure_core::Result<Listed> {
    let method_options = PagerOptions {
        continuation: skip.map(|skip| PagerContinuation::Link(page_url(client, secret, skip))),
        ..PagerOptions::default()
    };
    let pager = match secret {
        None => client.list_secret_properties(Some(SecretClientListSecretPropertiesOptions {
            maxresults: Some(PAGE_MAX),
            method_options,
        })),
        Some(secret) => {
            let options = SecretClientListSecretPropertiesVersionsOptions {
                maxresults: Some(PAGE_MAX),
                method_options,
            };
            client.list_secret_properties_versions(secret, Some(options))
        }
    };
    let mut pages = pager?.into_pages();
    let Some(page) = pages.next().await else {
        return Ok(Listed {
            values: Vec::new(),
            skip: None,
        });
    };
    let values = page?.into_model()?.value;
    let skip = match pages.continuation() {
        Some(PagerContinuation::Link(next)) => next
            .query_pairs()
            .find_map(|(name, value)| (name == SKIP).then(|| value.into_owned())),
        _ => None,
    };
    Ok(Listed { values, skip })
}

/// Where a page is: at the vault of the settings, whoever has kept the word for its start meanwhile.
fn page_url(client: &SecretClient, secret: Option<&str>, skip: &str) -> Url {
    let mut url = client.endpoint().clone();
    url.set_path(&match secret {
        None => "/secrets".to_owned(),
        Some(secret) => format!("/secrets/{secret}/versions"),
    });
    url.query_pairs_mut()
        .clear()
        .append_pair("maxresults", &PAGE_MAX.to_string())
        .append_pair(SKIP, skip);
    url
}
