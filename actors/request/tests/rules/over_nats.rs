//! The same over a real NATS server.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, future::join_all, stream};
use tokio::task::block_in_place;
use wrt_contract::{Body, BodyFrame, GateLimits};
use wrt_protocol::{Execution, FaultKind, limits::CHUNK_BYTES_MAX};

use super::bodies::{both_ways, large_arguments_and_results, pair};
use super::fenced::{carried_on, refused_on_every_way};
use super::lattice::{
    mirror::{KEEP, SUM},
    nodes::{Bus, eventually},
    probe::How,
};
use super::links::only_who_is_linked_is_let_in;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_both_ways() {
    both_ways(&Bus::nats()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_and_results_over_the_inline_limit() {
    large_arguments_and_results(&Bus::nats()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_from_an_earlier_holder_is_refused_on_every_way() {
    refused_on_every_way(&Bus::nats()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_link_is_refused_on_every_way() {
    only_who_is_linked_is_let_in(&Bus::nats()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_callee_calls_is_under_its_callers_lease() {
    carried_on(&Bus::nats()).await;
}

/// Rule 1. Fails when a call does not watch the link: it would wait for its whole budget.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_1_the_server_dies_with_calls_in_flight() {
    let bus = Bus::nats();
    let (caller, b) = pair(&bus).await;
    let started = Instant::now();
    let calls = (0..50).map(|tag| caller.act(60_000, tag, How::Never));
    let Bus::Nats(server) = &bus else {
        panic!("it is");
    };
    let kill = async {
        eventually("the calls in hand", || b.record.all_runs() == 50).await;
        block_in_place(|| server.kill()).unwrap();
    };
    let (answers, ()) = tokio::join!(join_all(calls), kill);
    for answer in answers {
        let fault = answer.unwrap_err();
        assert_eq!(fault.execution(), Execution::MaybeExecuted, "{fault}");
        let kinds = [FaultKind::Disconnected, FaultKind::NodeLost];
        assert!(kinds.contains(&fault.kind()), "{fault}");
    }
    assert!(started.elapsed() < Duration::from_secs(30));
    // What comes now is refused, and works again when the server is back.
    let fault = caller.act(300, 100, How::AtOnce).await.unwrap_err();
    assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
    block_in_place(|| server.restart()).unwrap();
    caller.knows(1).await;
    let answer = caller.act(20_000, 101, How::AtOnce).await;
    assert_eq!(answer.unwrap(), "b");
}

/// Rule 1. A server that is stopped loses no connection. Fails when only the link is watched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_1_the_server_is_stopped_with_calls_in_flight() {
    let bus = Bus::nats();
    let (caller, b) = pair(&bus).await;
    let Bus::Nats(server) = &bus else {
        panic!("it is");
    };
    let call = async { caller.act(60_000, 1, How::Never).await };
    let stop = async {
        eventually("the call in hand", || b.record.all_runs() == 1).await;
        block_in_place(|| server.pause()).unwrap();
    };
    let started = Instant::now();
    let (answer, ()) = tokio::join!(call, stop);
    let fault = answer.unwrap_err();
    assert_eq!(fault.execution(), Execution::MaybeExecuted, "{fault}");
    assert!(started.elapsed() < Duration::from_secs(15), "{fault}");
    block_in_place(|| server.resume()).unwrap();
}

/// Rule 1. Fails when no responder is not told at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_1_nobody_at_all() {
    let bus = Bus::nats();
    let caller = bus.caller().await;
    let started = Instant::now();
    let answer = caller.act(60_000, 1, How::AtOnce);
    let fault = answer.await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable);
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert!(started.elapsed() < Duration::from_secs(10));
}

/// Rule 4. Fails without the cancellation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_4_a_dropped_call_is_taken_back() {
    let bus = Bus::nats();
    let caller = bus.caller().await;
    let limits = GateLimits {
        concurrency_max: 1,
        queue_max: 0,
    };
    let b = bus.join("b", 1, Some(limits)).await;
    caller.knows(1).await;
    tokio::select! {
        _ = caller.act(600_000, 1, How::Never) => panic!("it never ends"),
        () = eventually("a call in hand", || b.record.runs(1) == 1) => {}
    }
    eventually("the cancellation", || b.record.dropped.load(Relaxed) == 1).await;
    b.is_idle().await;
    let answer = caller.act(20_000, 2, How::AtOnce).await;
    assert_eq!(answer.unwrap(), "b");
}

/// Rule 7. Fails when bodies travel on the connection of the calls, or a receiver that takes nothing
/// holds up the reader of its node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_7_bodies_delay_no_call() {
    let bus = Bus::nats();
    let (caller, b) = pair(&bus).await;
    // Bodies that nobody reads: each has all its credit in flight, and stays so.
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let pieces = stream::repeat_with(|| Ok(BodyFrame::Data(vec![1; CHUNK_BYTES_MAX].into())));
        let body = Body::new(None, pieces);
        let kept = caller.reflect(20_000, KEEP, Some(body)).await;
        kept.unwrap();
    }
    for mut body in b.mirror.take_kept() {
        body.next().await.unwrap().unwrap();
        stalled.push(body);
    }
    // And bodies that flow, all the time.
    let flow = async {
        loop {
            let body = Body::whole(Bytes::from(vec![1; 20_000_000]));
            let answer = caller.reflect(60_000, SUM, Some(body)).await;
            answer.unwrap();
        }
    };
    let mut waits = Vec::new();
    let calls = async {
        for tag in 0..300 {
            let started = Instant::now();
            let answer = caller.act(20_000, tag, How::AtOnce).await;
            assert_eq!(answer.unwrap(), "b");
            waits.push(started.elapsed());
        }
    };
    tokio::select! {
        () = flow => unreachable!("it has no end"),
        () = calls => {}
    }
    waits.sort_unstable();
    let (median, most) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("median {median:?}, longest {most:?}");
    // Behind 20 MB in debug code a call would wait for seconds. The rest is for a busy machine.
    assert!(median < Duration::from_millis(100), "median {median:?}");
    drop(stalled);
    b.is_idle().await;
}
