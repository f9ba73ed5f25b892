//! Whom the bus knows, where this node knows nobody.
//!
//! The call itself does not go to the queue group. Nobody would know whom the bus has picked, so that it
//! could not be taken back, nor its node be watched; and what is routed to a replica that leaves the group
//! is lost without a word. So the group is asked who is there, by a call without time, which everybody
//! answers and nobody runs. An answer that does not come costs a moment, and the call has not run.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use wrt_contract::{CallContext, Invocation};
use wrt_protocol::{
    CallId, Execution, Fault, FaultKind, Hop, IdempotencyKey, Incarnation,
    envelope::{Reply, ReplyHead, Request, RequestHead},
};

use super::{RequestPath, ready::Chosen};
use crate::attempt::{Destination, transport_fault, unreadable};

/// How long the group has to answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);

/// Who has answered.
pub(super) struct Asked {
    pub(super) home: Incarnation,
    /// Whether it has read who asks.
    pub(super) reads_origin: bool,
}

impl RequestPath {
    /// Asks the queue group of the call's target who is there.
    pub(super) async fn ask(
        &self,
        context: &CallContext,
        call: &Invocation,
    ) -> Result<Asked, Fault> {
        self.counters.by_queue_group.add_one();
        let not_executed = |fault: Fault| fault.with_execution(Execution::NotExecuted);
        let asked = CallId::mint();
        let Invocation {
            target,
            interface,
            operation,
            ..
        } = call;
        let question = Request {
            head: RequestHead {
                call: asked,
                key: IdempotencyKey::mint(),
                caller: self.membership.node().clone(),
                target: target.clone(),
                epoch: None,
                interface: interface.clone(),
                fingerprint: call.fingerprint,
                operation: operation.clone(),
                budget_micros: 0,
                expires_at: None,
                attempt: 1,
                trace: None,
                origin: context.origin().cloned(),
                fence: None,
                body: None,
            },
            arguments: Bytes::new(),
            bulk: Bytes::new(),
            body: Bytes::new(),
        };
        let question = question.encode().map_err(|error| {
            Fault::not_executed(FaultKind::TooLarge, Hop::Caller, error.to_string())
        })?;
        let subject = self.subjects.call_any(target, interface, operation);
        let until = (Instant::now() + ANSWER_WAIT_MAX).min(context.deadline());
        let answer = timeout_at(until, self.transport.request(subject, question)).await;
        let Ok(answer) = answer else {
            let detail = "who was picked by the bus has not answered; it may have left";
            return Err(Fault::not_executed(FaultKind::Draining, Hop::Bus, detail));
        };
        let answer = answer.map_err(|error| not_executed(transport_fault(error)))?;
        let answer = Reply::decode(&answer).map_err(|error| not_executed(unreadable(error)))?;
        let ReplyHead {
            call,
            node,
            epoch,
            outcome,
            ..
        } = answer.head;
        let says_origin = context.origin().is_some();
        let asked_by = |reads_origin| Asked {
            home: Incarnation { node, epoch },
            reads_origin,
        };
        match outcome {
            // A node of the build before reads no further than that this is a later version.
            Err(fault) if says_origin && fault.kind() == FaultKind::VersionMismatch => {
                Ok(asked_by(false))
            }
            Err(fault) if call != asked || fault.kind() != FaultKind::DeadlineExceeded => {
                Err(not_executed(fault))
            }
            _ => Ok(asked_by(says_origin)),
        }
    }

    /// A node that this one has not heard of yet, as the place of an attempt.
    pub(super) fn stranger(
        &self,
        Asked { home, reads_origin }: &Asked,
        call: &Invocation,
        budget_micros: u64,
    ) -> Chosen {
        let node = &home.node;
        Chosen {
            destination: Destination {
                node: node.clone(),
                // Nobody would see that it is lost; the budget bounds the wait.
                lost: CancellationToken::new(),
            },
            epoch: Some(home.epoch),
            budget_micros,
            expires_at: None,
            subject: self
                .subjects
                .call(node, &call.target, &call.interface, &call.operation),
            reads_origin: *reads_origin,
            flight: Some(self.in_flight.take_off(node)),
        }
    }
}
