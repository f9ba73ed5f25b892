//! A lattice of so many nodes that have so many replicas, in which nothing happens.

use std::{hint::black_box, sync::Arc, time::Duration};

use tokio::time::Instant;
use wrt_deployment::{DesiredApp, DesiredProvider, PlacedMember, PlacementRule, Standing, place};
use wrt_membership::{
    Described, MemberTable, NodeClock, Precision, Telling, View, heartbeat_interval,
};
use wrt_protocol::{
    ActorAddress, Epoch, LatticeName, Name, NodeId, NodeMicros,
    heartbeat::{Beat, NodeState, Pulse, ReplicaReport, ReplicaState, Said},
    limits::HEARTBEAT_BYTES_MAX,
    subject::Subjects,
};

use super::process;

/// Replicas of each actor.
const EACH: usize = 2;
const ACTORS_PER_APP: usize = 100;
const DECIDED_FOR: Duration = Duration::from_secs(2);
/// What a node is called by its operator.
const LABELS: usize = 2;

pub struct Lattice {
    pub nodes: usize,
    pub subjects: Subjects,
    apps: Vec<DesiredApp>,
    members: Vec<PlacedMember>,
    /// What each has, as placement gives it.
    pub shares: Vec<Vec<ReplicaReport>>,
}

/// All that a node knows of a lattice.
pub struct Known {
    _table: MemberTable,
    _view: Arc<View>,
}

impl Lattice {
    pub fn new(nodes: usize, replicas: usize) -> Self {
        let apps = apps(replicas.div_ceil(EACH));
        let members: Vec<_> = (0..nodes).map(member).collect();
        let placement = place(&apps, &members);
        let share = |at: usize| placement.share(&node(at)).map(report).collect();
        Self {
            nodes,
            subjects: Subjects::new(&lattice_name()),
            shares: (0..nodes).map(share).collect(),
            apps,
            members,
        }
    }

    pub fn interval(&self) -> Duration {
        heartbeat_interval(self.nodes)
    }

    pub fn heartbeats_per_second(&self) -> f64 {
        self.nodes as f64 / self.interval().as_secs_f64()
    }

    /// The first heartbeat of each node, with all that it has.
    pub fn first_beats(&self) -> Vec<Beat> {
        let members = u32::try_from(self.nodes).expect("some nodes");
        let first = |at: usize| {
            let mut telling = Telling::default();
            let labels = labels(at);
            let (revision, share) = telling.whole(&self.shares[at], described(&labels));
            Beat {
                pulse: self.pulse(at, 0),
                // In one, as who puts the parts together has it.
                said: Said::Whole(share.cut(revision, 0, members, usize::MAX)),
            }
        };
        (0..self.nodes).map(first).collect()
    }

    /// A later heartbeat of each node, when nothing has changed.
    pub fn idle_beats(&self) -> Vec<Beat> {
        let idle = |at: usize| {
            let mut telling = Telling::default();
            let labels = labels(at);
            telling.whole(&self.shares[at], described(&labels));
            // A node that runs for a day.
            let sequence = 24 * 3600 * 4;
            Beat {
                pulse: self.pulse(at, sequence),
                said: Said::Changes(telling.changes(
                    &self.shares[at],
                    Precision::Exact,
                    HEARTBEAT_BYTES_MAX,
                )),
            }
        };
        (0..self.nodes).map(idle).collect()
    }

    pub fn pulse(&self, at: usize, sequence: u64) -> Pulse {
        let interval = self.interval();
        let millis = u64::try_from(interval.as_millis()).expect("some seconds");
        Pulse {
            node: node(at),
            epoch: Epoch(1_764_000_000_000_000),
            sequence,
            sent_at: NodeMicros(sequence * millis * 1000),
            interval_ms: u32::try_from(millis).expect("some seconds"),
            state: NodeState::Serving,
        }
    }

    /// What a heartbeat takes on a connection: the server says where it goes, and how long it is.
    pub fn bus_bytes(&self, beat: &Beat) -> usize {
        let payload = beat.encode().expect("it has an encoding").len();
        let subject = self.subjects.heartbeat(&beat.pulse.node);
        format!("MSG {subject} 1 {payload}\r\n").len() + payload + "\r\n".len()
    }

    /// What the largest whole heartbeat takes: each was that large before, each time.
    pub fn whole_bytes(&self) -> usize {
        let beats = self.first_beats();
        let sizes = beats.iter().map(|beat| self.bus_bytes(beat));
        sizes.max().unwrap_or_default()
    }

    /// A table of all nodes, and its view.
    pub fn known(&self) -> Known {
        let mut table = self.table(&self.first_beats(), Instant::now());
        let view = Arc::new(table.view());
        assert_eq!(view.live_members().count(), self.nodes);
        Known {
            _table: table,
            _view: view,
        }
    }

    /// The table of the first node, which has heard the others.
    pub fn table(&self, beats: &[Beat], now: Instant) -> MemberTable {
        let mut table = MemberTable::new(node(0), NodeClock::start());
        if let Some(Said::Whole(share)) = beats.first().map(|beat| beat.said.clone()) {
            table.observe_own(self.pulse(0, 0).with(share), now);
        }
        for beat in &beats[1..] {
            let bytes = beat.encode().expect("it has an encoding");
            let heard = Beat::decode(&bytes).expect("it is honest");
            table.observe_beat(heard, now);
        }
        table
    }

    /// What one decision takes of a core.
    pub fn decision(&self) -> Duration {
        let (began, before) = (Instant::now(), process::own_cpu_seconds());
        let mut rounds = 0;
        // What Linux says is exact to some milliseconds.
        while began.elapsed() < DECIDED_FOR {
            black_box(place(black_box(&self.apps), black_box(&self.members)));
            rounds += 1;
        }
        let seconds = (process::own_cpu_seconds() - before) / f64::from(rounds);
        Duration::from_secs_f64(seconds.max(0.0))
    }
}

pub fn lattice_name() -> LatticeName {
    LatticeName::from(name("default"))
}

pub fn node(at: usize) -> NodeId {
    NodeId::from(name(&format!("node-{at}")))
}

pub fn labels(at: usize) -> Vec<(String, String)> {
    let all = [("zone", ["a", "b", "c"][at % 3]), ("disk", "fast")];
    let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    all.into_iter().take(LABELS).map(own).collect()
}

fn described(labels: &[(String, String)]) -> Described<'_> {
    Described {
        version: env!("CARGO_PKG_VERSION"),
        labels,
    }
}

fn member(at: usize) -> PlacedMember {
    PlacedMember {
        id: node(at),
        labels: labels(at).into_iter().collect(),
        standing: Standing::Serving,
        cordon: None,
    }
}

fn report(actor: &ActorAddress) -> ReplicaReport {
    ReplicaReport {
        actor: actor.clone(),
        state: ReplicaState::Ready,
        running: 0,
        waiting: 0,
        concurrency_max: 64,
        handled: 1_000_000,
        refused: 0,
    }
}

fn apps(actors: usize) -> Vec<DesiredApp> {
    let mut apps = Vec::new();
    for first in (0..actors).step_by(ACTORS_PER_APP) {
        let mut app = DesiredApp::empty(name(&format!("app-{first}")));
        for at in first..actors.min(first + ACTORS_PER_APP) {
            let mut provider = DesiredProvider::new("memory");
            provider.placement = PlacementRule {
                replicas: u32::try_from(EACH).ok(),
                ..PlacementRule::default()
            };
            app.providers
                .insert(name(&format!("provider-{at}")), provider);
        }
        apps.push(app);
    }
    apps
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a legal name")
}
