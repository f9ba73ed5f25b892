//! Rule 2: a retry happens in the path and nowhere else, with backoff and a budget: *not executed*
//! always, *maybe executed* only for an idempotent operation, under the same idempotency key.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use wrt_contract::{Body, BodyFrame, GateLimits};
use wrt_protocol::{
    Execution, FaultKind, Hop,
    limits::{ATTEMPTS_MAX, STREAMS_OPEN_MAX},
};
use wrt_transport::TransportError;

use super::lattice::{
    mirror::{HOLD, SUM, TASTE, sum},
    nodes::{Bus, Node, budget, eventually},
    probe::{How, Tag},
};

/// A caller that prefers the first of two hosts.
async fn three(bus: &Bus) -> (Node, Node, Node) {
    let (caller, b, c) = (bus.caller().await, bus.host("b").await, bus.host("c").await);
    caller.prefers(&b, &c).await;
    (caller, b, c)
}

/// Checks the attempts that left: one key, a call id each, numbered, less budget each time.
fn check_attempts(caller: &Node, count: usize) {
    let requests = caller.wire.requests();
    assert_eq!(requests.len(), count);
    let head = |n: usize| &requests[n].0.head;
    let calls: HashSet<_> = requests.iter().map(|(r, _)| r.head.call).collect();
    assert_eq!(calls.len(), count, "each attempt has its own id");
    for n in 0..count {
        assert_eq!(head(n).key, head(0).key, "one intent, one key");
        assert_eq!(head(n).attempt as usize, n + 1);
        assert!(head(n).budget_micros <= head(0).budget_micros);
    }
}

/// Fails when `retry::next` gives up on *not executed*, when the key is minted inside the loop, or
/// when the replica that refused is chosen again.
#[tokio::test(start_paused = true)]
async fn rule_2_not_executed_is_tried_elsewhere() {
    let bus = Bus::loopback();
    let (caller, b, c) = three(&bus).await;
    b.gate.start_draining();
    let answer = caller.act(1_000, 1, How::AtOnce);
    assert_eq!(answer.await.unwrap(), "c");
    check_attempts(&caller, 2);
    assert_eq!((b.record.runs(1), c.record.runs(1)), (0, 1));
    assert_eq!(caller.path.counts().retries, 1);
}

/// Fails when `retry::next` does not ask whether the operation is idempotent, in either direction.
#[tokio::test(start_paused = true)]
async fn rule_2_maybe_executed_is_tried_again_only_when_idempotent() {
    for idempotent in [true, false] {
        let bus = Bus::loopback();
        let (caller, b, c) = three(&bus).await;
        let how = How::After(Duration::from_secs(3));
        let call = async {
            match idempotent {
                true => caller.look(10_000, 1, how).await,
                false => caller.act(10_000, 1, how).await,
            }
        };
        let lose = async {
            eventually("a call in hand", || b.record.runs(1) == 1).await;
            bus.faults().partition(&b.id, &caller.id);
        };
        let (answer, ()) = tokio::join!(call, lose);
        match idempotent {
            true => {
                assert_eq!(answer.unwrap(), "c");
                check_attempts(&caller, 2);
            }
            false => {
                let fault = answer.unwrap_err();
                assert_eq!(fault.execution(), Execution::MaybeExecuted);
                assert_eq!(c.record.runs(1), 0);
                check_attempts(&caller, 1);
            }
        }
    }
}

/// Fails when the callee's context does not get the key and the number of the attempt, when the path
/// mints a key although its caller has one, or when a retry has another.
#[tokio::test(start_paused = true)]
async fn rule_2_the_callee_sees_the_callers_key_and_the_attempt() {
    let bus = Bus::loopback();
    let (caller, b, c) = three(&bus).await;
    let context = budget(10_000).for_operation();
    let call = caller.probe();
    let call = call.look(&context, Tag(1), How::After(Duration::from_secs(3)));
    let lose = async {
        eventually("a call in hand", || b.record.runs(1) == 1).await;
        bus.faults().partition(&b.id, &caller.id);
    };
    let (answer, ()) = tokio::join!(call, lose);
    assert_eq!(answer.unwrap(), "c");
    let seen = |node: &Node| node.record.attempts.lock().clone();
    assert_eq!(seen(&b), [(context.key(), 1)]);
    assert_eq!(seen(&c), [(context.key(), 2)]);
}

