//! What is said of who falls silent, and is heard again: it ends calls, so whoever looks for the reason of one
//! must find it.

use wrt_protocol::heartbeat::NodeState;

use crate::{Liveness, Member, View, counters::Counters};

/// What has become of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Silent,
    HeardAgain,
    Dead,
}

impl Turn {
    fn of(before: &Member, now: &Member) -> Option<Self> {
        if before.epoch != now.epoch || before.state == NodeState::Leaving {
            return None;
        }
        match (before.liveness, now.liveness) {
            (Liveness::Alive, Liveness::Suspect) => Some(Self::Silent),
            (Liveness::Suspect | Liveness::Dead, Liveness::Alive) => Some(Self::HeardAgain),
            (Liveness::Suspect | Liveness::Alive, Liveness::Dead) => {
                (now.state != NodeState::Leaving).then_some(Self::Dead)
            }
            _ => None,
        }
    }
}

/// Tells what has become of nodes between two views, and counts it.
pub(super) fn tell(before: &View, now: &View, counters: &Counters) {
    for member in now.members() {
        let known = before.member(&member.id);
        let Some(turn) = known.and_then(|before| Turn::of(before, member)) else {
            continue;
        };
        let node = &member.id;
        match turn {
            Turn::Silent => {
                counters.silences.add_one();
                tracing::warn!(%node, "a node is silent: calls that it has in hand are lost to their callers");
            }
            Turn::HeardAgain => tracing::info!(%node, "a node is heard again"),
            Turn::Dead => {
                tracing::warn!(%node, "a node is taken for dead: its share is placed elsewhere");
            }
        }
    }
}
