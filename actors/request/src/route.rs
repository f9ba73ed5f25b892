//! Which replica gets a call.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

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
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
