//! Pinned calls: to the replica that gave the lease, in its incarnation, or nowhere; and a drain that
//! waits for leases.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;
use wrt_contract::{Interface, Lease, LocalDirectory};
use wrt_membership::Liveness;
use wrt_protocol::{Execution, Fault, FaultKind, Hop, Incarnation, heartbeat::ReplicaState};

use super::lattice::{
    holder::{Holder, HolderInterface, LASTS, LEASES_MAX},
    mirror::KEEP,
    nodes::{Bus, Node, budget, eventually, target},
    probe::How,
};

const AT_ONCE: Duration = Duration::from_millis(100);

fn holder(node: &Node) -> Arc<dyn Holder> {
    HolderInterface::remote(Arc::clone(&node.path) as _, target().into())
}

/// A caller, two hosts, and a lease of the first one.
async fn three(bus: &Bus) -> (Node, Node, Node, Lease) {
    let (caller, b, c) = (bus.caller().await, bus.host("b").await, bus.host("c").await);
    caller.prefers(&b, &c).await;
    let lease = holder(&caller).open(&budget(1_000)).await.unwrap();
    assert_eq!(lease.home(), Some(&incarnation(&b)));
    (caller, b, c, lease)
}

fn incarnation(node: &Node) -> Incarnation {
    Incarnation {
        node: node.id.clone(),
        epoch: node.membership.epoch(),
    }
}

async fn step(caller: &Node, lease: &Lease) -> Result<(String, u64), Fault> {
    let context = budget(5_000);
    holder(caller).step(&context, How::AtOnce, lease).await
}

/// Checks that a step fails at once, *not executed*, and that nothing was sent for it.
async fn fails_unsent(caller: &Node, lease: &Lease) -> Fault {
    let (sent, started) = (caller.wire.requests().len(), Instant::now());
    let fault = step(caller, lease).await.unwrap_err();
    assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
    assert_eq!(caller.wire.requests().len(), sent);
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    fault
}

/// Fails when the path chooses among replicas although the call is pinned.
#[tokio::test(start_paused = true)]
async fn a_pinned_call_goes_to_its_replica_however_busy_that_is() {
    let bus = Bus::loopback();
    let (caller, b, c, lease) = three(&bus).await;
    caller.prefers(&c, &b).await;
    for count in 1..=100 {
        assert_eq!(
            step(&caller, &lease).await.unwrap(),
            ("b".to_owned(), count)
        );
    }
    assert_eq!(caller.act(1_000, 1, How::AtOnce).await.unwrap(), "c");
    assert_eq!(c.record.runs(0), 0);
}

/// Fails when a pinned call falls over, is sent in vain, or waits for a node that does not come back.
#[tokio::test(start_paused = true)]
async fn a_replica_that_is_known_to_be_gone_is_not_called() {
    let bus = Bus::loopback();
    let (caller, b, c, lease) = three(&bus).await;
    b.membership.leave().await;
    caller.knows(1).await;
    let fault = fails_unsent(&caller, &lease).await;
    assert_eq!(fault.kind(), FaultKind::StaleEpoch);
    assert_eq!((fault.hop(), fault.node()), (Hop::Route, Some(&b.id)));

    let (caller, lease) = {
        let lease = holder(&caller).open(&budget(1_000)).await.unwrap();
        (caller, lease)
    };
    bus.faults().partition(&caller.id, &c.id);
    let dead = |node: &Node| {
        let id = node.id.clone();
        move |view: &wrt_membership::View| {
            view.member(&id)
                .is_none_or(|member| member.liveness == Liveness::Dead)
        }
    };
    // A third one goes on beating: with everybody silent the caller would doubt its own hearing.
    let _third = bus.host("d").await;
    caller.sees("the death of c", dead(&c)).await;
    let fault = fails_unsent(&caller, &lease).await;
    assert_eq!(fault.kind(), FaultKind::NodeLost);
    assert_eq!(b.record.runs(0) + c.record.runs(0), 0);
}

