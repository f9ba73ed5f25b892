//! Answers that come as streams: one that nobody awaits, or has room for, is given up at once.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::{Instant, timeout};
use wrt_contract::{Body, BodyError};
use wrt_protocol::{
    Execution, FaultKind, Hop,
    limits::{ARGUMENT_BYTES_MAX, COLLECTED_BYTES_MAX, STREAMS_OPEN_MAX},
};
use wrt_transport::Lane;

use super::lattice::{
    mirror::{LARGE, LARGE_BYTES, PRODUCE},
    nodes::{Bus, Node, eventually},
};

/// Far less than the idle limit of a stream, and more than an answer's way there and back.
const SOON: Duration = Duration::from_secs(1);

/// A body that holds its admission, as an operation's answer does behind its guard.
async fn admitted(node: &Node) -> Body<BodyError> {
    let permit = node.gate.admit(&Default::default()).await.unwrap();
    Body::new(None, futures::stream::pending()).holding(permit)
}

/// Fails when a cancellation only reaches a call that is in hand: the answer that has just left
/// keeps its admission until the idle limit of its stream.
#[tokio::test(start_paused = true)]
async fn an_answer_that_crosses_its_cancellation_gives_its_admission_back() {
    const DELAY: Duration = Duration::from_millis(100);
    for is_dropped in [true, false] {
        let bus = Bus::loopback();
        let (caller, b) = super::bodies::pair(&bus).await;
        *b.mirror.produce.lock() = Some(admitted(&b).await);
        bus.faults().set_delay(DELAY);
        if is_dropped {
            let call = caller.reflect(60_000, PRODUCE, None);
            let dropped = timeout(DELAY + DELAY / 2, call).await;
            dropped.expect_err("the reply is on its way");
        } else {
            let fault = caller.reflect(100, PRODUCE, None).await.unwrap_err();
            assert_eq!(fault.kind(), FaultKind::DeadlineExceeded, "{fault}");
        }
        assert_eq!(b.record.all_runs(), 1);
        assert_eq!(b.gate.load().running, 1, "its answer is on its way");
        let started = Instant::now();
        b.is_idle().await;
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        assert_eq!(b.exchange.counts().cancelled, 1);
        caller.is_idle().await;
    }
}

/// Fails when a caller without a place for the body of an answer does not tell its sender.
#[tokio::test(start_paused = true)]
async fn an_answer_without_a_place_is_refused_to_its_sender() {
    let bus = Bus::loopback();
    let (caller, b, c) = (bus.caller().await, bus.host("b").await, bus.host("c").await);
    caller.prefers(&b, &c).await;
    let produce = async |from: &Node, body| {
        *from.mirror.produce.lock() = Some(body);
        caller.reflect(5_000, PRODUCE, None).await
    };
    let mut held = Vec::new();
    for _ in 0..STREAMS_OPEN_MAX {
        let body = Body::new(None, futures::stream::pending());
        held.push(produce(&b, body).await.expect("there is a place"));
    }
    caller.prefers(&c, &b).await;
    let started = Instant::now();
    let fault = produce(&c, admitted(&c).await).await.unwrap_err();
    assert!(fault.is_overloaded(), "{fault}");
    assert_eq!(fault.execution(), Execution::Executed);
    assert_eq!(fault.node(), Some(&c.id));
    c.is_idle().await;
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    drop(held);
    b.is_idle().await;
}

/// Fails when results are collected without a bound for the node, when one that finds no room does
/// not say that its operation ran, or when room is not given back.
#[tokio::test(start_paused = true)]
async fn results_that_are_collected_are_bounded() {
    let bus = Bus::loopback();
    let (caller, b) = super::bodies::pair(&bus).await;
    b.wire.plan().stuck = Some(Lane::Bulk);
    let room = COLLECTED_BYTES_MAX / ARGUMENT_BYTES_MAX;
    for round in 1..=2 {
        let calls = (0..=room).map(|_| caller.reflect(2_000, LARGE, None));
        let check = async {
            // Those that have room wait for a bulk lane that is stuck.
            eventually("one finds no room", || {
                b.streams.open_count() == room && caller.path.counts().answers_refused == round
            })
            .await;
        };
        let (answers, ()) = tokio::join!(join_all(calls), check);
        let faults: Vec<_> = answers.into_iter().map(Result::unwrap_err).collect();
        let overloaded: Vec<_> = faults
            .iter()
            .filter(|fault| fault.is_overloaded())
            .collect();
        assert_eq!(overloaded.len(), 1, "{faults:?}");
        assert_eq!(overloaded[0].hop(), Hop::Caller);
        for fault in &faults {
            assert_eq!(fault.execution(), Execution::Executed, "{fault}");
        }
    }
    b.wire.plan().stuck = None;
    let answer = caller.reflect(60_000, LARGE, None).await.unwrap();
    assert_eq!(answer.result, Bytes::from(vec![0; LARGE_BYTES]));
}
