//! What only a real NATS server does: it stalls while it looks connected, and it restarts.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::block_in_place,
    time::{Instant, timeout},
};
use wrt_membership::{Liveness, Member, Membership, MembershipOptions, View};
use wrt_protocol::{Epoch, LatticeName, NodeId};
use wrt_test_servers::NatsServer;
use wrt_transport::{Nats, NatsOptions};

const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than it takes to be declared dead.
const OUTAGE: Duration = Duration::from_secs(4);

fn name(node: &str) -> NodeId {
    NodeId::new(node).expect("a test's name is legal")
}

async fn join(server: &NatsServer, node: &str) -> Arc<Membership> {
    let options = NatsOptions::new(name(node), vec![server.url()]);
    let transport = Nats::connect(options).await.expect("the server is up");
    let options = MembershipOptions {
        lattice: LatticeName::new("test").expect("a test's name is legal"),
        node: name(node),
        epoch: Epoch(1),
        labels: vec![],
        version: "0.1.0".into(),
    };
    let joined = Membership::start(options, transport, Arc::new(Vec::new)).await;
    joined.expect("nobody has the name")
}

async fn until(node: &Membership, what: &str, holds: impl Fn(&View) -> bool) {
    let mut changes = node.changes();
    let reached = async {
        while !holds(&node.view()) {
            changes.changed().await.expect("the node runs");
        }
    };
    if timeout(PATIENCE, reached).await.is_err() {
        panic!("{} never: {what}; {:#?}", node.node(), node.view());
    }
}

fn all_alive(view: &View) -> bool {
    let alive = |member: &&Arc<Member>| member.liveness == Liveness::Alive;
    !view.is_isolated() && view.members().filter(alive).count() == 2
}

/// Two nodes, the case in which no majority tells whose fault a silence is. Nobody dies while
/// `fault` holds, nor after it has ended.
async fn nobody_dies(fault: impl FnOnce(&NatsServer), end: impl FnOnce(&NatsServer)) {
    let server = block_in_place(NatsServer::start).expect("a NATS server");
    let nodes = [join(&server, "a").await, join(&server, "b").await];
    for node in &nodes {
        until(node, "both are alive", all_alive).await;
    }
    let mut changes: Vec<_> = nodes.iter().map(|node| node.changes()).collect();
    block_in_place(|| fault(&server));
    let began = Instant::now();
    let mut end = Some(end);
    while let Some(left) = (OUTAGE + OUTAGE).checked_sub(began.elapsed()) {
        if began.elapsed() >= OUTAGE
            && let Some(end) = end.take()
        {
            for node in &nodes {
                assert!(node.is_isolated(), "{}", node.node());
            }
            block_in_place(|| end(&server));
        }
        let [a, b] = &mut changes[..] else {
            unreachable!("there are two nodes");
        };
        let next = async {
            tokio::select! { _ = a.changed() => {}, _ = b.changed() => {} }
        };
        let _polled = timeout(left.min(Duration::from_millis(100)), next).await;
        for node in &nodes {
            let view = node.view();
            let dead = view.members().find(|m| m.liveness == Liveness::Dead);
            assert!(dead.is_none(), "{} buried {dead:?}", node.node());
        }
    }
    for node in &nodes {
        until(node, "both are alive again", all_alive).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_server_kills_nobody() {
    let pause = |server: &NatsServer| server.pause().expect("the server runs");
    let resume = |server: &NatsServer| server.resume().expect("the server is paused");
    nobody_dies(pause, resume).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_server_kills_nobody() {
    let kill = |server: &NatsServer| server.kill().expect("the server runs");
    let restart = |server: &NatsServer| server.restart().expect("the server starts");
    nobody_dies(kill, restart).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_crashes_is_dead_and_one_that_leaves_is_gone() {
    let server = block_in_place(NatsServer::start).expect("a NATS server");
    let a = join(&server, "a").await;
    let (b, c) = (join(&server, "b").await, join(&server, "c").await);
    until(&a, "b and c are alive", |view| {
        view.live_members().count() == 3
    })
    .await;
    drop(b);
    until(&a, "b is dead", |view| {
        view.member(&name("b"))
            .is_some_and(|b| b.liveness == Liveness::Dead)
    })
    .await;
    let asked = Instant::now();
    c.leave().await;
    until(&a, "c is gone", |view| view.member(&name("c")).is_none()).await;
    // A second is half of what silence would take.
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(a.counts().malformed, 0);
}
