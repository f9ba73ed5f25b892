//! Rule 3: a transport failure is never a panic. It reaches the caller as the interface's own error
//! type, from which the host glue makes the guest's.

use wrt_protocol::{Execution, FaultKind};
use wrt_transport::TransportError;

use super::lattice::{
    nodes::{Bus, budget},
    probe::{How, ProbeError, Tag},
};

/// Fails when `transport_fault` says of a failure that the operation has not run when it may have, or
/// when the generated client does anything else with it than `From<Fault>`.
#[tokio::test(start_paused = true)]
async fn rule_3_each_failure_of_the_transport_is_a_fault_in_the_interfaces_error() {
    type Case = (fn() -> TransportError, FaultKind, Execution);
    let cases: [Case; 6] = [
        (
            || TransportError::NoResponders {
                subject: "x".to_owned(),
            },
            FaultKind::Unavailable,
            Execution::NotExecuted,
        ),
        (
            || TransportError::Disconnected { sent: false },
            FaultKind::Disconnected,
            Execution::NotExecuted,
        ),
        (
            || TransportError::Disconnected { sent: true },
            FaultKind::Disconnected,
            Execution::MaybeExecuted,
        ),
        (
            || TransportError::TooLarge {
                bytes: 2,
                bytes_max: 1,
            },
            FaultKind::TooLarge,
            Execution::NotExecuted,
        ),
        (
            || TransportError::Closed,
            FaultKind::Draining,
            Execution::NotExecuted,
        ),
        (
            || TransportError::Refused {
                what: "a payload".to_owned(),
                source: "no leave".into(),
            },
            FaultKind::Denied,
            Execution::NotExecuted,
        ),
    ];
    for (fails, kind, execution) in cases {
        let bus = Bus::loopback();
        let (caller, b) = (bus.caller().await, bus.host("b").await);
        caller.knows(1).await;
        caller.wire.plan().fails = Some(fails);
        let fault = caller.act(2_000, 1, How::AtOnce).await;
        let fault = fault.unwrap_err();
        assert_eq!(
            (fault.kind(), fault.execution()),
            (kind, execution),
            "{fault}"
        );
        assert_eq!(fault.node(), Some(&b.id));
    }
}

/// Fails when an operation's own error is taken for a fault, and tried again.
#[tokio::test(start_paused = true)]
async fn rule_3_an_error_of_the_operation_is_an_answer() {
    let bus = Bus::loopback();
    let (caller, b) = (bus.caller().await, bus.host("b").await);
    caller.knows(1).await;
    let (probe, context) = (caller.probe(), budget(1_000));
    let answer = probe.look(&context, Tag(7), How::Refuse).await;
    assert_eq!(answer.unwrap_err(), ProbeError::Refused(7));
    assert_eq!(b.record.runs(7), 1);
    assert_eq!(caller.path.counts().faults, 0);
}
