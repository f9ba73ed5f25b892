//! One call of JetStream, tried a few times.

use std::time::Duration;

use crate::{
    StoreError,
    limits::{STORE_ATTEMPTS_MAX, STORE_RETRY_PAUSE},
};

/// Why an attempt failed.
pub(super) enum Outcome {
    /// The next one may succeed.
    Again(Box<dyn std::error::Error + Send + Sync>),
    /// No other one would.
    Final(StoreError),
}

impl Outcome {
    pub(super) fn again(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Again(Box::new(error))
    }
}

/// Attempts `call`, each time for at most `wait`. This is no call between actors, whose retries are
/// the request path's business.
pub(super) async fn attempts<T, F>(
    what: &str,
    wait: Duration,
    mut call: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, Outcome>>,
{
    let mut attempt = 1;
    loop {
        let failed = match tokio::time::timeout(wait, call()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(Outcome::Final(error))) => return Err(error),
            Ok(Err(Outcome::Again(source))) => StoreError::Failed {
                what: what.to_owned(),
                source,
            },
            Err(_elapsed) => StoreError::TimedOut {
                what: what.to_owned(),
                waited: wait,
            },
        };
        if attempt == STORE_ATTEMPTS_MAX {
            return Err(failed);
        }
        tracing::debug!(attempt, error = %failed, "a call of JetStream failed");
        tokio::time::sleep(STORE_RETRY_PAUSE * 2_u32.pow(attempt - 1)).await;
        attempt += 1;
    }
}
