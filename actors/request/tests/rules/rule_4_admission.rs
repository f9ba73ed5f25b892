//! Rule 4: admission comes before work. A full gate answers at once and the caller tries another
//! replica; what has expired is dropped unrun; a caller that goes away takes its call back.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use wrt_contract::GateLimits;
use wrt_protocol::{
    CallId, Execution, FaultKind, Hop, StreamId,
    envelope::{BodyAnnounce, Reply},
    limits::{ARGUMENT_BYTES_MAX, COLLECTED_BYTES_MAX},
};
use wrt_transport::Transport;

use super::lattice::{
    nodes::{Bus, eventually},
    probe::How,
};

const ONE: GateLimits = GateLimits {
    concurrency_max: 1,
    queue_max: 0,
};

/// Fails when the gate is not asked first, or when the path does not try the other replica.
#[tokio::test(start_paused = true)]
async fn rule_4_a_full_gate_answers_at_once_and_another_replica_is_tried() {
    let bus = Bus::loopback();
    let caller = bus.caller().await;
    let b = bus.join("b", 1, Some(ONE)).await;
    let c = bus.join("c", 1, Some(ONE)).await;
    caller.prefers(&b, &c).await;
    let occupy = |tag| caller.act(60_000, tag, How::Never);
    let (first, second) = (occupy(1), occupy(2));
    tokio::pin!(first, second);
    let check = async {
        eventually("both are busy", || {
            b.record.all_runs() + c.record.all_runs() == 2
        })
        .await;
        // The second one was refused by b and taken by c.
        assert_eq!((b.record.all_runs(), c.record.all_runs()), (1, 1));
        let started = Instant::now();
        let fault = caller.act(5_000, 3, How::AtOnce).await;
        let fault = fault.unwrap_err();
        assert!(fault.is_overloaded(), "{fault}");
        assert_eq!(fault.execution(), Execution::NotExecuted);
        assert_eq!(fault.hop(), Hop::Gate);
        assert!(started.elapsed() < Duration::from_millis(5), "{fault}");
        assert_eq!(b.record.runs(3) + c.record.runs(3), 0);
        assert!(b.gate.load().refused >= 1 && c.gate.load().refused >= 1);
    };
    tokio::select! {
        _ = &mut first => panic!("it never ends"),
        _ = &mut second => panic!("it never ends"),
        () = check => {}
    }
}

/// Fails without the check of `expires_at` in `Exchange::budget`: the call arrives late, as one that
/// lay in the buffer of a stopped node, with its budget as it was when it was sent.
#[tokio::test(start_paused = true)]
async fn rule_4_what_arrives_late_is_not_run() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    bus.faults().set_delay(Duration::from_millis(600));
    let answer = caller.act(300, 1, How::AtOnce).await;
    assert_eq!(answer.unwrap_err().kind(), FaultKind::DeadlineExceeded);
    bus.faults().set_delay(Duration::ZERO);
    eventually("the late call", || b.exchange.counts().expired == 1).await;
    b.is_idle().await;
    assert_eq!(b.record.all_runs(), 0);
    assert_eq!(b.exchange.counts().dispatched, 0);
}

/// Fails when the slack for the estimate of the callee's clock is left out: a call that is not late
/// would be dropped on a bus with a jitter.
#[tokio::test(start_paused = true)]
async fn rule_4_what_arrives_in_time_runs_also_on_a_slow_bus() {
    let bus = Bus::loopback();
    // From the start: the fastest heartbeat is what the estimate counts by.
    bus.faults().set_delay(Duration::from_millis(40));
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    // By the estimate, which is 40 ms behind, it arrives 20 ms late.
    let answer = caller.act(60, 1, How::AtOnce).await;
    assert_eq!(answer.unwrap(), "b");
    assert_eq!(b.exchange.counts().expired, 0);
}

/// Fails without `TakeBack`, or when `Exchange::cancel` does not abort the work.
#[tokio::test(start_paused = true)]
async fn rule_4_a_dropped_call_is_taken_back() {
    let bus = Bus::loopback();
    let caller = bus.caller().await;
    let b = bus.join("b", 1, Some(ONE)).await;
    caller.knows(1).await;
    let started = Instant::now();
    tokio::select! {
        _ = caller.act(60_000, 1, How::Never) => panic!("it never ends"),
        () = eventually("a call in hand", || b.record.runs(1) == 1) => {}
    }
    eventually("the cancellation", || b.record.dropped.load(Relaxed) == 1).await;
    b.is_idle().await;
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(b.exchange.counts().cancelled, 1);
    assert_eq!(caller.path.counts().abandoned, 1);
    assert_eq!(bus.faults().requests_waiting(), 0);
    let answer = caller.act(1_000, 2, How::AtOnce).await;
    assert_eq!(answer.unwrap(), "b");
}

/// Fails when nobody is told because nobody knows whom the bus has picked: it would be worked for until
/// the end of the budget.
#[tokio::test(start_paused = true)]
async fn rule_4_a_call_that_the_bus_has_placed_is_taken_back() {
    let bus = Bus::loopback();
    let hosts = [bus.host("b").await, bus.host("c").await];
    for host in &hosts {
        host.say_nothing();
    }
    let caller = bus.caller().await;
    let runs = || hosts.iter().map(|host| host.record.runs(1)).sum::<u32>();
    let dropped = || hosts.iter().map(|host| host.record.dropped.load(Relaxed));
    tokio::select! {
        _ = caller.act(60_000, 1, How::Never) => panic!("it never ends"),
        () = eventually("a call in hand", || runs() == 1) => {}
    }
    assert_eq!(caller.path.counts().by_queue_group, 1);
    let started = Instant::now();
    eventually("the cancellation", || dropped().sum::<u64>() == 1).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    for host in &hosts {
        host.is_idle().await;
    }
}