/// Fails without the backoff, or without the limit on attempts.
#[tokio::test(start_paused = true)]
async fn rule_2_attempts_are_few_and_farther_and_farther_apart() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    b.gate.start_draining();
    let answer = caller.act(60_000, 1, How::AtOnce).await;
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Draining);
    assert_eq!((fault.hop(), fault.node()), (Hop::Gate, Some(&b.id)));
    check_attempts(&caller, ATTEMPTS_MAX as usize);
    let at: Vec<_> = caller.wire.requests().iter().map(|(_, at)| *at).collect();
    for (n, pair) in at.windows(2).enumerate() {
        let backoff = Duration::from_millis((25 << n).min(500));
        let gap = pair[1] - pair[0];
        // A timer's resolution is a millisecond.
        let most = backoff + Duration::from_millis(2);
        assert!(gap >= backoff / 2 && gap <= most, "gap {n} is {gap:?}");
    }
}

/// Fails when a time at which nothing could be sent counts as an attempt, or is charged to the retry
/// budget: calls would end long before their time, and before the bus is back.
#[tokio::test(start_paused = true)]
async fn rule_2_a_bus_that_is_away_is_waited_for() {
    const CALLS: u32 = 500;
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    bus.faults().cut_off(&caller.id);
    let calls = (0..CALLS).map(|tag| caller.act(5_000, tag.into(), How::AtOnce));
    let heal = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        bus.faults().heal(&caller.id);
    };
    let (answers, ()) = tokio::join!(join_all(calls), heal);
    for answer in answers {
        assert_eq!(answer.unwrap(), "b");
    }
    assert_eq!(b.record.all_runs(), CALLS);
    for (request, _) in caller.wire.requests() {
        assert_eq!(request.head.attempt, 1);
    }
}

/// Fails when silence that makes suspect uses up the attempts that a node's return would need.
#[tokio::test(start_paused = true)]
async fn rule_2_a_silent_replica_is_waited_for() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    // Most others fall silent: nobody is dead before long.
    let others = [bus.host("c").await, bus.host("d").await];
    caller.knows(3).await;
    for node in [&b, &others[0], &others[1]] {
        bus.faults().partition(&caller.id, &node.id);
    }
    caller.knows(0).await;
    let heal = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        bus.faults().heal(&caller.id);
    };
    let (answer, ()) = tokio::join!(caller.act(6_000, 1, How::AtOnce), heal);
    answer.unwrap();
    check_attempts(&caller, 1);
}

/// Fails without the retry budget: retries would multiply the load of a lattice that fails.
#[tokio::test(start_paused = true)]
async fn rule_2_a_node_makes_few_retries() {
    const CALLS: u64 = 2_000;
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    b.gate.start_draining();
    let call = |tag| caller.act(60_000, tag, How::AtOnce);
    for answer in join_all((0..CALLS).map(call)).await {
        assert_eq!(answer.unwrap_err().kind(), FaultKind::Draining);
    }
    let counts = caller.path.counts();
    assert!(counts.retries >= 1024, "{counts:?}");
    assert!(counts.retries <= 1024 + CALLS / 5, "{counts:?}");
    assert!(counts.retries_refused > 0, "{counts:?}");
}

/// Fails when a body that somebody has read from is sent again: the rest of it would pass for the
/// whole.
#[tokio::test(start_paused = true)]
async fn rule_2_a_touched_body_is_not_sent_again() {
    let bus = Bus::loopback();
    let (caller, _b, c) = three(&bus).await;
    let pieces = futures::stream::repeat_with(|| Ok(BodyFrame::Data(vec![1; 1000].into())));
    let body = Body::new(None, pieces.take(1000));
    let answer = caller.reflect(1_000, TASTE, Some(body)).await;
    let fault = answer.unwrap_err();
    assert_eq!(fault.execution(), Execution::NotExecuted);
    check_attempts(&caller, 1);
    assert_eq!(c.record.all_runs(), 0);
    caller.is_idle().await;
}

