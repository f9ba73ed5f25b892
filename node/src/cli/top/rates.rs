//! From one look to the next: how much is done in a second.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::Serialize;
use tokio::time::Instant;
use wrt_protocol::{
    ActorAddress, LatticeName, NodeId,
    heartbeat::{NodeState, ReplicaReport, ReplicaState},
};

use crate::{SeenNode, cli::args::Sorted};

/// What nodes said last, and what came of it in a second.
#[derive(Default)]
pub(super) struct Rates(BTreeMap<NodeId, NodeRates>);

struct NodeRates {
    seen: SeenNode,
    /// When it was looked at.
    at: Instant,
    replicas: BTreeMap<ActorAddress, Rate>,
}

/// In a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Rate {
    handled: f64,
    refused: f64,
}

/// A lattice's load.
#[derive(Debug, Serialize)]
pub(super) struct Load {
    pub(super) lattice: LatticeName,
    pub(super) nodes: Vec<NodeLoad>,
    pub(super) actors: Vec<ActorLoad>,
}

/// A node's.
#[derive(Debug, Serialize)]
pub(super) struct NodeLoad {
    pub(super) node: NodeId,
    pub(super) state: &'static str,
    pub(super) replicas: usize,
    #[serde(flatten)]
    pub(super) amount: Amount,
}

/// An actor's, on all nodes.
#[derive(Debug, Serialize)]
pub(super) struct ActorLoad {
    pub(super) actor: String,
    pub(super) replicas: usize,
    pub(super) ready: usize,
    #[serde(flatten)]
    pub(super) amount: Amount,
}

/// How much.
#[derive(Debug, Clone, Copy, Default, Serialize, PartialEq)]
pub(super) struct Amount {
    pub(super) running: u64,
    /// Calls that may be in hand; none where nothing bounds them.
    pub(super) limit: u64,
    pub(super) waiting: u64,
    pub(super) calls_per_second: f64,
    pub(super) refused_per_second: f64,
}

impl Rates {
    /// Takes in what nodes have said by `at`.
    pub(super) fn take(&mut self, nodes: &BTreeMap<NodeId, SeenNode>, at: Instant) {
        self.0.retain(|node, _| nodes.contains_key(node));
        for (node, seen) in nodes {
            let before = self.0.get(node);
            let before = before.filter(|it| it.seen.beat.epoch == seen.beat.epoch);
            let rate = |report: &ReplicaReport| {
                let rate = before.map(|before| before.next(at, report));
                (report.actor.clone(), rate.unwrap_or_default())
            };
            let replicas = seen.beat.replicas.iter().map(rate).collect();
            let seen = seen.clone();
            self.0
                .insert(node.clone(), NodeRates { seen, at, replicas });
        }
    }

    /// All of it now, of one app where only that is asked for; those first that have most of it.
    pub(super) fn load(&self, lattice: &LatticeName, app: Option<&str>, sorted: Sorted) -> Load {
        let mut actors: BTreeMap<&ActorAddress, ActorLoad> = BTreeMap::new();
        let mut nodes = Vec::new();
        for (node, rates) in &self.0 {
            let mut load = NodeLoad {
                node: node.clone(),
                state: rates.state(),
                replicas: 0,
                amount: Amount::default(),
            };
            for report in &rates.seen.beat.replicas {
                if app.is_some_and(|app| report.actor.app.as_str() != app) {
                    continue;
                }
                let rate = rates
                    .replicas
                    .get(&report.actor)
                    .copied()
                    .unwrap_or_default();
                let actor = actors.entry(&report.actor).or_insert_with(|| ActorLoad {
                    actor: report.actor.to_string(),
                    replicas: 0,
                    ready: 0,
                    amount: Amount::default(),
                });
                actor.replicas += 1;
                actor.ready += usize::from(report.state == ReplicaState::Ready);
                actor.amount.add(report, rate);
                load.replicas += 1;
                load.amount.add(report, rate);
            }
            nodes.push(load);
        }
        let mut actors: Vec<_> = actors.into_values().collect();
        let key = |amount: &Amount| match sorted {
            Sorted::Calls => amount.calls_per_second,
            Sorted::Running => amount.running as f64,
            Sorted::Waiting => amount.waiting as f64,
            Sorted::Refused => amount.refused_per_second,
        };
        // Rates jitter; those that differ by less than a call stay in the order of their names.
        actors.sort_by_key(|actor| Reverse(key(&actor.amount).round() as u64));
        Load {
            lattice: lattice.clone(),
            nodes,
            actors,
        }
    }
}

