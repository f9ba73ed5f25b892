//! One call of JetStream, tried a few times.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use crate::{
    StoreError,
    limits::{STORE_ATTEMPTS_MAX, STORE_RETRY_PAUSE},
};

/// Why an attempt failed.
pub(super) enum AttemptError {
    /// The next one may succeed.
    Again(Box<dyn std::error::Error + Send + Sync>),
    /// No other one would.
    Final(StoreError),
}

impl AttemptError {
    pub(super) fn again(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Again(Box::new(error))
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
    let pauses = ExponentialBuilder::new()
        .with_min_delay(STORE_RETRY_PAUSE)
        .without_max_delay()
        .with_max_times(STORE_ATTEMPTS_MAX as usize - 1);
    let answer = attempt
        .retry(pauses)
        .when(|failure| !failure.is_final)
        .notify(|failure, pause| {
            tracing::debug!(?pause, error = %failure.error, "a call of JetStream failed");
        });
    answer.await.map_err(|failure| failure.error)
}

fn failure(what: &str, error: AttemptError) -> Failure {
    match error {
        AttemptError::Final(error) => Failure {
            error,
            is_final: true,
        },
        AttemptError::Again(source) => Failure {
            error: StoreError::Failed {
                what: what.to_owned(),
                source,
            },
            is_final: false,
        },
    }
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