/// A body that is here can be sent twice, inside its message and as a stream.
#[tokio::test(start_paused = true)]
async fn rule_2_a_whole_body_is_sent_again() {
    for bytes in [5, 1_000_000] {
        let bus = Bus::loopback();
        let (caller, b, c) = three(&bus).await;
        let body = Body::whole(Bytes::from(vec![1; bytes]));
        let answer = caller.reflect(1_000, TASTE, Some(body)).await;
        assert_eq!(answer.unwrap_err().kind(), FaultKind::Draining);
        assert!(b.record.all_runs() > 0 && c.record.all_runs() > 0);
        caller.is_idle().await;
    }
}

/// Fails when a body that nobody has read from is lost with the attempt that announced it.
#[tokio::test(start_paused = true)]
async fn rule_2_an_untouched_body_is_sent_whole_to_the_next() {
    let bus = Bus::loopback();
    let (caller, b, _c) = three(&bus).await;
    b.gate.start_draining();
    let bytes = Bytes::from((0..1_000_000_u32).map(|n| n as u8).collect::<Vec<_>>());
    let expected = sum(Body::whole(bytes.clone())).await.unwrap();
    let answer = caller
        .reflect(5_000, SUM, Some(Body::whole(bytes)))
        .await
        .unwrap();
    assert_eq!(answer.result, expected);
    check_attempts(&caller, 2);
    assert_eq!(b.record.all_runs(), 0);
}

/// Fails when a call whose body found no room is tried again: the body is gone, and the callee would
/// run it without.
#[tokio::test(start_paused = true)]
async fn rule_2_a_body_without_room_is_not_left_out() {
    let bus = Bus::loopback();
    let caller = bus.caller().await;
    let limits = GateLimits {
        concurrency_max: 8192,
        queue_max: 0,
    };
    let b = bus.join("b", 1, Some(limits)).await;
    let c = bus.join("c", 1, Some(limits)).await;
    caller.prefers(&b, &c).await;
    let endless = || Some(Body::new(None, futures::stream::pending()));
    let hold = |_| async { caller.reflect(60_000, HOLD, endless()).await };
    let held = join_all((0..STREAMS_OPEN_MAX).map(hold));
    let check = async {
        let ran = || (b.record.all_runs() + c.record.all_runs()) as usize;
        eventually("all are held", || ran() == STREAMS_OPEN_MAX).await;
        let answer = caller.reflect(1_000, HOLD, endless()).await;
        let fault = answer.unwrap_err();
        assert!(fault.is_overloaded(), "{fault}");
        assert_eq!(fault.execution(), Execution::NotExecuted);
        assert_eq!(ran(), STREAMS_OPEN_MAX);
        // Large arguments could be sent again, to no avail: it is the caller's own table that is full.
        let retries = caller.path.counts().retries;
        let fault = caller.mirror(1_000, 1, vec![0; 1_000_000].into()).await;
        let fault = fault.unwrap_err();
        assert!(fault.is_overloaded(), "{fault}");
        assert_eq!(fault.hop(), Hop::Caller);
        assert_eq!(caller.path.counts().retries, retries);
    };
    tokio::select! {
        _ = held => panic!("they never end"),
        () = check => {}
    }
    for node in [&caller, &b, &c] {
        node.is_idle().await;
    }
}

/// Fails when a fault of the link that cannot heal by trying is tried again.
#[tokio::test(start_paused = true)]
async fn rule_2_what_the_call_itself_is_to_blame_for_is_tried_once() {
    let bus = Bus::loopback();
    let (caller, _b, _c) = three(&bus).await;
    caller.wire.plan().fails = Some(|| TransportError::TooLarge {
        bytes: 2,
        bytes_max: 1,
    });
    let answer = caller.look(1_000, 1, How::AtOnce);
    let fault = answer.await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::TooLarge);
    check_attempts(&caller, 1);
}

/// Fails when somebody below the path tries again too: a piece of the body would come twice.
#[tokio::test(start_paused = true)]
async fn rule_2_a_body_is_pulled_once() {
    let bus = Bus::loopback();
    let (caller, _b, _c) = three(&bus).await;
    let pulled = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&pulled);
    let pieces = futures::stream::iter(0..100_u8).map(move |n| {
        counted.fetch_add(1, Relaxed);
        Ok(BodyFrame::Data(Bytes::from(vec![n; 1000])))
    });
    let body = Body::new(None, pieces);
    let answer = caller.reflect(1_000, SUM, Some(body)).await;
    assert_eq!(answer.unwrap().result[..8], 100_000_u64.to_le_bytes());
    assert_eq!(pulled.load(Relaxed), 100);
}
