//! The way out to another node, and the way in from one.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use wrt_protocol::{ActorAddress, Fault, Incarnation, InterfaceName, OperationName};

use crate::{Body, BodyError, CallContext};

/// Who is called, and what is known of it before it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callee {
    /// The actor.
    pub address: ActorAddress,
    /// For how long, if at all, it answers a repetition under the same idempotency key with its first
    /// answer. Known at deploy, from the provider's setting `deduplicate_for_ms`.
    pub deduplicates_for: Option<Duration>,
}

impl Callee {
    /// How long after its deadline an attempt may still run: the grace of a call, and what a callee's
    /// clock is estimated wrong by.
    pub const LATE_MAX: Duration = Duration::from_secs(1);

    /// Whether a keyed operation that is called with `context` counts as idempotent: no attempt of it
    /// may run after the first answer is forgotten, so all of its budget must fit in that time.
    #[must_use]
    pub fn deduplicates(&self, context: &CallContext) -> bool {
        self.deduplicates_for
            .is_some_and(|time| context.remaining() + Self::LATE_MAX <= time)
    }
}

/// An actor that does not deduplicate.
impl From<ActorAddress> for Callee {
    fn from(address: ActorAddress) -> Self {
        Self {
            address,
            deduplicates_for: None,
        }
    }
}

/// One call, ready to go out.
#[derive(Debug)]
pub struct Invocation {
    /// The actor called.
    pub target: ActorAddress,
    /// The interface called.
    pub interface: InterfaceName,
    /// What the caller's build takes the interface for.
    pub fingerprint: u64,
    /// The operation called.
    pub operation: OperationName,
    /// Whether a second execution does no harm: only then is a call that may have run tried again.
    pub idempotent: bool,
    /// Whether the caller waits for no answer.
    pub one_way: bool,
    /// The only place that may serve it: it does not fail over, and is not tried elsewhere.
    pub pinned_to: Option<Incarnation>,
    /// The operation's arguments, encoded.
    pub arguments: Bytes,
    /// Bytes that belong to the arguments, untouched.
    pub bulk: Bytes,
    /// A body beside the arguments. A call whose body has been touched is not tried again.
    pub body: Option<Body<BodyError>>,
}

/// What an operation answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its result, encoded.
    pub result: Bytes,
    /// Bytes that belong to the result, untouched.
    pub bulk: Bytes,
    /// A body beside the result.
    pub body: Option<Body<BodyError>>,
    /// Which replica gave it, where it came over the bus.
    pub served_by: Option<Incarnation>,
}

/// The way out: whoever can carry a call to the node that serves its target.
pub trait Caller: Send + Sync + 'static {
    /// Makes the call: routes it, keeps to the context's deadline, tries again what may be tried
    /// again. So it does with a call whose first attempt has [failed
    /// here](CallContext::failed_here): it answers with that fault where no other may follow.
    ///
    /// # Errors
    /// A fault that says whether the operation ran; at the latest 100 ms after the deadline.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call, as far as it has come.
    fn call<'a>(
        &'a self,
        context: &'a CallContext,
        invocation: Invocation,
    ) -> BoxFuture<'a, Result<Answer, Fault>>;
}

/// One call that came in for an interface.
#[derive(Debug)]
pub struct DispatchRequest {
    /// The operation called.
    pub operation: OperationName,
    /// Its arguments, encoded.
    pub arguments: Bytes,
    /// Bytes that belong to the arguments, untouched.
    pub bulk: Bytes,
    /// A body beside the arguments.
    pub body: Option<Body<BodyError>>,
}

/// The way in: an interface of an actor on this node, without its types.
pub trait Dispatch: Send + Sync + 'static {
    /// The interface that it serves.
    fn interface(&self) -> InterfaceName;

    /// What this build takes it for. A caller of another one is refused, and told so.
    fn fingerprint(&self) -> u64;

    /// Decodes, runs and encodes.
    ///
    /// # Errors
    /// A fault where the operation gave no answer of its own. An operation's own error is an answer.
    ///
    /// # Cancel safety
    /// Dropping the future drops the operation.
    fn dispatch<'a>(
        &'a self,
        context: &'a CallContext,
        request: DispatchRequest,
    ) -> BoxFuture<'a, Result<Answer, Fault>>;
}
