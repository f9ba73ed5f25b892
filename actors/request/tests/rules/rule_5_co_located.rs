//! Rule 5: a co-located call does not touch the bus and is not encoded.

use wrt_contract::{Interface, LocalDirectory};
use wrt_protocol::{FaultKind, heartbeat::ReplicaState};

use super::lattice::{
    nodes::{Bus, budget, target},
    probe::{How, ProbeError, ProbeInterface, Tag, encoded},
};

/// Fails when the link asks the remote client first, or when the path chooses its own node.
#[tokio::test(start_paused = true)]
async fn rule_5_a_call_to_a_local_replica_sends_and_encodes_nothing() {
    let bus = Bus::loopback();
    let (a, b) = (bus.host("a").await, bus.host("b").await);
    a.knows(1).await;
    b.knows(1).await;
    let directory = LocalDirectory::default();
    for offer in &a.offers {
        offer.install(&directory, &target());
    }
    let link = ProbeInterface::linked(directory.slot::<ProbeInterface>(&target()), a.probe());

    let before = encoded();
    for tag in 0..100 {
        let answer = link.act(&budget(1_000), Tag(tag), How::AtOnce).await;
        assert_eq!(answer.unwrap(), "a");
    }
    assert_eq!(a.wire.payloads(), 0);
    assert_eq!(encoded(), before);
    assert_eq!(a.record.all_runs(), 100);
    assert_eq!(a.gate.load().admitted, 100, "it went through the gate");

    for offer in &a.offers {
        offer.remove(&directory, &target());
    }
    let answer = link.act(&budget(1_000), Tag(100), How::AtOnce).await;
    assert_eq!(answer.unwrap(), "b");
    assert!(a.wire.payloads() > 0);
    assert!(encoded() > before);
}

/// Fails when a local replica that refuses ends the call, or is asked again over the bus.
#[tokio::test(start_paused = true)]
async fn rule_5_a_local_replica_that_refuses_hands_over_to_another_node() {
    let bus = Bus::loopback();
    let (a, b) = (bus.host("a").await, bus.host("b").await);
    a.knows(1).await;
    let directory = LocalDirectory::default();
    a.offers[0].install(&directory, &target());
    let link = ProbeInterface::linked(directory.slot::<ProbeInterface>(&target()), a.probe());
    a.gate.start_draining();
    let answer = link.act(&budget(1_000), Tag(1), How::AtOnce).await;
    assert_eq!(answer.unwrap(), "b");
    assert_eq!((a.record.all_runs(), b.record.all_runs()), (0, 1));
    assert_eq!(a.wire.requests().len(), 1);
}

/// Fails when the path, which is asked when there is no local replica or that has refused, chooses
/// the one on its own node while another one serves, or after that one has refused.
#[tokio::test(start_paused = true)]
async fn rule_5_the_path_does_not_choose_its_own_node() {
    let bus = Bus::loopback();
    let (a, b) = (bus.host("a").await, bus.host("b").await);
    a.knows(1).await;
    b.say(200, ReplicaState::Ready);
    for tag in 0..50 {
        assert_eq!(a.act(1_000, tag, How::AtOnce).await.unwrap(), "b");
    }
    // Nor by way of the queue group, when it is the only one.
    b.membership.leave().await;
    a.knows(0).await;
    let directory = LocalDirectory::default();
    a.offers[0].install(&directory, &target());
    let link = ProbeInterface::linked(directory.slot::<ProbeInterface>(&target()), a.probe());
    a.gate.start_draining();
    let error = link.act(&budget(1_000), Tag(50), How::AtOnce).await;
    let ProbeError::Fault(fault) = error.unwrap_err() else {
        panic!("the replica has not run");
    };
    assert_eq!(fault.kind(), FaultKind::Draining, "{fault}");
    assert_eq!(a.record.all_runs(), 0);
    assert_eq!(a.wire.requests().len(), 50);
}
