//! Rule 1: every call ends within its budget and the grace, with a reply or with a fault that says
//! whether the operation ran, where, and after how long. Killing, pausing or cutting off a node
//! leaves no caller waiting.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::Instant;
use wrt_contract::Body;
use wrt_protocol::{
    Execution, FaultKind, Hop,
    limits::{BUDGET_GRACE, DEAD_AFTER, INLINE_BODY_BYTES_MAX, INLINE_BYTES_MAX, STREAMS_OPEN_MAX},
};
use wrt_transport::Lane;

use super::lattice::{
    mirror::{HOLD, PRODUCE},
    nodes::{Bus, Node, eventually},
    probe::How,
};

async fn pair(bus: &Bus) -> (Node, Node) {
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    (caller, b)
}

/// Fails without the deadline in `Exchange::execute`. The mirror has none of its own; the probe has
/// one behind its gate.
#[tokio::test(start_paused = true)]
async fn rule_1_a_stalled_operation_ends_at_the_callee() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let of_mirror = caller.reflect(300, HOLD, None).await.unwrap_err();
    let of_probe = caller.act(300, 1, How::Never).await.unwrap_err();
    for fault in [of_mirror, of_probe] {
        assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
        assert_eq!(fault.execution(), Execution::MaybeExecuted);
        // The callee's own fault came home before the caller gave up by itself.
        assert!(matches!(fault.hop(), Hop::Actor | Hop::Backend), "{fault}");
        assert_eq!(fault.node(), Some(&b.id));
    }
    b.is_idle().await;
}

/// Fails without the deadline in `Attempt::run`.
#[tokio::test(start_paused = true)]
async fn rule_1_a_silent_callee() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    b.wire.plan().mute = true;
    let fault = caller.act(300, 1, How::AtOnce).await;
    let fault = fault.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
    assert_eq!(fault.execution(), Execution::MaybeExecuted);
    assert_eq!((fault.hop(), fault.node()), (Hop::Bus, Some(&b.id)));
    assert_eq!(b.record.runs(1), 1);
    assert_eq!(bus.faults().requests_waiting(), 0);
}

/// Fails when `Attempt::run` does not watch the destination's `lost`: the call would take its whole
/// budget. The caller must know at suspicion, which comes after three missed heartbeats.
#[tokio::test(start_paused = true)]
async fn rule_1_a_node_lost_in_flight_is_known_at_suspicion() {
    for cut in [true, false] {
        let bus = Bus::loopback();
        let (caller, b) = pair(&bus).await;
        let started = Instant::now();
        let call = caller.act(60_000, 1, How::Never);
        let lose = async {
            eventually("a call in hand", || b.record.runs(1) == 1).await;
            match cut {
                true => bus.faults().cut_off(&b.id),
                false => bus.faults().partition(&b.id, &caller.id),
            }
        };
        let (answer, ()) = tokio::join!(call, lose);
        let fault = answer.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::NodeLost);
        assert_eq!(fault.execution(), Execution::MaybeExecuted);
        assert_eq!(fault.node(), Some(&b.id));
        assert!(started.elapsed() < Duration::from_millis(1200), "{fault}");
    }
}

/// Fails when the path waits for a link that is down, or sends a call to a node that is suspect
/// through the queue group, of which a stopped node is still a member. A silent node is waited for
/// until it is dead, and one pause longer; then come the pauses between the attempts, which last 1.8 s
/// at the most.
#[tokio::test(start_paused = true)]
async fn rule_1_nobody_left_is_known_before_the_budget_ends() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    bus.faults().partition(&b.id, &caller.id);
    caller.knows(0).await;
    let started = Instant::now();
    let fault = caller.act(60_000, 1, How::AtOnce).await;
    let fault = fault.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable);
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert!(
        started.elapsed() < DEAD_AFTER + Duration::from_secs(2),
        "{fault}"
    );
    assert!(caller.wire.requests().is_empty());
}

/// Fails when the path sends while the link is down, or retries without end.
#[tokio::test(start_paused = true)]
async fn rule_1_a_caller_that_is_cut_off() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    bus.faults().cut_off(&caller.id);
    let fault = caller.act(500, 1, How::AtOnce).await;
    let fault = fault.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Disconnected);
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert_eq!(fault.hop(), Hop::Caller);
    assert_eq!(b.record.all_runs(), 0);

    // And one that is cut off while it waits.
    bus.faults().heal(&caller.id);
    caller.knows(1).await;
    let call = caller.act(500, 2, How::Never);
    let cut = async {
        eventually("a call in hand", || b.record.runs(2) == 1).await;
        bus.faults().cut_off(&caller.id);
    };
    let (answer, ()) = tokio::join!(call, cut);
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Disconnected);
    assert_eq!(fault.execution(), Execution::MaybeExecuted);
}

/// Fails when a send to a full socket is awaited without the deadline: calls in `Attempt::run`,
/// one-way calls in `RequestPath::attempt`, credit for a large result in `RequestPath::answer`.
#[tokio::test(start_paused = true)]
async fn rule_1_a_send_that_never_returns() {
    let bus = Bus::loopback();
    let (caller, _b) = pair(&bus).await;
    let large = Bytes::from(vec![7; INLINE_BYTES_MAX + 1]);

    caller.wire.plan().stuck = Some(Lane::Bulk);
    let answer = caller.mirror(300, 1, large.clone()).await;
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);

    caller.wire.plan().stuck = Some(Lane::Calls);
    let answer = caller.act(300, 2, How::AtOnce).await;
    assert_eq!(answer.unwrap_err().kind(), FaultKind::DeadlineExceeded);
    let answer = caller.note(300, 3, Bytes::new()).await;
    assert_eq!(answer.unwrap_err().kind(), FaultKind::DeadlineExceeded);
}

