//! What has changed of a node's share since its last heartbeat.

use serde::{Deserialize, Serialize};

use super::{ReplicaReport, ReplicaState};
use crate::limits::REPLICAS_PER_NODE_MAX;

/// Which state of a node's share: one more with each heartbeat that tells a change of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShareRevision(pub u64);

/// One change of a node's replicas. A place is that in the list as the changes before it have left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicaChange {
    /// It is gone; those behind it move up.
    Gone {
        /// Its place.
        at: u16,
    },
    /// What is there is otherwise now. How much it has handled and refused is only in whole heartbeats.
    Is {
        /// Its place.
        at: u16,
        /// Whether it takes calls.
        state: ReplicaState,
        /// Calls running.
        running: u32,
        /// Calls waiting at its gate.
        waiting: u32,
        /// Calls that may run at a time.
        concurrency_max: u32,
    },
    /// One more, behind all others.
    New(ReplicaReport),
}

/// What has changed of a node's share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The share that is changed. Whoever knows another one MUST change nothing, and ask for all of it.
    pub since: ShareRevision,
    /// The share that this makes of it; the same where nothing has changed.
    pub revision: ShareRevision,
    /// The changes, in their order.
    pub changes: Vec<ReplicaChange>,
}

impl ReplicaChange {
    /// What it takes on the wire at the most.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        match self {
            Self::Gone { .. } => 4,
            Self::Is { .. } => 20,
            Self::New(report) => 1 + report.bytes_max(),
        }
    }
}

impl ReplicaReport {
    /// What it takes on the wire at the most.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        // Kind and state, two lengths, three numbers of 32 bits and two of 64.
        let numbers = 2 + 2 + 3 * 5 + 2 * 10;
        self.actor.app.as_str().len() + self.actor.name.as_str().len() + numbers
    }
}

impl Changes {
    /// Makes the changes to a share of which the revision is known: all of them, or none.
    #[must_use]
    pub fn apply(
        &self,
        known: Option<ShareRevision>,
        replicas: impl FnOnce() -> Vec<ReplicaReport>,
    ) -> Applied {
        if known == Some(self.revision) {
            return Applied::Nothing;
        }
        if known != Some(self.since) {
            return Applied::NotKnown;
        }
        let mut replicas = replicas();
        let are_made = self
            .changes
            .iter()
            .all(|change| make(change, &mut replicas));
        match are_made {
            true => Applied::Changed(replicas),
            false => Applied::NotKnown,
        }
    }
}

/// What has become of [`Changes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The share is known already.
    Nothing,
    /// This is the share now.
    Changed(Vec<ReplicaReport>),
    /// They are made to another share than is known.
    NotKnown,
}

/// Answers whether the list has that place.
fn make(change: &ReplicaChange, replicas: &mut Vec<ReplicaReport>) -> bool {
    match change {
        ReplicaChange::Gone { at } => {
            let at = usize::from(*at);
            let is_there = at < replicas.len();
            if is_there {
                replicas.remove(at);
            }
            is_there
        }
        ReplicaChange::Is {
            at,
            state,
            running,
            waiting,
            concurrency_max,
        } => {
            let Some(report) = replicas.get_mut(usize::from(*at)) else {
                return false;
            };
            report.state = *state;
            report.running = *running;
            report.waiting = *waiting;
            report.concurrency_max = *concurrency_max;
            true
        }
        ReplicaChange::New(report) => {
            replicas.push(report.clone());
            replicas.len() <= REPLICAS_PER_NODE_MAX
        }
    }
}