/// Fails when *maybe executed* is not said, or when an idempotent pinned call is tried elsewhere.
#[tokio::test(start_paused = true)]
async fn a_replica_lost_in_flight_leaves_the_call_maybe_executed() {
    for idempotent in [false, true] {
        let bus = Bus::loopback();
        let (caller, b, c, lease) = three(&bus).await;
        let context = budget(20_000);
        let client = holder(&caller);
        let call = async {
            match idempotent {
                true => client.peek(&context, &lease, How::Never).await,
                false => client.step(&context, How::Never, &lease).await,
            }
        };
        let lose = async {
            eventually("a call in hand", || b.record.runs(0) == 1).await;
            bus.faults().partition(&b.id, &caller.id);
        };
        let (answer, ()) = tokio::join!(call, lose);
        let fault = answer.unwrap_err();
        assert_eq!(fault.execution(), Execution::MaybeExecuted, "{fault}");
        assert_eq!(c.record.runs(0), 0);
        assert!(context.elapsed() < Duration::from_secs(5), "{fault}");
    }
}

/// Fails when silence alone counts as the end of a lease.
#[tokio::test(start_paused = true)]
async fn a_replica_that_is_only_silent_is_waited_for() {
    let bus = Bus::loopback();
    let (caller, b, _c, lease) = three(&bus).await;
    bus.faults().partition(&b.id, &caller.id);
    caller
        .sees("silence", |view| {
            view.member(&b.id)
                .is_some_and(|member| member.liveness == Liveness::Suspect)
        })
        .await;
    let heal = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        bus.faults().heal(&b.id);
        b.membership.announce_now();
    };
    let (answer, ()) = tokio::join!(step(&caller, &lease), heal);
    assert_eq!(answer.unwrap(), ("b".to_owned(), 1));
}

/// Fails when the name of a node is enough.
#[tokio::test(start_paused = true)]
async fn another_incarnation_is_another_replica() {
    let bus = Bus::loopback();
    let (caller, b, _c, lease) = three(&bus).await;
    let old = incarnation(&b);
    b.membership.leave().await;
    b.disconnect().await;
    drop(b);
    let again = bus.join("b", 2, Some(Default::default())).await;
    caller
        .sees("the new incarnation", |view| {
            view.member(&old.node)
                .is_some_and(|member| member.epoch != old.epoch)
        })
        .await;
    let fault = fails_unsent(&caller, &lease).await;
    assert_eq!(fault.kind(), FaultKind::StaleEpoch);
    assert_eq!(again.record.all_runs(), 0);
}

/// Fails when the table has no bound, when time does not end a lease, or when the path goes on asking
/// for one that is over.
#[tokio::test(start_paused = true)]
async fn leases_are_few_and_end_with_their_time() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    let open = async || holder(&caller).open(&budget(1_000)).await;
    let first = open().await.unwrap();
    for _ in 1..LEASES_MAX {
        open().await.unwrap();
    }
    let fault = open().await.unwrap_err();
    assert!(fault.is_overloaded(), "{fault}");
    assert_eq!(fault.execution(), Execution::NotExecuted);
    step(&caller, &first).await.unwrap();
    tokio::time::sleep(LASTS).await;
    let (sent, started) = (caller.wire.requests().len(), Instant::now());
    let fault = step(&caller, &first).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable);
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert_eq!(caller.wire.requests().len(), sent + 1, "it is asked once");
    assert!(started.elapsed() < AT_ONCE);
    assert_eq!(b.gate.leases_held(), 0);
    open().await.unwrap();
}

/// How long a drain takes while a lease is live, and whether it came to its end.
async fn drain(node: &Node, patience: Duration) -> (Duration, bool) {
    let started = Instant::now();
    let drained = node.gate.drain(patience).await;
    (started.elapsed(), drained)
}

