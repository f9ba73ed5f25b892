//! Attempts at the server, within one call.
//!
//! Retries belong to the request path; these are the exception. While a stream elects a leader its
//! requests get no answer, for seconds, and only here is it known how a second attempt of a write is
//! made harmless, an increment's and a swap's included: by its message id.

use std::{error::Error, time::Duration};

use async_nats::{Client, RequestError, RequestErrorKind, connection::State, jetstream};
use tokio::time::{Instant, sleep, timeout};
use wrt_contract::CallContext;
use wrt_keyvalue::KeyValueError;
use wrt_protocol::{Execution, Fault, FaultKind, Hop};

/// How long a bucket remembers the ids of messages.
pub(crate) const DUPLICATE_WINDOW: Duration = Duration::from_secs(10);

/// How long the server keeps a consumer that reads a page and that nobody has removed.
pub(crate) const CONSUMER_IDLE_MAX: Duration = Duration::from_secs(5);

/// When the last attempt begins: well before the first one's id is forgotten.
const ATTEMPTS_FOR: Duration = Duration::from_secs(7);

/// How long the first attempt waits for its answer; each further one twice as long.
const ATTEMPT_MIN: Duration = Duration::from_millis(500);
const ATTEMPT_MAX: Duration = Duration::from_secs(2);

/// Pause before the second attempt; each further one twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(320);

const WITHOUT_JETSTREAM: &str = "JetStream does not answer: enable it on the NATS server \
     (nats-server --jetstream) and for this account, or wait until its cluster has a leader";

/// How one attempt failed.
#[derive(Debug)]
pub(crate) enum Failure<E = KeyValueError> {
    /// Another attempt would fail as well.
    Final(E),
    /// It has changed nothing.
    NotDone(String),
    /// It may have changed something.
    Unknown(String),
}

impl<E> Failure<E> {
    /// A call of JetStream that has changed nothing.
    pub(crate) fn not_done(error: &(dyn Error + 'static)) -> Self {
        Self::NotDone(said(error))
    }
}

/// What the client says of an error; where nobody answers for JetStream, it speaks of a resource.
pub(crate) fn said(error: &(dyn Error + 'static)) -> String {
    let mut causes = std::iter::successors(Some(error), |error| Error::source(*error));
    let is_unheard = causes.any(|error| {
        let request = error.downcast_ref::<jetstream::context::RequestError>();
        request
            .is_some_and(|error| error.kind() == jetstream::context::RequestErrorKind::NoResponders)
    });
    match is_unheard {
        true => WITHOUT_JETSTREAM.to_owned(),
        false => error.to_string(),
    }
}

impl From<KeyValueError> for Failure {
    fn from(error: KeyValueError) -> Self {
        Self::Final(error)
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error.kind() {
            RequestErrorKind::NoResponders => Self::NotDone(error.to_string()),
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                Self::Final(KeyValueError::other(error.to_string()))
            }
            RequestErrorKind::TimedOut | RequestErrorKind::Other => {
                Self::Unknown(error.to_string())
            }
        }
    }
}

/// Whether an earlier attempt of the same call may have changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// It is the first, or those before have changed nothing.
    Nothing,
    /// An answer was lost.
    Maybe,
}

/// Attempts `work` until it succeeds, has failed for good, or time is up.
pub(crate) async fn attempts<T, E, Work>(
    context: &CallContext,
    client: &Client,
    mut work: impl FnMut(Earlier) -> Work,
) -> Result<T, E>
where
    E: From<Fault>,
    Work: Future<Output = Result<T, Failure<E>>>,
{
    let all = async {
        let started = Instant::now();
        let (mut limit, mut pause) = (ATTEMPT_MIN, PAUSE_MIN);
        let mut earlier = Earlier::Nothing;
        loop {
            let reason = if client.connection_state() == State::Connected {
                match timeout(limit, work(earlier)).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(Failure::Final(error))) => return Err(error),
                    Ok(Err(Failure::NotDone(reason))) => reason,
                    Ok(Err(Failure::Unknown(reason))) => {
                        earlier = Earlier::Maybe;
                        reason
                    }
                    Err(_elapsed) => {
                        earlier = Earlier::Maybe;
                        format!("no answer within {limit:?}")
                    }
                }
            } else {
                "not connected".to_owned()
            };
            // Nothing has been sent, and nothing is known of when it could be: the caller may know
            // another replica.
            let hopeless = earlier == Earlier::Nothing && reason == "not connected";
            if hopeless || started.elapsed() > ATTEMPTS_FOR {
                let detail = format!("nats: {reason}");
                let execution = match earlier {
                    Earlier::Nothing => Execution::NotExecuted,
                    Earlier::Maybe => Execution::MaybeExecuted,
                };
                let fault = Fault::new(FaultKind::Unavailable, execution, Hop::Backend, detail);
                return Err(fault.after(context.elapsed()).into());
            }
            sleep(pause).await;
            limit = (limit * 2).min(ATTEMPT_MAX);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    };
    context.bound(Hop::Backend, all).await?
}
