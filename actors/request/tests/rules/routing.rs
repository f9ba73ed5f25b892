//! Which replica gets a call.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use wrt_contract::GateLimits;
use wrt_protocol::{
    Execution, FaultKind,
    heartbeat::{NodeState, ReplicaState},
};

use super::lattice::{
    nodes::{Bus, Node, eventually, target},
    probe::How,
};

async fn act(caller: &Node, tag: u64) -> String {
    let answer = caller.act(1_000, tag, How::AtOnce);
    answer.await.unwrap()
}

/// Fails when the load that nodes report is not looked at.
#[tokio::test(start_paused = true)]
async fn the_less_busy_of_two_is_chosen() {
    let bus = Bus::loopback();
    let (caller, b, c) = (bus.caller().await, bus.host("b").await, bus.host("c").await);
    caller.prefers(&c, &b).await;
    for tag in 0..50 {
        assert_eq!(act(&caller, tag).await, "c");
    }
    caller.prefers(&b, &c).await;
    for tag in 50..100 {
        assert_eq!(act(&caller, tag).await, "b");
    }
}

/// Fails when calls in flight are not counted: between two heartbeats a burst would go to one.
#[tokio::test(start_paused = true)]
async fn a_burst_is_spread_before_any_heartbeat_tells() {
    let bus = Bus::loopback();
    let caller = bus.caller().await;
    let hosts = [
        bus.host("b").await,
        bus.host("c").await,
        bus.host("d").await,
    ];
    caller.knows(3).await;
    let how = How::After(Duration::from_millis(20));
    let burst = (0..300).map(|tag| caller.act(1_000, tag, how));
    assert!(
        join_all(burst)
            .await
            .into_iter()
            .all(|answer| answer.is_ok())
    );
    for host in &hosts {
        let got = host.record.all_runs();
        assert!((90..=110).contains(&got), "{} got {got} of 300", host.id);
    }
}

/// Fails when a node or a replica that drains is chosen.
#[tokio::test(start_paused = true)]
async fn a_draining_replica_gets_nothing_new() {
    for whole_node in [true, false] {
        let bus = Bus::loopback();
        let (caller, b, c) = (bus.caller().await, bus.host("b").await, bus.host("c").await);
        caller.prefers(&b, &c).await;
        match whole_node {
            true => b.membership.set_state(NodeState::Draining),
            false => b.say(0, ReplicaState::Draining),
        }
        caller.knows(1).await;
        for tag in 0..50 {
            assert_eq!(act(&caller, tag).await, "c");
        }
        assert_eq!(b.exchange.counts().received, 0);
    }
}

/// Fails when a node says goodbye before its last answers are sent.
async fn who_leaves_answers_first(bus: &Bus) {
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    let call = caller.act(10_000, 1, How::After(Duration::from_millis(300)));
    let leave = async {
        eventually("the call in hand", || b.record.all_runs() == 1).await;
        b.leave().await;
    };
    let (answer, ()) = tokio::join!(call, leave);
    assert_eq!(answer.unwrap(), "b");
}

/// Fails when a node is deaf as soon as it has said goodbye: who called it a moment before could only
/// be told that the call may have been executed.
async fn who_leaves_refuses_what_is_under_way(bus: &Bus) {
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    let late = async {
        caller.knows(0).await;
        caller.ask_incarnation(&b, 1).await
    };
    let (answer, ()) = tokio::join!(late, b.leave());
    let fault = answer.expect("an answer").head.outcome.unwrap_err();
    assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
}

