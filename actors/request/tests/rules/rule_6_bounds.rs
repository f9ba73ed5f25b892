//! Rule 6: nothing is unbounded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use tokio::time::sleep;
use wrt_contract::{Body, BodyError, BodyFrame, GateLimits};
use wrt_protocol::{
    CallId, Execution, FaultKind, Hop, IdempotencyKey, OperationName,
    envelope::{Request, RequestHead},
    limits::{
        ARGUMENT_BYTES_MAX, CALLS_IN_HAND_MAX, CHUNK_BYTES_MAX, STREAM_CREDIT_CHUNKS,
        STREAMS_OPEN_MAX,
    },
};
use wrt_transport::{Lane, Transport};

use super::lattice::{
    mirror::{FINGERPRINT, HOLD, KEEP, MIRROR, PRODUCE},
    nodes::{Bus, Node, budget, eventually, node_id, target},
    probe::{How, Tag},
};

const WIDE: GateLimits = GateLimits {
    concurrency_max: 100_000,
    queue_max: 0,
};

/// A call of the mirror that nobody waits for.
fn envelope(call: CallId) -> Bytes {
    let head = RequestHead {
        call,
        key: IdempotencyKey::mint(),
        caller: node_id("caller"),
        target: target(),
        epoch: None,
        interface: MIRROR,
        fingerprint: FINGERPRINT,
        operation: HOLD,
        budget_micros: 5_000_000,
        expires_at: None,
        attempt: 1,
        trace: None,
        origin: None,
        fence: None,
        body: None,
    };
    let request = Request {
        head,
        arguments: Bytes::new(),
        bulk: Bytes::new(),
        body: Bytes::new(),
    };
    request.encode().unwrap()
}

async fn push(from: &Node, to: &Node, call: CallId) {
    let subject = from.subjects.call(&to.id, &target(), &MIRROR, &HOLD);
    let sent = from.wire.publish(Lane::Calls, subject, envelope(call));
    sent.await.unwrap();
}

/// Fails without the check of `CALLS_IN_HAND_MAX` in `Exchange::take_call`, or when an entry of the
/// table stays after its call.
#[tokio::test(start_paused = true)]
async fn rule_6_calls_in_hand() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.join("b", 1, Some(WIDE)).await);
    caller.knows(1).await;
    for n in 0..CALLS_IN_HAND_MAX {
        push(&caller, &b, CallId::mint()).await;
        if n % 1024 == 0 {
            tokio::task::yield_now().await;
        }
    }
    eventually("all are in hand", || {
        b.exchange.in_hand() == CALLS_IN_HAND_MAX
    })
    .await;
    let fault = caller.reflect(100, KEEP, None).await;
    let fault = fault.unwrap_err();
    assert!(fault.is_overloaded(), "{fault}");
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert_eq!(fault.hop(), Hop::Gate);
    push(&caller, &b, CallId::mint()).await;
    eventually("one more is refused", || {
        b.exchange.counts().overloaded == 2
    })
    .await;
    assert_eq!(b.exchange.in_hand(), CALLS_IN_HAND_MAX);
    // They end by their own budget.
    b.is_idle().await;
}

/// Fails when a second call under the id of one in hand takes its entry: the table would count one
/// where two run, and a cancellation would reach only one of them.
#[tokio::test(start_paused = true)]
async fn rule_6_one_id_is_one_call() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.join("b", 1, Some(WIDE)).await);
    caller.knows(1).await;
    for _ in 0..3 {
        push(&caller, &b, CallId(7)).await;
    }
    eventually("two are refused", || b.exchange.counts().malformed == 2).await;
    assert_eq!(b.record.all_runs(), 1);
    assert_eq!(b.exchange.in_hand(), 1);
    b.is_idle().await;
}

/// Fails without the check of `STREAMS_OPEN_MAX` in `Streams::receive` or in `Streams::announce`.
#[tokio::test(start_paused = true)]
async fn rule_6_streams_open() {
    let bus = Bus::loopback();
    let (caller, other) = (bus.caller().await, bus.join("other", 1, None).await);
    let b = bus.join("b", 1, Some(WIDE)).await;
    caller.knows(1).await;
    other.knows(1).await;
    let endless = || Some(Body::new(None, futures::stream::pending()));
    for _ in 0..STREAMS_OPEN_MAX {
        let kept = caller.reflect(5_000, KEEP, endless()).await;
        kept.expect("there is room");
    }
    // The callee's table is full; this caller's own is empty.
    let answer = other.reflect(500, KEEP, endless()).await;
    let fault = answer.unwrap_err();
    assert!(fault.is_overloaded(), "{fault}");
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert_eq!(fault.node(), Some(&b.id));
    // What goes without a stream still goes.
    let answer = other.act(500, 1, How::AtOnce).await;
    assert_eq!(answer.unwrap(), "b");
    drop(b.mirror.take_kept());
    b.is_idle().await;
    caller.is_idle().await;
}

/// Fails without the check of `ARGUMENT_BYTES_MAX` in the path.
#[tokio::test(start_paused = true)]
async fn rule_6_arguments() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    let bytes = Bytes::from(vec![0; ARGUMENT_BYTES_MAX]);
    let answer = caller.mirror(1_000, 1, bytes).await;
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::TooLarge);
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert_eq!(fault.hop(), Hop::Caller);
    assert_eq!(caller.wire.payloads(), 0);
    assert_eq!(b.record.all_runs(), 0);
}

