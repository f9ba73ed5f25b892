//! Calls of an actor that is on its way wait for it, within their budgets, and in a bounded number.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};
use wrt_contract::{Interface, LocalDirectory};
use wrt_protocol::{
    Execution, Fault, FaultKind, Hop, heartbeat::ReplicaState, limits::CALLS_PARKED_MAX,
};

use super::lattice::{
    nodes::{Bus, Node, budget, eventually, target},
    probe::{How, Probe, ProbeError, ProbeInterface, Tag},
};

/// Longer than any retry.
const LONG: Duration = Duration::from_secs(20);

/// What a component of the node has: a link, and the slots behind it.
struct Linked {
    directory: LocalDirectory,
    probe: Arc<dyn Probe>,
}

impl Linked {
    fn on(node: &Node) -> Self {
        let directory = LocalDirectory::default();
        directory.expects(Arc::clone(&node.path) as _);
        let slot = directory.slot::<ProbeInterface>(&target());
        let probe = ProbeInterface::linked(slot, node.probe());
        Self { directory, probe }
    }

    async fn act(&self, millis: u64, tag: u64) -> Result<String, Fault> {
        let context = budget(millis);
        let answer = self.probe.act(&context, Tag(tag), How::AtOnce).await;
        answer.map_err(|error| match error {
            ProbeError::Fault(fault) => fault,
            own => panic!("{own:?}"),
        })
    }
}

async fn starting(bus: &Bus) -> (Node, Node, Linked) {
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    b.say(0, ReplicaState::Starting);
    let starts = |view: &wrt_membership::View| view.starts_elsewhere(&target());
    caller.sees("it starts", starts).await;
    let linked = Linked::on(&caller);
    (caller, b, linked)
}

/// The replica does not work any more, and says so.
fn fail(b: &Node) {
    b.exchange.unhost(&target());
    b.say(0, ReplicaState::Failing);
}

async fn parked(node: &Node, calls: u64) {
    eventually("parked calls", || node.path.counts().parked == calls).await;
}

/// Fails without the wait: after two seconds of retries it is unavailable.
#[tokio::test(start_paused = true)]
async fn a_call_waits_for_what_starts_on_another_node() {
    let bus = Bus::loopback();
    let (caller, b, linked) = starting(&bus).await;
    let call = linked.act(60_000, 1);
    let ready = async {
        parked(&caller, 1).await;
        sleep(LONG).await;
        assert_eq!(caller.wire.requests().len(), 0);
        b.say(0, ReplicaState::Ready);
    };
    let (answer, ()) = tokio::join!(call, ready);
    assert_eq!(answer.unwrap(), "b");
    assert_eq!(caller.path.counts().retries, 0);
}

/// Fails without the wait: unavailable at once. Fails when a filled slot wakes nobody: it would wait for
/// the bus to know the replica as well.
#[tokio::test(start_paused = true)]
async fn a_call_waits_for_what_starts_on_its_own_node_and_stays_there() {
    let bus = Bus::loopback();
    let b = bus.host("b").await;
    b.say(0, ReplicaState::Starting);
    b.sees("it starts", |view| view.starts_here(&target()))
        .await;
    let linked = Linked::on(&b);
    let call = linked.act(60_000, 1);
    let ready = async {
        parked(&b, 1).await;
        sleep(LONG).await;
        for offer in &b.offers {
            offer.install(&linked.directory, &target());
        }
    };
    let (answer, ()) = tokio::join!(call, ready);
    assert_eq!(answer.unwrap(), "b");
    assert_eq!(b.wire.requests().len(), 0);
}

/// It came after the call's link had looked, and too soon to be waited for. Fails as unavailable where only what
/// was seen starting is called by way of the bus.
#[tokio::test(start_paused = true)]
async fn a_call_on_its_way_out_finds_what_has_come_to_its_own_node() {
    let bus = Bus::loopback();
    let b = bus.host("b").await;
    b.sees("it serves", |view| !view.candidates(&target()).is_empty())
        .await;
    // Its slot is empty, as it was when the link looked.
    let linked = Linked::on(&b);
    assert_eq!(linked.act(60_000, 1).await.unwrap(), "b");
    assert_eq!(b.wire.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_what_is_expected_and_reported_by_nobody_yet() {
    let bus = Bus::loopback();
    let caller = bus.caller().await;
    let linked = Linked::on(&caller);
    let fault = linked.act(60_000, 1).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
    caller.path.set_expected([target()].into());
    let (answer, b) = tokio::join!(linked.act(60_000, 2), async {
        parked(&caller, 1).await;
        sleep(LONG).await;
        bus.host("b").await
    });
    assert_eq!(answer.unwrap(), "b");
    fail(&b);
    caller.knows(0).await;
    // It is there, and it does not work: that is nothing to wait for.
    let started = Instant::now();
    let fault = linked.act(60_000, 3).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
    assert!(started.elapsed() < LONG, "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_refused_as_soon_as_what_it_waits_for_will_not_come() {
    let bus = Bus::loopback();
    let (caller, b, linked) = starting(&bus).await;
    let (answer, since) = tokio::join!(linked.act(60_000, 1), async {
        parked(&caller, 1).await;
        fail(&b);
        Instant::now()
    });
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert!(since.elapsed() < LONG, "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_ends_with_its_budget_and_says_why() {
    let bus = Bus::loopback();
    let (caller, _b, linked) = starting(&bus).await;
    let started = Instant::now();
    let fault = linked.act(700, 1).await.unwrap_err();
    let took = started.elapsed();
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded, "{fault}");
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert_eq!(fault.hop(), Hop::Route);
    assert!(fault.to_string().contains("still starting"), "{fault}");
    let link = fault.link().expect("a fault names its link");
    assert!(link.starts_with(&target().to_string()), "{link}");
    let over = took.saturating_sub(Duration::from_millis(700));
    assert!(over < Duration::from_millis(100), "{took:?}");
    assert_eq!(caller.path.counts().parked_in_vain, 1);
}

/// Fails when a place is not given back by whoever leaves.
#[tokio::test(start_paused = true)]
async fn so_many_calls_wait_and_whoever_leaves_makes_room() {
    let bus = Bus::loopback();
    let (caller, b, linked) = starting(&bus).await;
    let max = CALLS_PARKED_MAX as u64;
    let mut waiting: FuturesUnordered<_> = (0..max).map(|tag| linked.act(600_000, tag)).collect();
    let refused = async {
        parked(&caller, max).await;
        linked.act(600_000, max).await.unwrap_err()
    };
    let fault = tokio::select! {
        _ = waiting.next() => panic!("they wait"),
        fault = refused => fault,
    };
    assert!(fault.is_overloaded(), "{fault}");
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert_eq!(caller.path.counts().parking_refused, 1);
    drop(waiting);
    let (answer, ()) = tokio::join!(linked.act(60_000, max + 1), async {
        parked(&caller, max + 1).await;
        b.say(0, ReplicaState::Ready);
    });
    assert_eq!(answer.unwrap(), "b");
    assert_eq!(b.record.all_runs(), 1);
}
