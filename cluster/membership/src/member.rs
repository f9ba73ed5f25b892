//! One node, as another one sees it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wrt_protocol::{
    ActorAddress, Epoch, NodeId, NodeMicros,
    heartbeat::{self, NodeState, ReplicaReport},
};

use crate::{ClockOffset, clock};

/// What is believed of a node from its silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Liveness {
    /// It beats.
    Alive,
    /// It missed heartbeats: no new call goes there, and none in flight waits for it any longer.
    Suspect,
    /// It was silent for so long that its share is placed elsewhere.
    Dead,
}

/// A node, as this one sees it. A snapshot: what changes gets another `Member`, except for the
/// estimate of its clock and the cancellation of `lost`.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub id: NodeId,
    /// Its incarnation.
    pub epoch: Epoch,
    /// Whether it says that it takes work.
    pub state: NodeState,
    /// What is believed of it.
    pub liveness: Liveness,
    /// What its operator says of it.
    pub labels: Arc<[(String, String)]>,
    /// Its build.
    pub version: Arc<str>,
    /// Its share.
    pub replicas: Arc<[ReplicaReport]>,
    /// Cancelled as soon as waiting for this incarnation makes no sense: it is suspect, dead, gone,
    /// or replaced by a newer one. Once it is heard again it has another token; this one stays
    /// cancelled.
    pub lost: CancellationToken,
    /// Whether it is this node.
    pub is_self: bool,
    pub(crate) clock: PeerClock,
}

impl Member {
    /// What the member's own clock shows at `now`, as far as this node can tell: never ahead of the
    /// truth, and behind it by the delay of the fastest recent heartbeat.
    #[must_use]
    pub fn peer_now(&self, now: Instant) -> NodeMicros {
        clock::at(
            self.clock.reference,
            self.clock.best.load(Ordering::Relaxed),
            now,
        )
    }

    /// Whether new calls may go to it.
    #[must_use]
    pub fn takes_calls(&self) -> bool {
        self.liveness == Liveness::Alive && self.state == NodeState::Serving
    }

    /// Whether it reports a replica of `actor`, in whatever state.
    #[must_use]
    pub fn reports(&self, actor: &ActorAddress) -> bool {
        self.replicas.iter().any(|replica| replica.actor == *actor)
    }

    /// Whether it reads who makes a call, and says it in its own.
    #[must_use]
    pub fn reads_origin(&self) -> bool {
        heartbeat::reads_origin(&self.labels)
    }

    /// Whether placement may count on it: a suspect keeps its share, a dead node does not, and one
    /// that drains gives its share away.
    #[must_use]
    pub fn takes_placement(&self) -> bool {
        self.liveness != Liveness::Dead && self.state == NodeState::Serving
    }
}

/// A [`ClockOffset`]'s estimate, shared by all snapshots of one incarnation, so that a better one
/// needs no new view.
#[derive(Debug, Clone)]
pub(crate) struct PeerClock {
    reference: Instant,
    best: Arc<AtomicI64>,
}

impl PeerClock {
    pub(crate) fn new(offset: &ClockOffset) -> Self {
        Self {
            reference: offset.reference(),
            best: Arc::new(AtomicI64::new(offset.best())),
        }
    }

    /// Takes over an estimate with the same reference.
    pub(crate) fn set(&self, offset: &ClockOffset) {
        self.best.store(offset.best(), Ordering::Relaxed);
    }
}