/// A long body, and a count of what was pulled from it.
fn fountain(piece_bytes: usize) -> (Body<BodyError>, Arc<AtomicU64>) {
    let pulled = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&pulled);
    let pieces = futures::stream::repeat_with(move || {
        counted.fetch_add(1, Relaxed);
        Ok(BodyFrame::Data(Bytes::from(vec![5; piece_bytes])))
    });
    (Body::new(None, pieces.take(1000)), pulled)
}

/// Fails when the sender does not wait for credit, or the receiver grants more than it consumed: the
/// memory of a stream is what is in flight.
#[tokio::test(start_paused = true)]
async fn rule_6_chunks_in_flight() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    let (body, pulled) = fountain(CHUNK_BYTES_MAX);
    let kept = caller.reflect(5_000, KEEP, Some(body)).await;
    kept.expect("it is kept");
    let mut body = b.mirror.take_kept().remove(0);
    sleep(Duration::from_secs(5)).await;
    // One piece says that the body is too long to travel inside its message.
    assert_eq!(pulled.load(Relaxed), 1, "nothing flows unasked");
    assert_eq!(caller.wire.chunks.load(Relaxed), 0);
    let (mut consumed, mut most) = (0, 0);
    while consumed < 200 {
        let frame = body.next().await.unwrap().unwrap();
        assert!(matches!(frame, BodyFrame::Data(bytes) if bytes.len() == CHUNK_BYTES_MAX));
        consumed += 1;
        // A receiver this slow leaves the sender all the time to run ahead.
        sleep(Duration::from_millis(20)).await;
        let in_flight = caller.wire.chunks.load(Relaxed) - consumed;
        assert!(pulled.load(Relaxed) - consumed <= in_flight + 1);
        most = most.max(in_flight);
    }
    // The chunk that it has just taken is still counted in its credit.
    assert!(
        most <= u64::from(STREAM_CREDIT_CHUNKS),
        "{most} chunks in flight"
    );
    assert!(
        most >= u64::from(STREAM_CREDIT_CHUNKS) / 2,
        "{most}: it idles"
    );
    drop(body);
    b.is_idle().await;
    caller.is_idle().await;
}

/// Fails when large pieces of a body travel whole, or are cut larger than the bus takes.
#[tokio::test(start_paused = true)]
async fn rule_6_chunk_size() {
    for bus_bytes_max in [None, Some(64 * 1024)] {
        let bus = Bus::loopback();
        let (caller, b) = (bus.caller().await, bus.host("b").await);
        caller.knows(1).await;
        caller.wire.plan().payload_bytes_max = bus_bytes_max;
        let (body, _) = fountain(10 * CHUNK_BYTES_MAX);
        let kept = caller.reflect(5_000, KEEP, Some(body)).await;
        kept.expect("it is kept");
        let mut body = b.mirror.take_kept().remove(0);
        for _ in 0..40 {
            let frame = body.next().await.unwrap();
            let BodyFrame::Data(bytes) = frame.expect("the body goes on") else {
                panic!("no trailers");
            };
            assert!(bytes.len() <= bus_bytes_max.unwrap_or(CHUNK_BYTES_MAX));
        }
    }
}

/// Fails when refusals wait for the socket in a task each, without a limit: a flood that is refused
/// would fill the memory all the same.
#[tokio::test(start_paused = true)]
async fn rule_6_refusals() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    b.wire.plan().stuck = Some(Lane::Calls);
    let unknown = OperationName::from_static("unknown");
    let flood = (0..10_000).map(|_| async {
        // Its subject says another operation than its envelope.
        let subject = caller.subjects.call(&b.id, &target(), &MIRROR, &unknown);
        let asked = caller.wire.request(subject, envelope(CallId::mint()));
        tokio::time::timeout(Duration::from_secs(1), asked)
            .await
            .ok()
    });
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let answers = join_all(flood).await;
    assert!(answers.iter().all(Option::is_none));
    assert_eq!(b.exchange.counts().malformed, 10_000);
    let refusals = tasks() - before;
    assert!(refusals <= 1024, "{refusals} refusals wait");
    assert!(b.exchange.counts().replies_lost >= 10_000 - 1024);
}

/// Fails when a finished call or body leaves an entry anywhere.
#[tokio::test(start_paused = true)]
async fn rule_6_nothing_is_left_behind() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    let large = Bytes::from(vec![1; 700_000]);
    let hows = [How::AtOnce, How::Never, How::Panic, How::Refuse];
    for round in 0..20 {
        let calls = hows.iter().enumerate().map(|(n, how)| {
            let (probe, tag) = (caller.probe(), Tag(round * 10 + n as u64));
            async move { drop(probe.act(&budget(50), tag, *how).await) }
        });
        join_all(calls).await;
        let answer = caller.mirror(10_000, round, large.clone()).await;
        assert_eq!(answer.unwrap(), large);
        let produced = caller.reflect(10_000, PRODUCE, None).await.unwrap();
        // One unread, and one read to its end.
        if round % 2 == 0 {
            produced.body.unwrap().collect(10).await.unwrap();
        }
    }
    for node in [&caller, &b] {
        node.is_idle().await;
    }
    assert_eq!(bus.faults().requests_waiting(), 0);
}