/// Fails when a large result is collected without the deadline: the stream's own limit is 30 s, and
/// a trickle has none.
#[tokio::test(start_paused = true)]
async fn rule_1_a_large_result_that_stalls() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    b.wire.plan().stuck = Some(Lane::Bulk);
    // Just inline on its way out, and just not on its way back.
    let large = Bytes::from(vec![7; INLINE_BYTES_MAX - 2]);
    let answer = caller.mirror(300, 1, large).await;
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
    // It ran; what was lost is its result.
    assert_eq!(fault.execution(), Execution::Executed, "{fault}");
    assert_eq!((fault.hop(), fault.node()), (Hop::Stream, Some(&b.id)));
}

/// A fifth of all payloads is lost, heartbeats and cancellations among them. Fails when a fault says
/// *not executed* of an operation that ran, when one that is not idempotent runs twice, or when a
/// call hangs.
#[tokio::test(start_paused = true)]
async fn rule_1_and_2_hundreds_of_calls_on_a_lossy_bus() {
    const CALLS: u64 = 400;
    for seed in 1..=4 {
        println!("seed {seed}");
        let bus = Bus::loopback();
        let caller = bus.caller().await;
        let hosts = [bus.host("b").await, bus.host("c").await];
        caller.knows(2).await;
        bus.faults().lose(0.2, seed);
        let call = |tag: u64| {
            let caller = &caller;
            async move {
                let how = How::After(Duration::from_millis(tag % 50));
                let answer = match tag.is_multiple_of(2) {
                    true => caller.look(400, tag, how).await,
                    false => caller.act(400, tag, how).await,
                };
                (tag, answer)
            }
        };
        let answers = join_all((0..CALLS).map(call)).await;
        bus.faults().lose(0.0, 0);
        let mut failed = 0;
        for (tag, answer) in answers {
            let runs: u32 = hosts.iter().map(|host| host.record.runs(tag)).sum();
            if tag % 2 == 1 {
                assert!(runs <= 1, "call {tag} ran {runs} times");
            }
            let execution = answer.as_ref().err().map(|fault| fault.execution());
            failed += u32::from(execution.is_some());
            match execution {
                None | Some(Execution::Executed) => assert!(runs >= 1, "call {tag}"),
                Some(Execution::NotExecuted) => assert_eq!(runs, 0, "call {tag}"),
                Some(Execution::MaybeExecuted) => {}
            }
        }
        assert!(
            failed > 0 && u64::from(failed) < CALLS / 2,
            "{failed} failed"
        );
        for host in &hosts {
            host.is_idle().await;
        }
        // A node whose heartbeat was lost asks for all of it, and waits half a second for what is lost of that.
        eventually("nobody waits", || bus.faults().requests_waiting() == 0).await;
    }
}

/// Fails without `catch_unwind` in `Exchange::serve`, and when a crash is tried again.
#[tokio::test(start_paused = true)]
async fn rule_1_a_panic_is_a_fault_and_the_exchange_goes_on() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let started = Instant::now();
    let answer = caller.look(10_000, 1, How::Panic).await;
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Crashed);
    assert_eq!(fault.execution(), Execution::MaybeExecuted);
    assert_eq!(fault.node(), Some(&b.id));
    assert!(started.elapsed() < BUDGET_GRACE);
    assert_eq!(b.exchange.counts().crashed, 1);
    assert_eq!(b.record.runs(1), 1);
    let answer = caller.act(10_000, 2, How::AtOnce).await;
    assert_eq!(answer.unwrap(), "b");
}

/// Fails when the last attempt alone decides what the fault says: the first one may have run.
#[tokio::test(start_paused = true)]
async fn rule_1_a_fault_speaks_for_every_attempt() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let call = caller.look(10_000, 1, How::Never);
    let lose = async {
        eventually("a call in hand", || b.record.runs(1) == 1).await;
        bus.faults().partition(&b.id, &caller.id);
    };
    let (answer, ()) = tokio::join!(call, lose);
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
    assert_eq!(fault.execution(), Execution::MaybeExecuted, "{fault}");
}

/// Fails when a caller without room for a reply's body says *not executed*: the path would run the
/// operation again.
#[tokio::test(start_paused = true)]
async fn rule_1_no_room_for_a_result_is_not_a_call_that_has_not_run() {
    let bus = Bus::loopback();
    let caller = bus.caller().await;
    let (b, c) = (bus.host("b").await, bus.host("c").await);
    let mut unread = Vec::new();
    // Too large to travel inside the reply.
    let bytes = Bytes::from(vec![1; 2 * INLINE_BODY_BYTES_MAX]);
    let large = || Body::whole(bytes.clone());
    // Half of them from each, so that no callee is at its own limit.
    for (first, second) in [(&b, &c), (&c, &b)] {
        caller.prefers(first, second).await;
        for _ in 0..STREAMS_OPEN_MAX / 2 {
            *first.mirror.produce.lock() = Some(large());
            let answer = caller.reflect(5_000, PRODUCE, None).await;
            unread.push(answer.expect("there is room"));
        }
    }
    for node in [&b, &c] {
        *node.mirror.produce.lock() = Some(large());
    }
    let ran = b.record.all_runs() + c.record.all_runs();
    let answer = caller.reflect(300, PRODUCE, None).await;
    let fault = answer.unwrap_err();
    assert!(fault.is_overloaded(), "{fault}");
    assert_eq!(fault.execution(), Execution::Executed);
    assert_eq!(b.record.all_runs() + c.record.all_runs(), ran + 1);
    drop(unread);
    for node in [&caller, &b, &c] {
        node.is_idle().await;
    }
}
