//! The rules of a call whose first attempt is made by a replica on the caller's own node: they are
//! those of a call across nodes.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use wrt_contract::{Interface, InterfaceError, LocalDirectory};
use wrt_protocol::{Execution, Fault, FaultKind, Hop, Incarnation};

use super::lattice::{
    nodes::{Bus, Node, budget, target},
    probe::{How, Probe, ProbeError, ProbeInterface, Tag},
};

const KINDS: [FaultKind; 15] = [
    FaultKind::Fenced,
    FaultKind::DeadlineExceeded,
    FaultKind::Cancelled,
    FaultKind::Overloaded { retry_after_ms: 9 },
    FaultKind::Unavailable,
    FaultKind::NodeLost,
    FaultKind::Disconnected,
    FaultKind::Draining,
    FaultKind::StaleEpoch,
    FaultKind::TooLarge,
    FaultKind::Malformed,
    FaultKind::UnknownOperation,
    FaultKind::VersionMismatch,
    FaultKind::Crashed,
    FaultKind::Denied,
];

/// A link on `node` whose local replica is that node's own.
pub fn linked(node: &Node) -> Arc<dyn Probe> {
    let directory = LocalDirectory::default();
    directory.joined(Incarnation {
        node: node.id.clone(),
        epoch: node.membership.epoch(),
    });
    node.offers[0].install(&directory, &target());
    let slot = directory.slot::<ProbeInterface>(&target());
    ProbeInterface::linked(slot, node.probe())
}

async fn call(probe: &dyn Probe, idempotent: bool) -> Result<String, Fault> {
    let context = budget(5_000);
    let answer = match idempotent {
        true => probe.look(&context, Tag(1), How::AtOnce).await,
        false => probe.act(&context, Tag(1), How::AtOnce).await,
    };
    answer.map_err(|error: ProbeError| error.into_fault().expect("a fault"))
}

/// Fails when a link decides by itself which of its replica's faults may be tried elsewhere: what may
/// have run and is idempotent was tried again across nodes only, a crash co-located only.
#[tokio::test(start_paused = true)]
async fn rule_2_one_decision_for_both_ways() {
    let bus = Bus::loopback();
    let (caller, b, c) = (bus.caller().await, bus.host("b").await, bus.host("c").await);
    caller.prefers(&b, &c).await;
    let other_bus = Bus::loopback();
    let (a, far) = (other_bus.host("a").await, other_bus.host("far").await);
    a.knows(1).await;
    let (across, link) = (caller.probe(), linked(&a));
    for kind in KINDS {
        for execution in [
            Execution::NotExecuted,
            Execution::MaybeExecuted,
            Execution::Executed,
        ] {
            for idempotent in [false, true] {
                let fault = Fault::new(kind, execution, Hop::Backend, "told to");
                let what = format!("{fault}, idempotent: {idempotent}");
                *b.record.failure.lock() = Some(fault.clone());
                *a.record.failure.lock() = Some(fault);
                let before = (a.path.counts().retries, far.record.all_runs());
                let expected = call(&*across, idempotent).await;
                let answer = call(&*link, idempotent).await;
                let outcome = |answer: &Result<String, Fault>| {
                    let fault = |fault: &Fault| (fault.kind(), fault.execution());
                    answer.as_ref().map(drop).map_err(fault)
                };
                assert_eq!(outcome(&answer), outcome(&expected), "{what}");
                let went_on = u32::from(answer.is_ok());
                let after = (before.0 + u64::from(went_on), before.1 + went_on);
                assert_eq!(
                    (a.path.counts().retries, far.record.all_runs()),
                    after,
                    "{what}"
                );
            }
        }
    }
}

/// Fails when what may have run is tried elsewhere without the retry budget, and when a full replica
/// cannot hand over what it refuses.
#[tokio::test(start_paused = true)]
async fn rule_2_only_what_a_local_replica_may_have_run_costs_a_retry() {
    const CALLS: usize = 3_000;
    let bus = Bus::loopback();
    let (a, _far) = (bus.host("a").await, bus.host("far").await);
    a.knows(1).await;
    let link = linked(&a);
    let fail = |execution| {
        let fault = Fault::new(FaultKind::Unavailable, execution, Hop::Backend, "reset");
        *a.record.failure.lock() = Some(fault);
    };
    for _ in 0..CALLS {
        fail(Execution::NotExecuted);
        call(&*link, true).await.unwrap();
    }
    let mut failed = 0;
    for _ in 0..CALLS {
        fail(Execution::MaybeExecuted);
        failed += usize::from(call(&*link, true).await.is_err());
    }
    assert!(failed > CALLS / 3, "{failed}");
    assert_eq!(a.path.counts().retries_refused as usize, failed);
    assert_eq!(a.path.counts().retries as usize, 2 * CALLS - failed);
}

/// Fails when a fault of a replica on the caller's node says less than one from another node.
#[tokio::test(start_paused = true)]
async fn rule_1_a_fault_names_hop_link_node_and_time_on_both_ways() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    // On its own: with nobody else, what its replica says is the answer.
    let alone = Bus::loopback();
    let a = alone.host("a").await;
    let check = async |probe: Arc<dyn Probe>, node: &Node, is_draining| {
        let context = budget(50);
        let how = How::After(Duration::from_secs(1));
        let error = probe.act(&context, Tag(1), how).await.unwrap_err();
        let fault = error.into_fault().expect("a fault");
        assert_eq!(fault.link(), Some("provider/shop/cart test:probe.act"));
        assert_eq!(fault.node(), Some(&node.id), "{fault}");
        let (kind, hop, elapsed) = match is_draining {
            true => (FaultKind::Draining, Hop::Gate, Duration::ZERO),
            false => (
                FaultKind::DeadlineExceeded,
                Hop::Backend,
                Duration::from_millis(50),
            ),
        };
        assert_eq!((fault.kind(), fault.hop()), (kind, hop), "{fault}");
        assert!(fault.elapsed() >= elapsed, "{fault}");
    };
    for is_draining in [false, true] {
        if is_draining {
            join_all([&a, &b].map(async |node| node.gate.start_draining())).await;
        }
        check(caller.probe(), &b, is_draining).await;
        check(linked(&a), &a, is_draining).await;
    }
}
