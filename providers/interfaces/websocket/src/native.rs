//! What is built into a node: the traits, their host glue, the table of peers and the suite.

mod connecting;
mod counts;
mod error;
mod listener;
mod peer;
mod peer_id;
mod queue;
mod table;

pub mod conformance;
pub mod host;
pub mod limits;

use std::ops::Add;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wrt_contract::{CallContext, Lease, Schema, interface};

pub use connecting::{Connected, Connecting};
pub use counts::{PeerCounter, PeerCounts, count};
pub use error::{Limit, WebSocketError};
pub use host::{PeerComponent, WrtWebSocket};
pub use listener::Listener;
pub use peer::{Peer, PeerOptions, PeerRoute};
pub use peer_id::PeerId;
pub use queue::{Next, Queue, QueueLimits};
pub use table::{PeerTable, Place};

/// A server that has peers, as those see it who send to them.
#[interface(name = "wrt:websocket", error = WebSocketError)]
pub trait Peers {
    /// Hands something to peers of the listener that `listener` names, by their numbers there; whether it is
    /// queued, for each in their order. It is not for the others.
    ///
    /// # Errors
    /// What is over a limit, and nobody got it.
    async fn send(
        &self,
        context: &CallContext,
        #[lease] listener: &Lease,
        to: &[u64],
        kind: &Kind,
        #[bulk] data: Bytes,
    ) -> Result<Vec<bool>, WebSocketError>;

    /// Hands something to all peers of a route, those of other listeners too.
    ///
    /// # Errors
    /// As [`Peers::send`].
    async fn send_to_all(
        &self,
        context: &CallContext,
        route: &str,
        kind: &Kind,
        #[bulk] data: Bytes,
    ) -> Result<Reached, WebSocketError>;

    /// Opens a connection to another server, whose other end is a peer of the provider from then on: of the
    /// replica that was called.
    ///
    /// # Errors
    /// Why there is none.
    async fn connect(
        &self,
        context: &CallContext,
        connecting: &Connecting,
    ) -> Result<Connected, WebSocketError>;
}

/// A listener, as the others of its provider see it. No component imports it.
#[interface(name = "wrt:websocket-listener", error = WebSocketError)]
pub trait PeersHere {
    /// Hands something to those peers of a route that are this listener's own; what became of it.
    ///
    /// # Errors
    /// As [`Peers::send`].
    async fn send_here(
        &self,
        context: &CallContext,
        #[lease] listener: &Lease,
        route: &str,
        kind: &Kind,
        #[bulk] data: Bytes,
    ) -> Result<Reached, WebSocketError>;
}

/// Whoever answers peers: a component on this node, or the way to one on another.
#[interface(name = "wrt:websocket/handler", error = WebSocketError)]
pub trait PeerHandler {
    /// A peer asks to come in.
    ///
    /// # Errors
    /// A fault where the component did not get to its end.
    async fn open(
        &self,
        context: &CallContext,
        opening: &Opening,
    ) -> Result<Answer, WebSocketError>;

    /// A message of a peer: text, or else bytes.
    ///
    /// # Errors
    /// As [`PeerHandler::open`].
    async fn receive(
        &self,
        context: &CallContext,
        peer: &str,
        is_text: bool,
        #[bulk] data: Bytes,
    ) -> Result<(), WebSocketError>;

    /// A peer is gone.
    ///
    /// # Errors
    /// As [`PeerHandler::open`].
    #[operation(idempotent)]
    async fn close(
        &self,
        context: &CallContext,
        peer: &str,
        closing: &Closing,
    ) -> Result<(), WebSocketError>;
}

/// What is handed to a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Kind {
    /// The data as a text.
    Text,
    /// The data as it is.
    Binary,
    /// An end, behind what is queued; there is no data.
    Close(Closing),
}

/// How a websocket ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Closing {
    /// As RFC 6455 numbers them.
    pub code: u16,
    /// In words.
    pub reason: String,
}

/// What became of something for a whole route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Reached {
    /// For so many peers it is queued.
    pub queued: u64,
    /// So many had no room for it, or were about to leave.
    pub gone: u64,
    /// Listeners that did not answer.
    pub unanswered: u32,
}

impl Add for Reached {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            queued: self.queued.saturating_add(other.queued),
            gone: self.gone.saturating_add(other.gone),
            unanswered: self.unanswered.saturating_add(other.unanswered),
        }
    }
}

/// A peer that asks to come in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Opening {
    /// What it will be known by: a [`PeerId`].
    pub peer: String,
    /// The component's link that leads to the listener.
    pub link: String,
    /// Its route's name.
    pub route: String,
    /// The host and port that it asked for.
    pub authority: String,
    /// The path that it asked for, with its query.
    pub path_with_query: String,
    /// The header of its request.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The subprotocols that it offers.
    pub protocols: Vec<String>,
}

/// Whether a peer comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Answer {
    /// With a subprotocol or without.
    Accept(Option<String>),
    /// With a status that says why not.
    Refuse(u16),
}

impl Closing {
    /// With a code and a reason, of which as much is kept as a frame may carry.
    #[must_use]
    pub fn new(code: u16, reason: &str) -> Self {
        let end = reason.floor_char_boundary(limits::REASON_BYTES_MAX);
        Self {
            code,
            reason: reason[..end].to_owned(),
        }
    }

    /// Whether an endpoint may send the code (RFC 6455, section 7.4).
    #[must_use]
    pub fn is_sendable(&self) -> bool {
        matches!(self.code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}