/// The peer's bug: each abandoned call in the queue kept its permit, and a dozen of them stopped an
/// actor for good. Fails when a call's end by budget or by drop does not free its place.
#[tokio::test(start_paused = true)]
async fn rule_4_a_dozen_impatient_clients_do_not_stop_an_actor() {
    let bus = Bus::loopback();
    let caller = bus.caller().await;
    let limits = GateLimits {
        concurrency_max: 2,
        queue_max: 16,
    };
    let b = bus.join("b", 1, Some(limits)).await;
    caller.knows(1).await;
    for round in 0..10 {
        let by_budget = (0..6).map(|n| {
            let answer = caller.act(50, round * 100 + n, How::Never);
            async { drop(answer.await) }
        });
        let by_drop = (6..12).map(|n| {
            let answer = caller.act(60_000, round * 100 + n, How::Never);
            async { drop(timeout(Duration::from_millis(30), answer).await) }
        });
        tokio::join!(join_all(by_budget), join_all(by_drop));

        let answer = caller.act(200, round * 100 + 99, How::AtOnce).await;
        assert_eq!(answer.unwrap(), "b");
    }
    b.is_idle().await;
}

/// Overload for seconds, by clients that give up: what the actor can do, it does, and it answers as
/// soon as the flood is over. Fails when expired or abandoned calls are run all the same.
#[tokio::test(start_paused = true)]
async fn rule_4_goodput_under_overload() {
    const WORK: Duration = Duration::from_millis(50);
    let bus = Bus::loopback();
    let caller = bus.caller().await;
    let limits = GateLimits {
        concurrency_max: 4,
        queue_max: 64,
    };
    let b = bus.join("b", 1, Some(limits)).await;
    caller.knows(1).await;
    // 80 calls a second is what it can do; it is asked for 320.
    let client = |n: u64| {
        let caller = &caller;
        async move {
            sleep(Duration::from_micros(n * 3125)).await;
            caller.act(2_000, n, How::After(WORK)).await.is_ok()
        }
    };
    let answers = join_all((0..8 * 320).map(client)).await;
    let good = answers.into_iter().filter(|ok| *ok).count();
    assert!(good >= 8 * 80 * 9 / 10, "{good} good answers");
    b.is_idle().await;
    let answer = caller.act(200, 99_999, How::AtOnce).await;
    assert_eq!(answer.unwrap(), "b");
}

/// Calls that waited for their turn did so with all of their arguments: 64 MiB each.
#[tokio::test(start_paused = true)]
async fn rule_4_large_arguments_are_admitted_before_they_come() {
    let bus = Bus::loopback();
    let caller = bus.caller().await;
    let limits = GateLimits {
        concurrency_max: 1,
        queue_max: 2,
    };
    let b = bus.join("b", 1, Some(limits)).await;
    caller.knows(1).await;
    let occupied = caller.act(60_000, 1, How::After(Duration::from_secs(3)));
    let bytes = Bytes::from(vec![1; 3_000_000]);
    let large = async {
        eventually("it is occupied", || b.record.runs(1) == 1).await;
        let calls = (0..3).map(|_| caller.mirror(60_000, 2, bytes.clone()));
        join_all(calls).await
    };
    let check = async {
        eventually("two wait", || b.gate.load().waiting == 2).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(caller.wire.chunks.load(Relaxed), 0, "nothing came yet");
    };
    let (occupied, answers, ()) = tokio::join!(occupied, large, check);
    occupied.unwrap();
    let (given, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert!(given.into_iter().all(|answer| answer.unwrap() == bytes));
    let refused: Vec<_> = refused.into_iter().map(Result::unwrap_err).collect();
    assert!(
        refused.len() == 1 && refused[0].is_overloaded(),
        "{refused:?}"
    );
    assert_eq!(b.gate.load().admitted, 3, "each was admitted once");
    caller.is_idle().await;
    b.is_idle().await;
}

/// Fails when the arguments of all calls that run may be as large as each of them may.
#[tokio::test(start_paused = true)]
async fn rule_4_arguments_are_collected_within_a_bound() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    caller.look(1_000, 1, How::AtOnce).await.unwrap();
    let (recorded, _) = caller.wire.requests().remove(0);
    let ask = |_| {
        let mut request = recorded.clone();
        request.head.call = CallId::mint();
        request.head.budget_micros = 2_000_000;
        request.head.expires_at = None;
        // A stream that nobody sends.
        request.head.body = Some(BodyAnnounce::Arguments {
            stream: StreamId::mint(),
            bytes: ARGUMENT_BYTES_MAX as u64,
        });
        let head = &request.head;
        let subjects = &caller.subjects;
        let subject = subjects.call(&b.id, &head.target, &head.interface, &head.operation);
        let asked = caller.wire.request(subject, request.encode().unwrap());
        async move {
            let reply = Reply::decode(&asked.await.unwrap()).unwrap();
            reply.head.outcome.unwrap_err()
        }
    };
    let room = COLLECTED_BYTES_MAX / ARGUMENT_BYTES_MAX;
    for _ in 0..2 {
        let faults = join_all((0..=room).map(ask)).await;
        let overloaded = faults.iter().filter(|fault| fault.is_overloaded()).count();
        assert_eq!(overloaded, 1, "{faults:?}");
        let not_run = |fault: &wrt_protocol::Fault| fault.execution() == Execution::NotExecuted;
        assert!(faults.iter().all(not_run), "{faults:?}");
    }
    assert_eq!(b.record.all_runs(), 1);
}
