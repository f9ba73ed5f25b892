//! Where a pinned call goes: to one incarnation of one node, or nowhere.

use std::sync::Arc;

use wrt_membership::{Liveness, Member, View};
use wrt_protocol::{Execution, Fault, FaultKind, Hop, Incarnation, heartbeat::NodeState};

/// The member that is `home`. One that drains is as good as one that serves.
///
/// # Errors
/// All *not executed*: [`FaultKind::StaleEpoch`] when that incarnation is over for good, since the node has left,
/// has started anew, or was not heard for as long as the dead are remembered; [`FaultKind::NodeLost`] when it is
/// taken for dead, which is not waited for, and yet it may only have been stopped or cut off;
/// [`FaultKind::Unavailable`] when it is silent, and may be heard again.
pub(super) fn member<'a>(view: &'a View, home: &Incarnation) -> Result<&'a Arc<Member>, Fault> {
    let over = |kind, detail: &str| {
        let detail = format!("{detail}: {home} gave the lease");
        Err(Fault::not_executed(kind, Hop::Route, detail).at_node(&home.node))
    };
    let Some(member) = view.member(&home.node) else {
        return over(FaultKind::StaleEpoch, "the node is gone");
    };
    if member.epoch != home.epoch {
        return over(FaultKind::StaleEpoch, "the node has started anew");
    }
    match member.liveness {
        Liveness::Alive => Ok(member),
        Liveness::Dead if member.state == NodeState::Leaving => {
            over(FaultKind::StaleEpoch, "the node has left")
        }
        Liveness::Suspect => over(FaultKind::Unavailable, "the node is silent"),
        Liveness::Dead => over(FaultKind::NodeLost, "the node is dead"),
    }
}

/// Whether a fault means that the replica, or its lease, is gone: waiting does not help.
pub(super) fn is_over(fault: &Fault) -> bool {
    if fault.execution() != Execution::NotExecuted {
        return false;
    }
    match fault.kind() {
        FaultKind::NodeLost | FaultKind::StaleEpoch | FaultKind::Draining => true,
        // The callee's word; the bus, which only found nobody listening, says another hop.
        FaultKind::Unavailable => fault.hop() == Hop::Gate,
        _ => false,
    }
}