#[tokio::test(start_paused = true)]
async fn who_leaves() {
    who_leaves_answers_first(&Bus::loopback()).await;
    who_leaves_refuses_what_is_under_way(&Bus::loopback()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_nats() {
    who_leaves_answers_first(&Bus::nats()).await;
    who_leaves_refuses_what_is_under_way(&Bus::nats()).await;
}

/// Fails when a call for a dead incarnation is run by the one that took its name.
#[tokio::test(start_paused = true)]
async fn a_dead_epoch_is_fenced() {
    let bus = Bus::loopback();
    let caller = bus.caller().await;
    let b = bus.join("b", 1, Some(GateLimits::default())).await;
    caller.knows(1).await;
    b.membership.leave().await;
    b.disconnect().await;
    let b = bus.join("b", 2, Some(GateLimits::default())).await;
    caller.knows(1).await;
    assert_eq!(act(&caller, 1).await, "b");
    let head = caller.wire.requests()[0].0.head.clone();
    assert_eq!(head.epoch.unwrap().0, 2);

    for (epoch, answered) in [(1, true), (3, false)] {
        let stale = b.exchange.counts().stale;
        let answer = caller.ask_incarnation(&b, epoch).await;
        match answered {
            true => {
                let fault = answer.expect("an answer").head.outcome.unwrap_err();
                assert_eq!(fault.kind(), FaultKind::StaleEpoch);
                assert_eq!(fault.execution(), Execution::NotExecuted);
            }
            // Another node under this name is newer, and may run the call: this one must not say
            // that nobody has.
            false => assert!(answer.is_none()),
        }
        assert_eq!(b.exchange.counts().stale, stale + 1);
    }
    assert_eq!(b.record.all_runs(), 1);
}

/// Fails when an incarnation that a newer one has replaced goes on taking calls.
#[tokio::test(start_paused = true)]
async fn a_fenced_incarnation_takes_nothing() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    b.pretend_newer(&caller).await;
    eventually("the fence", || b.membership.fenced().is_cancelled()).await;
    let answer = caller.ask_incarnation(&b, 1).await.expect("an answer");
    let fault = answer.head.outcome.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::StaleEpoch);
    assert_eq!(b.record.all_runs(), 0);
}

/// Fails without the fallback: a node that has just joined knows nobody yet. And when a replica that
/// leaves the group drops what has arrived already: its caller would wait for its whole budget.
#[tokio::test(start_paused = true)]
async fn the_queue_group_serves_who_knows_nobody_yet() {
    let bus = Bus::loopback();
    let b = bus.host("b").await;
    // It says nothing of its replica, as before its first heartbeat.
    b.say_nothing();
    let caller = bus.caller().await;
    caller.knows(0).await;
    assert_eq!(act(&caller, 1).await, "b");
    assert_eq!(caller.path.counts().by_queue_group, 1);

    // Until it has left, it serves what has reached it.
    b.exchange.leave_queue_group(&target());
    let burst = (1_000..1_500).map(|tag| caller.act(10_000, tag, How::AtOnce));
    for answer in join_all(burst).await {
        let kind = answer.as_ref().err().map(|fault| fault.kind());
        assert!(
            matches!(kind, None | Some(FaultKind::Unavailable)),
            "{answer:?}"
        );
    }
    let mut tag = 2;
    let fault = loop {
        match caller.act(10_000, tag, How::AtOnce).await {
            Ok(_) => tag += 1,
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
    assert_eq!(fault.execution(), Execution::NotExecuted);
}

/// Fails when the path waits, or tries again, where nobody has ever served the target.
#[tokio::test(start_paused = true)]
async fn nobody_at_all_is_known_at_once() {
    let bus = Bus::loopback();
    let caller = bus.caller().await;
    let started = Instant::now();
    let answer = caller.act(10_000, 1, How::AtOnce);
    let fault = answer.await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable);
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert!(started.elapsed() < Duration::from_millis(5));
    assert_eq!(caller.path.counts().retries, 0);
}

/// Fails when a replica that is away for a moment ends the call instead of delaying it.
#[tokio::test(start_paused = true)]
async fn a_replica_that_comes_back_within_the_budget_serves() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    bus.faults().partition(&b.id, &caller.id);
    caller.knows(0).await;
    let call = caller.act(10_000, 1, How::AtOnce);
    let heal = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        bus.faults().heal(&b.id);
    };
    let (answer, ()) = tokio::join!(call, heal);
    assert_eq!(answer.unwrap(), "b");
    assert!(caller.path.counts().retries > 0);
}

/// Fails when what is not hosted, or not offered, leaves a caller waiting.
#[tokio::test(start_paused = true)]
async fn an_actor_that_left_is_unavailable() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    b.exchange.unhost(&target());
    let answer = caller.act(60_000, 1, How::AtOnce);
    let fault = answer.await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable);
    assert_eq!(fault.node(), Some(&b.id));
}
