//! The contract between those who call and those who serve.
//!
//! An interface is one Rust trait under [`macro@interface`]. The macro makes from it everything that
//! the lattice needs, gathered in one type that implements [`Interface`]: a remote client, a
//! dispatcher, a guard, a link, and a table of operations.
//!
//! ```text
//! Link ── local slot filled ──> Guard (gate, deadline) ──> backend
//!   └──── otherwise ──────────> Remote ──> Caller ··· bus ··· Dispatch ──> Guard ──> backend
//! ```
//!
//! Invariants:
//! - this crate does not know the bus: [`Caller`] is the way out, [`Dispatch`] the way in;
//! - a co-located call goes through no encoder and no queue but the [`Gate`];
//! - whoever calls cannot tell from the types where the provider lives.
//!
//! Start reading at [`Interface`], then [`CallContext`] and [`Gate`].
//!
//! # Example
//! The whole of an interface, a provider of it, and a call that finds no provider on its node, so
//! that it leaves by the [`Caller`] and comes in again by the [`Dispatch`]:
//!
//! ```
//! use std::sync::Arc;
//!
//! use futures::future::BoxFuture;
//! use serde::{Deserialize, Serialize};
//! use wrt_contract::{
//!     Answer, CallContext, Caller, Dispatch, DispatchRequest, Gate, GateLimits, Interface,
//!     InterfaceError, Invocation, LocalSlot, Replica, Schema, async_trait, interface,
//! };
//! use wrt_protocol::{ActorAddress, Fault, Name};
//!
//! /// Greets.
//! #[interface(name = "example:greeting", error = GreetingError)]
//! pub trait Greeting {
//!     /// A greeting for `name`.
//!     #[operation(idempotent)]
//!     async fn greet(&self, context: &CallContext, name: &str) -> Result<String, GreetingError>;
//! }
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize, Schema, InterfaceError)]
//! pub enum GreetingError {
//!     Nameless,
//!     Fault(Fault),
//! }
//!
//! struct Polite;
//!
//! #[async_trait]
//! impl Greeting for Polite {
//!     async fn greet(&self, _: &CallContext, name: &str) -> Result<String, GreetingError> {
//!         if name.is_empty() {
//!             return Err(GreetingError::Nameless);
//!         }
//!         Ok(format!("Good day, {name}"))
//!     }
//! }
//!
//! // The bus of this example.
//! struct Loop(Arc<dyn Dispatch>);
//!
//! impl Caller for Loop {
//!     fn call<'a>(
//!         &'a self,
//!         context: &'a CallContext,
//!         invocation: Invocation,
//!     ) -> BoxFuture<'a, Result<Answer, Fault>> {
//!         let Invocation { operation, arguments, bulk, body, .. } = invocation;
//!         self.0.dispatch(context, DispatchRequest { operation, arguments, bulk, body })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let gate = Gate::new(GateLimits::default());
//! let provider: Arc<dyn Greeting> = Arc::new(Polite);
//! let guarded = GreetingInterface::guarded(Arc::clone(&provider), Arc::clone(&gate));
//! let bus = Arc::new(Loop(GreetingInterface::dispatcher(guarded)));
//!
//! let name = |text| Name::new(text).expect("a legal name");
//! let target = ActorAddress::provider(name("app"), name("greeter"));
//! let slot = LocalSlot::empty();
//! let link = GreetingInterface::linked(slot.clone(), GreetingInterface::remote(bus, target.into()));
//!
//! let context = CallContext::default();
//! assert_eq!(link.greet(&context, "Ada").await, Ok("Good day, Ada".to_owned()));
//! assert_eq!(link.greet(&context, "").await, Err(GreetingError::Nameless));
//!
//! // From here on the same call stays on the node, and is not encoded.
//! slot.set(Some(Replica::new(provider, gate)));
//! assert_eq!(link.greet(&context, "Ada").await, Ok("Good day, Ada".to_owned()));
//! # }
//! ```

// The macro's output names this crate by its public name, also inside it.
extern crate self as wrt_contract;

mod admission;
mod admitted;
mod arrivals;
mod body;
mod call;
mod context;
mod deadlines;
mod error;
mod failover;
mod fences;
mod gate;
mod interface;
mod lease;
mod leases;
mod link;
mod measured;
mod meter;
mod near_end;
#[cfg_attr(feature = "untraced", path = "untraced.rs")]
mod open_span;
mod permit;
mod schema;
mod secret;
mod slot;
mod spans;
mod tenure;
mod wire;