/// Fails when a drain does not wait for a lease, refuses the calls that are pinned by it, admits
/// others, or goes on after the lease was released.
#[tokio::test(start_paused = true)]
async fn a_drain_waits_until_the_lease_is_released() {
    let bus = Bus::loopback();
    let (caller, b, _c, lease) = three(&bus).await;
    b.say(0, ReplicaState::Draining);
    caller.knows(1).await;
    let holder_ends = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(step(&caller, &lease).await.unwrap(), ("b".to_owned(), 1));
        assert_eq!(caller.act(1_000, 1, How::AtOnce).await.unwrap(), "c");
        let fault = b.gate.admit(&budget(1_000)).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Draining);
        let context = budget(1_000);
        holder(&caller).close(&context, &lease).await.unwrap();
        Instant::now()
    };
    let drains = async {
        let (_, drained) = drain(&b, Duration::from_secs(8)).await;
        (Instant::now(), drained)
    };
    let (closed, (ended, drained)) = tokio::join!(holder_ends, drains);
    assert!(drained);
    assert!(ended - closed < AT_ONCE, "{:?}", ended - closed);
}

/// Fails when a drain waits for longer than the lease, or than its patience.
#[tokio::test(start_paused = true)]
async fn a_drain_ends_with_the_leases_time_or_with_its_patience() {
    let bus = Bus::loopback();
    let (_caller, b, _c, _lease) = three(&bus).await;
    let (took, drained) = drain(&b, LASTS * 2).await;
    assert!(drained);
    assert!(took.abs_diff(LASTS) < AT_ONCE, "{took:?}");

    let bus = Bus::loopback();
    let (caller, b, _c, lease) = three(&bus).await;
    let patience = LASTS / 5;
    let (took, drained) = drain(&b, patience).await;
    assert!(!drained);
    assert!(took.abs_diff(patience) < AT_ONCE, "{took:?}");
    let fault = step(&caller, &lease).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Draining);
    assert_eq!(fault.execution(), Execution::NotExecuted);
}

/// Fails when a pinned call of this node's own lease leaves the node, or one of another node's does
/// not; and when the replica's withdrawal ends its leases before its drain does.
#[tokio::test(start_paused = true)]
async fn a_link_goes_home_with_the_lease() {
    let bus = Bus::loopback();
    let (a, b) = (bus.host("a").await, bus.host("b").await);
    a.knows(1).await;
    let directory = LocalDirectory::default();
    directory.joined(incarnation(&a));
    let offer = &a.offers[2];
    offer.install(&directory, &target());
    let slot = directory.slot::<HolderInterface>(&target());
    let link = HolderInterface::linked(slot, holder(&a));
    let step = async |lease| link.step(&budget(1_000), How::AtOnce, lease).await;

    let own = link.open(&budget(1_000)).await.unwrap();
    assert_eq!(own.home(), Some(&incarnation(&a)));
    assert_eq!(step(&own).await.unwrap(), ("a".to_owned(), 1));
    assert!(a.wire.requests().is_empty());
    let others = holder(&a).open(&budget(1_000)).await.unwrap();
    assert_eq!(step(&others).await.unwrap(), ("b".to_owned(), 1));

    // Withdrawn, as a replica that moves away is: unpinned calls go to the other node.
    offer.remove(&directory, &target());
    let elsewhere = link.open(&budget(1_000)).await.unwrap();
    assert_eq!(elsewhere.home(), Some(&incarnation(&b)));
    let sent = a.wire.requests().len();
    let drained = async { a.gate.drain(LASTS).await };
    let ends = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(step(&own).await.unwrap(), ("a".to_owned(), 2));
        link.close(&budget(1_000), &own).await.unwrap();
    };
    let (drained, ()) = tokio::join!(drained, ends);
    assert!(drained);
    assert_eq!(a.wire.requests().len(), sent);
    let fault = step(&own).await.unwrap_err();
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert_eq!(a.wire.requests().len(), sent, "and goes nowhere else");
}

/// Fails when the answer does not say where it comes from.
#[tokio::test(start_paused = true)]
async fn an_answer_says_which_replica_gave_it() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    let answer = caller.reflect(1_000, KEEP, None).await.unwrap();
    assert_eq!(answer.served_by, Some(incarnation(&b)));
    assert_eq!(answer.result, Bytes::new());
}
