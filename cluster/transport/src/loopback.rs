//! The bus inside one process: for a node on its own, for tests, and for simulations.

mod bus;
mod payloads;
mod routes;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use tokio::{sync::watch, time::sleep_until};
use wrt_protocol::NodeId;

use self::{
    bus::{Attachment, Bus},
    payloads::Payloads,
};
use crate::{
    Lane, LinkState, Subscription, Transport, TransportError, limits::LOOPBACK_PAYLOAD_BYTES_MAX,
};

/// A bus inside one process, with a plan of faults.
///
/// Nothing runs in the background: a payload is in the subscription's buffer when `publish` returns,
/// and a delay is waited for by the one who receives. So a simulation under tokio's paused time is
/// repeatable: what is random (the member of a group, loss) comes from one seeded source.
#[derive(Debug, Clone)]
pub struct Loopback(Arc<Bus>);

impl Default for Loopback {
    fn default() -> Self {
        Self::new()
    }
}

impl Loopback {
    /// A bus with nobody on it and no faults.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Bus::new()))
    }

    /// The place of a node on a bus of its own, to which nobody else can come.
    #[must_use]
    pub fn alone(node: NodeId) -> Arc<LoopbackTransport> {
        let bus = Arc::new(Bus::new());
        Arc::new(LoopbackTransport {
            attachment: bus.attach(node),
            bus,
            is_alone: true,
        })
    }

    /// Puts `node` on the bus. A node that starts again takes a new one, after it has closed the old
    /// one.
    #[must_use]
    pub fn transport(&self, node: NodeId) -> Arc<LoopbackTransport> {
        Arc::new(LoopbackTransport {
            bus: Arc::clone(&self.0),
            attachment: self.0.attach(node),
            is_alone: false,
        })
    }

    /// Takes the node's link down, as a broken connection does: what it sends fails, what it waits
    /// for ends as disconnected, what is under way to it is lost, and the bus forgets that it
    /// subscribes, so that requests of others find no responder.
    pub fn cut_off(&self, node: &NodeId) {
        self.0.cut_off(node);
    }

    /// Ends [`Loopback::cut_off`] and each [`Loopback::partition`] of the node; its subscriptions go
    /// on.
    pub fn heal(&self, node: &NodeId) {
        self.0.heal(node);
    }

    /// Silently loses everything between two nodes, both ways. Neither link goes down.
    pub fn partition(&self, a: &NodeId, b: &NodeId) {
        self.0.partition(a, b);
    }

    /// Lets each payload that is sent from now on take that long; a request and its reply take it
    /// twice.
    pub fn set_delay(&self, delay: Duration) {
        self.0.set_delay(delay);
    }

    /// Loses that fraction of the payloads, from 0 to 1; the same seed loses the same ones.
    pub fn lose(&self, fraction: f64, seed: u64) {
        self.0.lose(fraction, seed);
    }

    /// Requests that wait for a reply, of all nodes. Zero when nobody waits: nothing leaks.
    #[must_use]
    pub fn requests_waiting(&self) -> usize {
        self.0.requests_waiting()
    }
}

/// One node's place on a [`Loopback`].
#[derive(Debug)]
pub struct LoopbackTransport {
    bus: Arc<Bus>,
    attachment: Arc<Attachment>,
    is_alone: bool,
}

#[async_trait]
impl Transport for LoopbackTransport {
    fn is_alone(&self) -> bool {
        self.is_alone
    }

    async fn publish(
        &self,
        _lane: Lane,
        subject: String,
        payload: Bytes,
    ) -> Result<(), TransportError> {
        self.bus.publish(&self.attachment, subject, payload)
    }

    async fn request(&self, subject: String, payload: Bytes) -> Result<Bytes, TransportError> {
        let (token, reply) = self.bus.request(&self.attachment, subject, payload)?;
        let _forgotten_on_drop = Forget {
            bus: &self.bus,
            token,
        };
        let lost = || match self.attachment.closed.load(Ordering::Acquire) {
            true => TransportError::Closed,
            false => TransportError::Disconnected { sent: true },
        };
        let Ok(delivery) = reply.await else {
            return Err(lost());
        };
        if let Some(due) = delivery.due {
            sleep_until(due).await;
        }
        match self.attachment.takes(&delivery) {
            true => Ok(delivery.inbound.payload),
            false => Err(lost()),
        }
    }

    async fn subscribe(
        &self,
        lane: Lane,
        subject: String,
        group: Option<String>,
    ) -> Result<Subscription, TransportError> {
        let buffered_max = lane.payloads_buffered_max();
        let (id, deliveries) =
            self.bus
                .subscribe(&self.attachment, subject, group, buffered_max)?;
        let payloads = Payloads {
            bus: Arc::clone(&self.bus),
            id,
            attachment: Arc::clone(&self.attachment),
            deliveries,
            under_way: None,
        };
        Ok(Subscription::new(payloads.boxed()))
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        self.attachment.link.subscribe()
    }

    fn payload_bytes_max(&self) -> usize {
        LOOPBACK_PAYLOAD_BYTES_MAX
    }

    fn dropped_payloads(&self) -> u64 {
        self.attachment.dropped_payloads.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        self.bus.detach(&self.attachment);
    }
}

impl Drop for LoopbackTransport {
    fn drop(&mut self) {
        self.bus.detach(&self.attachment);
    }
}

/// Frees what waits for a reply when the request ends or is dropped.
struct Forget<'a> {
    bus: &'a Bus,
    token: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.bus.forget_request(self.token);
    }
}
