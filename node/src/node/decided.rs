//! Where everything goes, worked out when something has changed by which that is decided, and not before.
//!
//! Views change with every replica that gets ready and with loads, many times a second. A decision goes by
//! other things: the apps, who is there, what takes placement, and the labels, which say what a node offers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use wrt_deployment::{Placement, Snapshot, Standing};
use wrt_membership::{Member, View};
use wrt_protocol::NodeId;

use super::handover::{self, standing};

/// For how long no other decision is made, as a multiple of what the last one took: nodes that join one after
/// the other are taken in together where there are many.
const PAUSE_FACTOR: u32 = 4;
/// The longest that this may be.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// The last decision.
#[derive(Default)]
pub(crate) struct Decided {
    last: Option<Decision>,
}

struct Decision {
    basis: Basis,
    placement: Arc<Placement>,
    took: Duration,
}

/// All that a decision goes by.
struct Basis {
    snapshot: Arc<Snapshot>,
    members: Vec<BasisMember>,
}

struct BasisMember {
    id: NodeId,
    labels: Arc<[(String, String)]>,
    standing: Standing,
}

impl Decided {
    /// Where everything goes. Answers as well whether that was worked out anew.
    pub(crate) fn placement(
        &mut self,
        snapshot: &Arc<Snapshot>,
        view: &View,
    ) -> (Arc<Placement>, bool) {
        if let Some(last) = self
            .last
            .as_mut()
            .filter(|last| last.basis.is(snapshot, view))
        {
            // Nothing but what is told of it may be another.
            last.basis.snapshot = Arc::clone(snapshot);
            return (Arc::clone(&last.placement), false);
        }
        let began = Instant::now();
        let placement = Arc::new(handover::placement(snapshot, view));
        self.last = Some(Decision {
            basis: Basis::of(snapshot, view),
            placement: Arc::clone(&placement),
            took: began.elapsed(),
        });
        (placement, true)
    }

    /// How long to wait before the next decision.
    pub(crate) fn pause(&self) -> Duration {
        let took = self.last.as_ref().map(|last| last.took);
        (took.unwrap_or_default() * PAUSE_FACTOR).min(PAUSE_MAX)
    }
}

impl Basis {
    fn of(snapshot: &Arc<Snapshot>, view: &View) -> Self {
        let member = |member: &Arc<Member>| BasisMember {
            id: member.id.clone(),
            labels: Arc::clone(&member.labels),
            standing: standing(member),
        };
        Self {
            snapshot: Arc::clone(snapshot),
            members: view.members().map(member).collect(),
        }
    }

    fn is(&self, snapshot: &Arc<Snapshot>, view: &View) -> bool {
        let is_same_wish =
            Arc::ptr_eq(&self.snapshot, snapshot) || wish_the_same(&self.snapshot, snapshot);
        let mut members = view.members();
        is_same_wish
            && self
                .members
                .iter()
                .all(|known| members.next().is_some_and(|it| known.is(it)))
            && members.next().is_none()
    }
}

/// Whether placement goes by the same in both. Each field is named, so that a new one is thought of.
fn wish_the_same(one: &Snapshot, other: &Snapshot) -> bool {
    let Snapshot {
        apps,
        cordons,
        held: _,
        trouble: _,
    } = one;
    *apps == other.apps && *cordons == other.cordons
}

impl BasisMember {
    fn is(&self, member: &Member) -> bool {
        let are_same_labels =
            Arc::ptr_eq(&self.labels, &member.labels) || self.labels == member.labels;
        self.id == member.id && self.standing == standing(member) && are_same_labels
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;
    use wrt_deployment::{DesiredApp, DesiredProvider, Revision, StoredApp};
    use wrt_membership::{MemberTable, NodeClock};
    use wrt_protocol::{
        ActorAddress, Epoch, Name, NodeMicros,
        heartbeat::{Heartbeat, NodeState, ReplicaReport, ReplicaState},
    };

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("a legal name")
    }

    fn snapshot(replicas: u32) -> Arc<Snapshot> {
        let mut app = DesiredApp::empty(name("shop"));
        let mut store = DesiredProvider::new("memory");
        store.placement.replicas = Some(replicas);
        app.providers.insert(name("store"), store);
        let stored = StoredApp {
            revision: Revision(1),
            app,
        };
        Arc::new(Snapshot {
            apps: [(name("shop"), stored)].into(),
            ..Snapshot::default()
        })
    }

    fn heartbeat(node: &str, sequence: u64) -> Heartbeat {
        Heartbeat {
            node: NodeId::from(name(node)),
            epoch: Epoch(1),
            sequence,
            sent_at: NodeMicros(0),
            interval_ms: 250,
            state: NodeState::Serving,
            version: String::new(),
            labels: Vec::new(),
            replicas: Vec::new(),
        }
    }

    fn ready() -> ReplicaReport {
        ReplicaReport {
            actor: ActorAddress::provider(name("shop"), name("store")),
            state: ReplicaState::Ready,
            running: 0,
            waiting: 0,
            concurrency_max: 8,
            handled: 0,
            refused: 0,
        }
    }

    /// Each of these views made every node place the whole lattice.
    #[test]
    fn nothing_is_decided_again_by_what_decides_nothing() {
        let now = Instant::now();
        let mut table = MemberTable::new(NodeId::from(name("a")), NodeClock::start());
        table.observe_own(heartbeat("a", 0), now);
        table.observe(heartbeat("b", 0), now);
        let (mut decided, desired) = (Decided::default(), snapshot(1));
        assert!(decided.placement(&desired, &table.view()).1);
        let mut beat = heartbeat("b", 1);
        beat.replicas.push(ready());
        table.observe(beat.clone(), now);
        assert!(!decided.placement(&desired, &table.view()).1, "a replica");
        beat.sequence = 2;
        beat.replicas[0].running = 5;
        table.observe(beat.clone(), now);
        assert!(!decided.placement(&desired, &table.view()).1, "a load");
        let told = Snapshot {
            trouble: Some("the bucket is away".to_owned()),
            ..(*desired).clone()
        };
        let (placement, is_new) = decided.placement(&Arc::new(told), &table.view());
        assert!(!is_new, "what is told of the same apps");
        assert_eq!(*placement, handover::placement(&desired, &table.view()));
    }

    #[test]
    fn what_decides_is_seen() {
        let now = Instant::now();
        let mut table = MemberTable::new(NodeId::from(name("a")), NodeClock::start());
        table.observe_own(heartbeat("a", 0), now);
        let mut decided = Decided::default();
        let mut is_new = |table: &mut MemberTable, replicas| {
            let (view, desired) = (table.view(), snapshot(replicas));
            let (placement, is_new) = decided.placement(&desired, &view);
            assert_eq!(*placement, handover::placement(&desired, &view));
            is_new
        };
        assert!(is_new(&mut table, 1));
        assert!(is_new(&mut table, 2), "another wish");
        table.observe(heartbeat("b", 0), now);
        assert!(is_new(&mut table, 2), "another member");
        assert!(!is_new(&mut table, 2));
        let mut beat = heartbeat("b", 1);
        beat.labels.push(("zone".to_owned(), "west".to_owned()));
        table.observe(beat.clone(), now);
        assert!(is_new(&mut table, 2), "another label");
        beat.sequence = 2;
        beat.state = NodeState::Draining;
        table.observe(beat.clone(), now);
        assert!(is_new(&mut table, 2), "another standing");
        beat.sequence = 3;
        beat.state = NodeState::Leaving;
        table.observe(beat, now);
        assert!(is_new(&mut table, 2), "one member less");
    }
}
