//! One call of JetStream, tried a few times.

use std::{error::Error, time::Duration};

use async_nats::jetstream::{
    ErrorCode,
    context::{
        GetStreamError, GetStreamErrorKind, PublishError, PublishErrorKind, RequestError,
        RequestErrorKind,
    },
    kv::{UpdateError, UpdateErrorKind},
};
use backon::{ExponentialBuilder, Retryable};

use crate::{
    StoreError,
    limits::{STORE_ATTEMPTS_MAX, STORE_RETRY_PAUSE},
};

/// Why an attempt failed.
pub(super) enum AttemptError {
    /// The next one may succeed.
    Again(Box<dyn Error + Send + Sync>),
    /// Nobody answers for JetStream; the next one may find it.
    NoJetStream,
    /// What was published was not acknowledged: JetStream is away, or cannot write.
    Unacknowledged,
    /// There is no room for it, and another attempt makes none.
    Full(Box<dyn Error + Send + Sync>),
    /// No other one would.
    Final(StoreError),
}

/// How JetStream says that something does not fit: into the server, the account, or the stream.
const FULL: [ErrorCode; 6] = [
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
    ErrorCode::MEMORY_RESOURCES_EXCEEDED,
    ErrorCode::STREAM_STORE_FAILED,
    ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED,
];

/// What the client said. Its errors repeat their causes in their own words, so that a chain of them
/// would say everything several times.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

impl AttemptError {
    pub(super) fn again(error: impl Error + Send + Sync + 'static) -> Self {
        if is_without_jetstream(&error) {
            return Self::NoJetStream;
        }
        if is_unacknowledged(&error) {
            return Self::Unacknowledged;
        }
        let said = Box::new(Said(error.to_string()));
        match error_code(&error).filter(|code| FULL.contains(code)) {
            Some(_) => Self::Full(said),
            None => Self::Again(said),
        }
    }
}

/// Whether an error of the client says that nobody answers for JetStream.
fn is_without_jetstream(error: &(dyn Error + 'static)) -> bool {
    let is_off = [
        ErrorCode::JETSTREAM_NOT_ENABLED,
        ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
    ];
    let is_unheard = causes(error).any(|error| {
        let request = error.downcast_ref::<RequestError>();
        request.is_some_and(|error| error.kind() == RequestErrorKind::NoResponders)
    });
    is_unheard || error_code(error).is_some_and(|code| is_off.contains(&code))
}

/// Whether an error of the client says that it has waited in vain for the word that something is stored.
fn is_unacknowledged(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|error| {
        let publish = error.downcast_ref::<PublishError>();
        let update = error.downcast_ref::<UpdateError>();
        publish.is_some_and(|error| error.kind() == PublishErrorKind::TimedOut)
            || update.is_some_and(|error| error.kind() == UpdateErrorKind::TimedOut)
    })
}

/// What JetStream itself answered, where an error of the client or a cause of it has that.
pub(super) fn error_code(error: &(dyn Error + 'static)) -> Option<ErrorCode> {
    causes(error).find_map(own_error_code)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| Error::source(*error))
}

fn own_error_code(error: &(dyn Error + 'static)) -> Option<ErrorCode> {
    if let Some(error) = error.downcast_ref::<async_nats::jetstream::Error>() {
        return Some(error.error_code());
    }
    match error.downcast_ref::<GetStreamError>()?.kind() {
        GetStreamErrorKind::JetStream(error) => Some(error.error_code()),
        _ => None,
    }
}

/// A failed attempt, and whether there is to be another.
struct Failure {
    error: StoreError,
    is_final: bool,
}

/// Attempts `call`, each time for at most `wait`. This is no call between actors, whose retries are
/// the request path's business.
pub(super) async fn attempts<T, F>(
    what: &str,
    wait: Duration,
    call: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, AttemptError>>,
{
    let pauses = ExponentialBuilder::new()
        .with_min_delay(STORE_RETRY_PAUSE)
        .without_max_delay()
        .with_max_times(STORE_ATTEMPTS_MAX as usize - 1);
    attempts_after(pauses, what, wait, call).await
}

/// The same, as patient as `pauses` say.
pub(super) async fn attempts_after<T, F>(
    pauses: ExponentialBuilder,
    what: &str,
    wait: Duration,
    mut call: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, AttemptError>>,
{
    let attempt = || {
        let answer = tokio::time::timeout(wait, call());
        async {
            answer.await.map_or_else(
                |_elapsed| Err(timed_out(what, wait)),
                |answer| answer.map_err(|error| failure(what, error)),
            )
        }
    };
    let answer = attempt
        .retry(pauses)
        .when(|failure| !failure.is_final)
        .notify(|failure, pause| {
            tracing::debug!(?pause, error = %failure.error, "a call of JetStream failed");
        });
    answer.await.map_err(|failure| failure.error)
}

fn failure(what: &str, error: AttemptError) -> Failure {
    let (error, is_final) = match error {
        AttemptError::Final(error) => (error, true),
        AttemptError::NoJetStream => (StoreError::NoJetStream, false),
        AttemptError::Unacknowledged => {
            let what = what.to_owned();
            (StoreError::Unacknowledged { what }, false)
        }
        AttemptError::Full(source) => {
            let what = what.to_owned();
            (StoreError::Full { what, source }, true)
        }
        AttemptError::Again(source) => {
            let what = what.to_owned();
            (StoreError::Failed { what, source }, false)
        }
    };
    Failure { error, is_final }
}

fn timed_out(what: &str, waited: Duration) -> Failure {
    Failure {
        error: StoreError::TimedOut {
            what: what.to_owned(),
            waited,
        },
        is_final: false,
    }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::kv::{PutError, PutErrorKind};

    use super::*;

    /// A server whose disk is full does not answer a write, and its client gives up before this code does.
    #[test]
    fn a_write_without_an_answer_is_told_as_such_however_it_was_made() {
        let in_vain = || PublishError::new(PublishErrorKind::TimedOut);
        let errors = [
            AttemptError::again(in_vain()),
            AttemptError::again(PutError::with_source(PutErrorKind::Publish, in_vain())),
            AttemptError::again(UpdateError::from(in_vain())),
        ];
        for error in errors {
            let told = failure("store app a", error).error;
            assert!(
                matches!(told, StoreError::Unacknowledged { .. }),
                "{told:?}"
            );
            let told = told.to_string();
            assert!(told.contains("room on its disk"), "{told}");
        }
    }
}
