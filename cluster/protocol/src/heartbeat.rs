//! What a node says of itself, four times a second.
//!
//! A [`Heartbeat`] has all of it. Builds before this one send nothing else, and read nothing else. What is
//! said to those that read more is a [`Beat`]: a few constants, and what has changed.

mod beat;
mod change;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    ActorAddress, DecodeError, EncodeError, Epoch, NodeId, NodeMicros,
    frame::{self, FrameKind},
};

pub use beat::{Beat, PartOf, Pulse, Said, WholeQuestion, WholeShare};
pub use change::{Applied, Changes, ReplicaChange, ShareRevision};

/// The label by which a node says that it reads who makes a call, whatever its value: older builds pass labels
/// on, and the heartbeat keeps its form. Its readers say it in each call of their own.
pub const READS_ORIGIN: &str = "wrt/reads-origin";

/// Whether a node with these labels reads who makes a call.
#[must_use]
pub fn reads_origin(labels: &[(String, String)]) -> bool {
    labels.iter().any(|(label, _)| label == READS_ORIGIN)
}

/// Whether a node takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It serves.
    Serving,
    /// It finishes what it has in hand and accepts nothing new.
    Draining,
    /// Its last heartbeat: it is about to stop.
    Leaving,
}

/// Whether a replica takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplicaState {
    /// It is being made: compiling, or connecting to its service.
    Starting,
    /// It takes calls.
    Ready,
    /// It failed and will be tried again: its service is away, its component does not compile.
    Failing,
    /// It finishes what it has in hand.
    Draining,
}

/// A node's share of an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaReport {
    /// The actor.
    pub actor: ActorAddress,
    /// Whether it takes calls.
    pub state: ReplicaState,
    /// Calls running.
    pub running: u32,
    /// Calls waiting at its gate.
    pub waiting: u32,
    /// Calls that may run at a time.
    pub concurrency_max: u32,
    /// Calls handled since it started.
    pub handled: u64,
    /// Calls refused since it started.
    pub refused: u64,
}

/// A heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Who.
    pub node: NodeId,
    /// Which incarnation.
    pub epoch: Epoch,
    /// Counts up from 0 in one incarnation.
    pub sequence: u64,
    /// When it was sent, on the sender's own clock.
    pub sent_at: NodeMicros,
    /// When the next one is due, in milliseconds.
    pub interval_ms: u32,
    /// Whether the node takes work.
    pub state: NodeState,
    /// The sender's build.
    pub version: String,
    /// What its operator says of it.
    pub labels: Vec<(String, String)>,
    /// Its share.
    pub replicas: Vec<ReplicaReport>,
}

impl Heartbeat {
    /// Writes the heartbeat.
    ///
    /// # Errors
    /// When it reports more than fits; the node refuses to host that many.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        // The report is the body, not the head: it may be larger than a head is allowed to be.
        let body = postcard::to_stdvec(self).map_err(EncodeError::Head)?;
        frame::encode(FrameKind::Heartbeat, &(), &[&body])
    }

    /// Reads a heartbeat, as builds do that know no other: what stands behind it is passed over.
    ///
    /// # Errors
    /// When `bytes` is anything else.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let ((), body) = frame::decode(FrameKind::Heartbeat, bytes)?;
        postcard::from_bytes(&body).map_err(DecodeError::Head)
    }
}
