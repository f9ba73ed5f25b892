//! What this node says, to everybody and to who asks.

use std::time::Duration;

use wrt_protocol::{
    heartbeat::{Beat, Heartbeat, NodeState, Pulse, ReplicaReport, Said, WholeShare},
    limits::{HEARTBEAT_BYTES_MAX, REPLICAS_PER_NODE_MAX},
};

use super::{Shared, lock};
use crate::{Described, Precision, Telling, heartbeat_interval};

/// Every so many heartbeats say how loaded all replicas are; those between them, where it has changed much.
const EXACT_EVERY: u64 = 2;
/// Room for what a heartbeat has beside its changes.
const PULSE_BYTES_MAX: usize = 256;

/// What this node has said.
#[derive(Debug, Default)]
pub(super) struct Speech {
    /// Of the next heartbeat.
    sequence: u64,
    /// Heartbeats that everybody got.
    beats: u64,
    telling: Telling,
    /// Whether the last one, which told of changes, was not sent: nobody knows the share that is told.
    is_lost: bool,
}

/// A heartbeat for everybody.
pub(super) struct Spoken {
    /// All of it, for this node itself.
    pub(super) own: Heartbeat,
    pub(super) beat: Beat,
    pub(super) interval: Duration,
}

impl Shared {
    /// What this node says now.
    pub(super) fn speak(&self, payload_bytes_max: usize) -> Spoken {
        let table = lock(&self.table);
        let (members, all_read_changes) = (table.live_count(), table.all_read_changes());
        drop(table);
        let interval = heartbeat_interval(members);
        let replicas = self.replicas();
        let mut speech = lock(&self.speech);
        // Before its first heartbeat it is none itself.
        let members = members + usize::from(speech.beats == 0);
        let pulse = self.pulse(&mut speech, interval);
        let bytes_max = bound(payload_bytes_max);
        let said = if speech.beats > 0 && all_read_changes && !speech.is_lost {
            let precision = match speech.beats.is_multiple_of(EXACT_EVERY) {
                true => Precision::Exact,
                false => Precision::Rough,
            };
            Said::Changes(speech.telling.changes(&replicas, precision, bytes_max))
        } else {
            let (revision, share) = speech.telling.whole(&replicas, self.described());
            // Who reads nothing else must get all of it, as far as the bus takes it.
            let bytes_max = match all_read_changes {
                true => bytes_max,
                false => payload_bytes_max.saturating_sub(PULSE_BYTES_MAX),
            };
            Said::Whole(share.cut(revision, 0, count(members), bytes_max))
        };
        speech.is_lost = false;
        speech.beats += 1;
        drop(speech);
        Spoken {
            own: self.own(&pulse, replicas),
            beat: Beat { pulse, said },
            interval,
        }
    }

    /// Takes in that a heartbeat was not sent.
    pub(super) fn was_not_sent(&self, beat: &Beat) {
        let told_something = match &beat.said {
            Said::Whole(_) => true,
            Said::Changes(changes) => !changes.changes.is_empty(),
        };
        lock(&self.speech).is_lost |= told_something;
    }

    /// All that this node has said, from a replica on, for one who asks.
    pub(super) fn tell_whole(&self, first: u32, payload_bytes_max: usize) -> Beat {
        let members = lock(&self.table).live_count();
        let replicas = self.replicas();
        let mut speech = lock(&self.speech);
        let pulse = self.pulse(&mut speech, heartbeat_interval(members));
        let (revision, share) = speech.telling.told(&replicas, self.described());
        drop(speech);
        let bytes_max = bound(payload_bytes_max);
        Beat {
            pulse,
            said: Said::Whole(share.cut(revision, first, count(members), bytes_max)),
        }
    }

    /// Of the next heartbeat. Who is answered has it before the others have theirs, so its number is its own.
    fn pulse(&self, speech: &mut Speech, interval: Duration) -> Pulse {
        let sequence = speech.sequence;
        speech.sequence += 1;
        Pulse {
            node: self.options.node.clone(),
            epoch: self.options.epoch,
            sequence,
            sent_at: self.clock.now(),
            interval_ms: u32::try_from(interval.as_millis()).unwrap_or(u32::MAX),
            state: *lock(&self.state),
        }
    }

    fn replicas(&self) -> Vec<ReplicaReport> {
        let mut replicas = (self.report)();
        if replicas.len() > REPLICAS_PER_NODE_MAX {
            // The others would refuse the whole heartbeat and take the node for dead.
            tracing::error!(
                replicas = replicas.len(),
                replicas_max = REPLICAS_PER_NODE_MAX,
                "node hosts more replicas than a heartbeat can report; the rest get no calls"
            );
            replicas.truncate(REPLICAS_PER_NODE_MAX);
        }
        replicas
    }

    fn described(&self) -> Described<'_> {
        Described {
            version: &self.options.version,
            labels: &self.options.labels,
        }
    }

    fn own(&self, pulse: &Pulse, replicas: Vec<ReplicaReport>) -> Heartbeat {
        pulse.clone().with(WholeShare {
            version: self.options.version.clone(),
            labels: self.options.labels.clone(),
            replicas,
            part: None,
        })
    }
}

fn count(members: usize) -> u32 {
    u32::try_from(members).unwrap_or(u32::MAX)
}

/// What a heartbeat may say on a bus that takes so much in one message.
fn bound(payload_bytes_max: usize) -> usize {
    let all = HEARTBEAT_BYTES_MAX.min(payload_bytes_max);
    all.saturating_sub(PULSE_BYTES_MAX)
}

impl Spoken {
    pub(super) fn state(&self) -> NodeState {
        self.beat.pulse.state
    }
}