pub use admission::Admission;
pub use arrivals::Arrivals;
pub use async_trait::async_trait;
pub use body::{Body, BodyError, BodyFrame, Trailers, WholeBody};
pub use call::{Answer, Callee, Caller, Dispatch, DispatchRequest, Invocation};
pub use context::CallContext;
pub use deadlines::until;
pub use error::InterfaceError;
pub use fences::{Fences, LEASES_SEEN_MAX};
pub use gate::{Gate, GateLimits, GateLoad};
pub use interface::{Interface, NamedInterface, Operation};
pub use lease::Lease;
pub use leases::{LeaseLimits, Leases};
pub use link::{Links, LocalDirectory, Offer};
pub use measured::{DurationCounts, Durations, Instrument, Measured, MeasuredValue};
pub use meter::{CallMeter, measure_calls, measured_calls};
pub use near_end::{Authority, NearEnd};
pub use open_span::{CallSpan, OpenSpan};
pub use permit::Permit;
pub use schema::{Fingerprint, Schema};
pub use secret::SecretBytes;
pub use slot::{LocalSlot, Replica};
pub use spans::{EndedSpan, SpanKind, SpanSink, SpanValue, Tracing, trace_by};
pub use tenure::Tenure;
/// Writes [`trait@InterfaceError`] for the error of an interface, and `From<Fault>` with it.
///
/// The error is an enum. One of its variants carries the fault and nothing else: the one marked
/// `#[fault]`, or else the one named `Fault`.
///
/// ```
/// # use wrt_protocol::{Fault, FaultKind, Hop};
/// use wrt_contract::InterfaceError;
///
/// #[derive(Debug, serde::Serialize, serde::Deserialize, InterfaceError)]
/// enum ClockError {
///     NoSuchZone,
///     #[fault]
///     Lattice(Fault),
/// }
///
/// let error = ClockError::from(Fault::not_executed(FaultKind::Draining, Hop::Gate, "stopping"));
/// assert!(error.as_fault().is_some() && ClockError::NoSuchZone.as_fault().is_none());
/// ```
pub use wrt_contract_macros::InterfaceError;
/// Derives [`trait@Schema`].
pub use wrt_contract_macros::Schema;
/// Makes an interface of the lattice from a trait.
///
/// For `trait KeyValue` under `#[interface(name = "wasi:keyvalue", error = KeyValueError)]` it
/// keeps the trait, made fit for `dyn KeyValue` and with `Send + Sync + 'static` above it, and
/// writes `KeyValueInterface`, which implements [`Interface`]: everything else is reached from
/// there. Whoever implements the trait does so under [`macro@async_trait`].
///
/// # Operations
/// Each function of the trait is one, and all of them look the same:
/// `async fn get(&self, context: &CallContext, ...) -> Result<T, KeyValueError>`. `T` and the error
/// go through serde, all types derive [`Schema`](derive@Schema), and the error implements
/// [`InterfaceError`]. Options in
/// `#[operation(...)]`:
/// - `idempotent`: a second execution does no harm, so a call that may have run is tried again;
/// - `idempotent = request.is_idempotent()`: the same, decided by each call: an expression over the
///   arguments, which its caller evaluates. The table says that such an operation is not;
/// - `keyed`: the same, but only at a provider that deduplicates by the call's idempotency key;
/// - `one_way`: its caller waits for no answer, which is `()`. An error of its provider reaches
///   nobody but a co-located caller;
/// - `name = "get-many"`: its name in subjects; otherwise its Rust name with hyphens.
///
/// # Arguments
/// `T`, `&T`, `&str` and `&[T]`, and the last three in an `Option`; at most 16. The callee decodes
/// the owned form of each: `T`, `String`, `Vec<T>`. One argument `#[bulk] value: Bytes` is not
/// encoded, and so not copied, on its way out and in.
///
/// One argument `#[lease] lease: &Lease` makes the operation pinned: it goes to the replica that gave
/// the [`Lease`], in the incarnation of its node that gave it, and nowhere else. When that replica is
/// known to be gone before the call is sent, it is *not executed*; when it is lost in flight, *maybe
/// executed*. The replica keeps what belongs to its leases in [`Leases`].
///
/// # Bodies
/// One argument `#[body] body: Body` flows beside the others, and so does a [`Body`] that is the
/// answer, or comes last in a tuple that is: `Result<(Head, Body), E>`. `Body<E>` breaks off with
/// errors of the interface's own, `Body` with a fault. An operation with a body counts as running
/// until the body of its answer has ended or is dropped; work that goes on after that takes
/// [`CallContext::admission`] along. A link that has lent a body to its local replica asks another
/// one only while nobody has read from it. Between nodes the arguments beside a body, and a result
/// beside one, are at most [`INLINE_BYTES_MAX`](wrt_protocol::limits::INLINE_BYTES_MAX): one more
/// is *too large* there. What can be larger belongs into the body.
///
/// An argument by value should be cheap to clone: a link with a local replica clones it, to have
/// one left for another replica.
///
/// # Faults
/// A fault arrives as the interface's error by `From<Fault>`. One of the local replica's is an attempt
/// that has failed, like one over the bus: the link hands the call on with it
/// ([`CallContext::failed_here`]), and the [`Caller`] decides whether another replica is asked. When
/// nobody else is there, the local fault is the answer.
pub use wrt_contract_macros::interface;

/// What the code that [`macro@interface`] writes calls. Not for anybody else.
#[doc(hidden)]
pub mod generated {
    pub use bytes::Bytes;
    pub use futures::future::BoxFuture;
    pub use wrt_protocol::{ActorAddress, Fault, FaultKind, Hop, InterfaceName, OperationName};

    /// An operation at work, with the type of its outcome for what is inside.
    pub fn boxed<'a, T, F: Future<Output = T> + Send + 'a>(work: F) -> BoxFuture<'a, T> {
        Box::pin(work)
    }

    /// A part of an operation, with the type of its outcome for what is inside.
    pub fn typed<T, F: Future<Output = T>>(work: F) -> F {
        work
    }

    pub use crate::{
        admitted::Admitted,
        body::{from_wire, into_wire, lend},
        failover::{failed_here, local_fault, named, remote_or_local},
        lease::{lease_is_over, pinned_to},
        wire::{
            body_argument, decode_arguments, decode_result, decode_result_with_body,
            encode_arguments, encode_result, encode_result_with_body, unknown_operation,
        },
    };
}
