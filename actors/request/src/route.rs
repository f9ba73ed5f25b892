//! Which replica gets a call.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use wrt_membership::Candidate;
use wrt_protocol::{NodeId, limits::MEMBERS_MAX};

/// Calls that this node has in flight to each other node. Fresher than any heartbeat.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<HashMap<NodeId, Arc<AtomicU32>>>);

/// One call in flight; counted until dropped.
#[derive(Debug)]
pub(crate) struct Flight(Arc<AtomicU32>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl InFlight {
    fn of(&self, node: &NodeId) -> Arc<AtomicU32> {
        let mut nodes = self.0.lock();
        if let Some(count) = nodes.get(node) {
            return Arc::clone(count);
        }
        if nodes.len() >= MEMBERS_MAX {
            nodes.retain(|_, count| count.load(Relaxed) > 0);
        }
        Arc::clone(nodes.entry(node.clone()).or_default())
    }

    pub(crate) fn take_off(&self, node: &NodeId) -> Flight {
        let count = self.of(node);
        count.fetch_add(1, Relaxed);
        Flight(count)
    }
}

/// How busy a replica is: 1.0 is all its concurrency in use.
fn business(candidate: &Candidate, in_flight: u32) -> f64 {
    let report = &candidate.report;
    // What this node has in flight is partly in the report already. Counting it twice only makes a
    // choice more cautious, and not counting it sends a burst to one replica between two heartbeats.
    let load = f64::from(report.running) + f64::from(report.waiting) + f64::from(in_flight);
    load / f64::from(report.concurrency_max.max(1))
}

/// Chooses among `candidates` those not in `tried`: the less busy of two at random. `random` is in
/// 0..1 and uniform.
pub(crate) fn choose<'a>(
    candidates: &'a [Candidate],
    tried: &[NodeId],
    in_flight: &InFlight,
    mut random: impl FnMut() -> f64,
) -> Option<&'a Candidate> {
    let fresh = |candidate: &&Candidate| !tried.contains(&candidate.member.id);
    let count = candidates.iter().filter(fresh).count();
    let mut pick = |below: usize| ((random() * below as f64) as usize).min(below.saturating_sub(1));
    let nth = |n: usize| candidates.iter().filter(fresh).nth(n);
    match count {
        0 => None,
        1 => nth(0),
        _ => {
            let first = pick(count);
            let mut second = pick(count - 1);
            if second >= first {
                second += 1;
            }
            let (first, second) = (nth(first)?, nth(second)?);
            let busy = |c: &Candidate| business(c, in_flight.of(&c.member.id).load(Relaxed));
            Some(if busy(second) < busy(first) {
                second
            } else {
                first
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};
    use tokio::time::Instant;
    use wrt_membership::{MemberTable, NodeClock, View};
    use wrt_protocol::{
        ActorAddress, Epoch, Name, NodeMicros,
        heartbeat::{Heartbeat, NodeState, ReplicaReport, ReplicaState},
    };

    use super::*;

    fn node(at: usize) -> NodeId {
        NodeId::new(&format!("n{at}")).expect("a legal name")
    }

    fn actor() -> ActorAddress {
        let name = |text| Name::new(text).expect("a legal name");
        ActorAddress::component(name("shop"), name("cart"))
    }

    /// A view with a replica for each load, out of a concurrency of 100.
    fn view(loads: &[u32]) -> View {
        let own = NodeId::new("own").expect("a legal name");
        let mut table = MemberTable::new(own, NodeClock::start());
        for (at, running) in loads.iter().enumerate() {
            let report = ReplicaReport {
                actor: actor(),
                state: ReplicaState::Ready,
                running: *running,
                waiting: 0,
                concurrency_max: 100,
                handled: 0,
                refused: 0,
            };
            let heartbeat = Heartbeat {
                node: node(at),
                epoch: Epoch(1),
                sequence: 1,
                sent_at: NodeMicros(0),
                interval_ms: 250,
                state: NodeState::Serving,
                version: "1".into(),
                labels: vec![],
                replicas: vec![report],
            };
            table.observe(heartbeat, Instant::now());
        }
        table.view()
    }

    #[test]
    fn equals_are_chosen_equally_often() {
        const ROUNDS: usize = 30_000;
        for count in 1..=7 {
            let view = view(&vec![10; count]);
            let candidates = view.remote_candidates(&actor());
            let mut random = StdRng::seed_from_u64(count as u64);
            let mut chosen = vec![0_usize; count];
            for _ in 0..ROUNDS {
                let draw = || random.random();
                let choice = choose(candidates, &[], &InFlight::default(), draw);
                let id = &choice.expect("there is one").member.id;
                chosen[(0..count).find(|at| node(*at) == *id).expect("known")] += 1;
            }
            let fair = ROUNDS / count;
            let off = |got: &usize| got.abs_diff(fair) > fair / 10;
            assert!(!chosen.iter().any(off), "{count}: {chosen:?}");
        }
    }

    #[test]
    fn the_busiest_of_many_is_never_chosen() {
        let view = view(&[1, 90, 2, 3]);
        let candidates = view.remote_candidates(&actor());
        for _ in 0..1000 {
            let choice = choose(candidates, &[], &InFlight::default(), rand::random);
            assert_ne!(choice.expect("there is one").member.id, node(1));
        }
    }

    #[test]
    fn calls_in_flight_count_until_they_end() {
        let view = view(&[0, 0]);
        let candidates = view.remote_candidates(&actor());
        let in_flight = InFlight::default();
        let flight = in_flight.take_off(&node(0));
        let choice = || choose(candidates, &[], &in_flight, rand::random).expect("there is one");
        for _ in 0..100 {
            assert_eq!(choice().member.id, node(1));
        }
        drop(flight);
        assert!((0..100).any(|_| choice().member.id == node(0)));
    }

    #[test]
    fn a_full_table_of_flights_forgets_those_that_have_landed() {
        let in_flight = InFlight::default();
        let _flight = in_flight.take_off(&node(0));
        for at in 1..3 * MEMBERS_MAX {
            drop(in_flight.take_off(&node(at)));
        }
        let nodes = in_flight.0.lock();
        assert!(nodes.len() <= MEMBERS_MAX);
        assert_eq!(nodes[&node(0)].load(Relaxed), 1);
    }

    proptest! {
        /// Whatever the random source gives, its ends included.
        #[test]
        fn those_tried_are_left_out_and_someone_is_chosen(
            loads in proptest::collection::vec(0..1000_u32, 0..8),
            tried in proptest::collection::vec(0..8_usize, 0..8),
            draws in proptest::collection::vec(prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64], 2),
        ) {
            let view = view(&loads);
            let candidates = view.remote_candidates(&actor());
            let tried: Vec<_> = tried.into_iter().map(node).collect();
            let mut draws = draws.into_iter();
            let choice = choose(candidates, &tried, &InFlight::default(), || draws.next().unwrap_or(0.5));
            let left = (0..loads.len()).filter(|at| !tried.contains(&node(*at))).count();
            prop_assert_eq!(choice.is_some(), left > 0);
            if let Some(choice) = choice {
                prop_assert!(!tried.contains(&choice.member.id));
            }
        }
    }
}
