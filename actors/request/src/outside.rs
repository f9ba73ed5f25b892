//! The way in for a program that is no node.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use tokio_util::sync::CancellationToken;
use wrt_contract::{Answer, CallContext, Caller, Invocation};
use wrt_protocol::{
    CallId, Execution, Fault, FaultKind, Hop, IdempotencyKey, Incarnation, NodeId, Origin,
    envelope::{Reply, Request, RequestHead},
    subject::Subjects,
};
use wrt_transport::Transport;

use crate::attempt::{Attempt, Destination};

/// Carries the calls of a program that is no node, an operator's, to one replica that it has chosen. It
/// tries once, and what it asks and is told fits in a message.
pub struct OutsideCaller {
    transport: Arc<dyn Transport>,
    subjects: Subjects,
    name: NodeId,
    to: Incarnation,
    reads_origin: bool,
}

impl OutsideCaller {
    /// The way of the program `name` to the replicas of `to`, which `reads_origin` by its heartbeats or does not.
    #[must_use]
    pub fn new(
        transport: Arc<dyn Transport>,
        subjects: Subjects,
        name: NodeId,
        to: Incarnation,
        reads_origin: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            transport,
            subjects,
            name,
            to,
            reads_origin,
        })
    }

    async fn ask(&self, context: &CallContext, invocation: Invocation) -> Result<Answer, Fault> {
        let refused = |detail: &str| Fault::not_executed(FaultKind::TooLarge, Hop::Caller, detail);
        if invocation.body.is_some() {
            return Err(refused("a program that is no node sends no body"));
        }
        let call = CallId::mint();
        let Invocation {
            target,
            interface,
            fingerprint,
            operation,
            arguments,
            bulk,
            ..
        } = invocation;
        let subject = self
            .subjects
            .call(&self.to.node, &target, &interface, &operation);
        let budget_micros = u64::try_from(context.remaining().as_micros());
        let request = Request {
            head: RequestHead {
                call,
                key: context.key().unwrap_or_else(IdempotencyKey::mint),
                caller: self.name.clone(),
                target,
                epoch: Some(self.to.epoch),
                interface,
                fingerprint,
                operation,
                budget_micros: budget_micros.unwrap_or(u64::MAX),
                expires_at: None,
                attempt: context.attempt(),
                trace: context.trace().cloned(),
                origin: self.reads_origin.then_some(Origin::Operator),
                fence: context.fence().cloned(),
                body: None,
            },
            arguments,
            bulk,
            body: Bytes::new(),
        };
        let envelope = request
            .encode()
            .map_err(|error| refused(&error.to_string()))?;
        let mut attempt = Attempt {
            transport: &self.transport,
            subjects: &self.subjects,
            caller: &self.name,
            call,
            subject,
            envelope,
            destination: Destination {
                node: self.to.node.clone(),
                lost: CancellationToken::new(),
            },
        };
        let Reply {
            head, result, bulk, ..
        } = attempt.run(context).await?;
        head.outcome?;
        if head.body.is_some() {
            let detail = "the answer is larger than a message";
            let executed = Execution::Executed;
            return Err(Fault::new(
                FaultKind::TooLarge,
                executed,
                Hop::Caller,
                detail,
            ));
        }
        Ok(Answer {
            result,
            bulk,
            body: None,
            served_by: Some(Incarnation {
                node: head.node,
                epoch: head.epoch,
            }),
        })
    }
}

impl Caller for OutsideCaller {
    fn call<'a>(
        &'a self,
        context: &'a CallContext,
        invocation: Invocation,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        async move {
            let answer = self.ask(context, invocation).await;
            answer.map_err(|fault| fault.at_node(&self.to.node).after(context.elapsed()))
        }
        .boxed()
    }
}
