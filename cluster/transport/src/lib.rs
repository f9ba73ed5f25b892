//! How bytes travel on the lattice: one trait, [`Transport`], and two ways to keep its promises,
//! [`Loopback`] inside one process and [`Nats`] between machines.
//!
//! Invariants:
//! - this crate does not know what a call is; it moves payloads between subjects;
//! - delivery is at most once: a payload can be lost, is never delivered twice to one subscription,
//!   and keeps its order between one publisher and one subscription of one lane;
//! - the three [`Lane`]s do not hold each other up: over NATS each is a connection of its own;
//! - every implementation passes `tests/conformance.rs`.

mod error;
pub mod limits;
mod loopback;
mod nats;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, stream::BoxStream};
use tokio::sync::watch;

pub use error::TransportError;
pub use loopback::{Loopback, LoopbackTransport};
pub use nats::{Nats, NatsOptions, RefusedPublishes, SERVICE_NAME, ServiceHandle, ServiceInfo};

/// What a payload is for. Each lane has its own connection and its own buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Heartbeats and service discovery: small, and late is as bad as lost.
    Control,
    /// Calls, replies and cancellations.
    Calls,
    /// Bodies: large, and throttled by credit.
    Bulk,
}

/// Whether this node can reach the bus. Down as soon as one lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Every lane is connected.
    Up,
    /// A lane is not; it reconnects by itself.
    Down,
}

/// Where a reply to an [`Inbound`] goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplySubject(pub String);

/// A payload that arrived.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// The subject that it was published to.
    pub subject: String,
    /// Where an answer goes, if the sender waits for one.
    pub reply: Option<ReplySubject>,
    /// The bytes.
    pub payload: Bytes,
}

/// Payloads of one subscription, in the order in which they arrived. Dropping it unsubscribes.
///
/// It buffers a bounded number of payloads; over that, new ones are dropped and counted by
/// [`Transport::dropped_payloads`]. It ends when the transport is closed or the bus takes
/// the subscription back, and goes on over a reconnect.
pub struct Subscription(BoxStream<'static, Inbound>);

impl Subscription {
    /// Wraps what an implementation receives.
    #[must_use]
    pub fn new(payloads: BoxStream<'static, Inbound>) -> Self {
        Self(payloads)
    }
}

impl Stream for Subscription {
    type Item = Inbound;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Inbound>> {
        self.0.as_mut().poll_next(cx)
    }
}

/// A way to reach the other nodes of a lattice.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Whether nobody else is on it, now and later: then there is nobody to listen for.
    fn is_alone(&self) -> bool {
        false
    }

    /// Sends a payload to whoever subscribes, at most once; nobody may.
    ///
    /// # Errors
    /// [`TransportError::Disconnected`] at once while the lane is down, and
    /// [`TransportError::TooLarge`] over [`Transport::payload_bytes_max`]. Ok says that the payload
    /// is on its way, not that it arrived. It waits while more are on their way than the lane's
    /// buffers take.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the payload may or may not have been sent.
    async fn publish(
        &self,
        lane: Lane,
        subject: String,
        payload: Bytes,
    ) -> Result<(), TransportError>;

    /// Sends a payload on [`Lane::Calls`] and waits for the first reply. It has no deadline of its
    /// own: the caller MUST race it with one. What is published after it was sent arrives after it;
    /// of requests in flight together, any may arrive first.
    ///
    /// # Errors
    /// [`TransportError::NoResponders`] as soon as the bus knows that nobody subscribes: the payload
    /// reached no one. [`TransportError::Disconnected`] with `sent` telling whether the payload may
    /// have left when the connection was lost.
    ///
    /// # Cancel safety
    /// Dropping it forgets the reply and frees everything that waited for it.
    async fn request(&self, subject: String, payload: Bytes) -> Result<Bytes, TransportError>;

    /// Subscribes; with a `group`, the members of that group share the payloads.
    ///
    /// When it returns, the bus knows of the subscription: a payload published afterwards, by
    /// anybody, arrives.
    ///
    /// # Errors
    /// When the lane is down or the bus refuses the subject.
    async fn subscribe(
        &self,
        lane: Lane,
        subject: String,
        group: Option<String>,
    ) -> Result<Subscription, TransportError>;

    /// The state of this node's own link to the bus, and its changes.
    fn link(&self) -> watch::Receiver<LinkState>;

    /// The largest payload that the bus takes, in bytes.
    fn payload_bytes_max(&self) -> usize;

    /// Payloads that arrived and were dropped because a subscription's buffer was full.
    fn dropped_payloads(&self) -> u64;

    /// Sends what waits for a task of its own, which may wait for a thread that is blocked. To be called
    /// when one seems to be, from any thread; at any other time it does no harm.
    fn relieve(&self) {}

    /// Sends what is buffered and closes; subscriptions end. Waits at most a second.
    async fn close(&self);
}