impl NodeRates {
    /// The rate of a replica, of which this is what was said before.
    fn next(&self, at: Instant, report: &ReplicaReport) -> Rate {
        let mut reports = self.seen.beat.replicas.iter();
        let known = reports.find(|it| it.actor == report.actor);
        let last = self.replicas.get(&report.actor).copied();
        let (Some(known), Some(last)) = (known, last) else {
            return Rate::default();
        };
        let seconds = at.duration_since(self.at).as_secs_f64();
        if seconds <= 0.0 {
            return last;
        }
        // One that was started anew counts from 0.
        let new = |before: u64, now: u64| now.saturating_sub(before) as f64 / seconds;
        Rate {
            handled: new(known.handled, report.handled),
            refused: new(known.refused, report.refused),
        }
    }

    fn state(&self) -> &'static str {
        match self.seen.beat.state {
            _ if !self.seen.is_alive() => "silent",
            NodeState::Serving => "serving",
            NodeState::Draining => "draining",
            NodeState::Leaving => "leaving",
        }
    }
}

impl Amount {
    fn add(&mut self, report: &ReplicaReport, rate: Rate) {
        self.running += u64::from(report.running);
        self.limit += u64::from(report.concurrency_max);
        self.waiting += u64::from(report.waiting);
        self.calls_per_second += rate.handled;
        self.refused_per_second += rate.refused;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wrt_protocol::{Epoch, Name, NodeMicros, heartbeat::Heartbeat};

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("a legal name")
    }

    /// What a node says of one replica of `shop`, so many milliseconds after `start`.
    fn seen(start: Instant, millis: u64, epoch: u64, actor: &str, handled: u64) -> SeenNode {
        let beat = Heartbeat {
            node: NodeId::new("a").expect("a legal name"),
            epoch: Epoch(epoch),
            sequence: millis,
            sent_at: NodeMicros(0),
            interval_ms: 250,
            state: NodeState::Serving,
            version: String::new(),
            labels: Vec::new(),
            replicas: vec![ReplicaReport {
                actor: ActorAddress::component(name("shop"), name(actor)),
                state: ReplicaState::Ready,
                running: 2,
                waiting: 1,
                concurrency_max: 8,
                handled,
                refused: handled / 10,
            }],
        };
        let mut seen = SeenNode::new(beat, None);
        seen.heard_at = start + Duration::from_millis(millis);
        seen
    }

    fn take(rates: &mut Rates, nodes: [SeenNode; 2]) {
        let at = nodes[0].heard_at;
        let [a, mut b] = nodes;
        b.beat.node = NodeId::new("b").expect("a legal name");
        rates.take(
            &[a, b].map(|seen| (seen.beat.node.clone(), seen)).into(),
            at,
        );
    }

    fn lattice() -> LatticeName {
        LatticeName::new("default").expect("a legal name")
    }

    fn load(rates: &Rates, sorted: Sorted) -> Load {
        rates.load(&lattice(), None, sorted)
    }

    #[tokio::test]
    async fn a_rate_comes_to_what_is_done_in_a_second_on_all_nodes() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        for beat in 0..40 {
            let at = |per_beat| seen(start, 250 * beat, 1, "cart", per_beat * beat);
            take(&mut rates, [at(100), at(50)]);
        }
        let load = load(&rates, Sorted::Calls);
        let [cart] = load.actors.as_slice() else {
            panic!("{load:?}");
        };
        assert_eq!((cart.replicas, cart.ready), (2, 2));
        let Amount {
            running,
            limit,
            waiting,
            calls_per_second,
            refused_per_second,
        } = cart.amount;
        assert_eq!((running, limit, waiting), (4, 16, 2));
        assert!((599.0..=601.0).contains(&calls_per_second), "{load:?}");
        assert!((59.0..=61.0).contains(&refused_per_second), "{load:?}");
    }

    #[tokio::test]
    async fn a_node_that_was_started_anew_has_done_nothing_yet() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        for (millis, epoch, handled) in [(0, 1, 0), (250, 1, 900), (500, 2, 5000)] {
            let at = || seen(start, millis, epoch, "cart", handled);
            take(&mut rates, [at(), at()]);
        }
        let before = load(&rates, Sorted::Calls).actors[0].amount;
        assert_eq!(before.calls_per_second, 0.0);
    }

    #[tokio::test]
    async fn those_come_first_that_have_most_of_what_is_asked_for() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        for beat in 0..2 {
            let busy = seen(start, 250 * beat, 1, "search", 1000 * beat);
            let mut full = seen(start, 250 * beat, 1, "cart", 0);
            full.beat.replicas[0].waiting = 9;
            take(&mut rates, [busy, full]);
        }
        let first = |sorted| load(&rates, sorted).actors[0].actor.clone();
        assert_eq!(first(Sorted::Calls), "component/shop/search");
        assert_eq!(first(Sorted::Waiting), "component/shop/cart");
        let of_other = rates.load(&lattice(), Some("other"), Sorted::Calls);
        assert!(of_other.actors.is_empty());
        assert_eq!(of_other.nodes.len(), 2);
    }
}
