//! A call that was let in: run, and answered.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use wrt_contract::{Answer, CallContext, Dispatch, DispatchRequest};
use wrt_protocol::{
    CallId, Execution, Fault, FaultKind, Hop, Incarnation, NodeId,
    envelope::{BodyAnnounce, Reply, ReplyHead, Request},
    limits::INLINE_BYTES_MAX,
};
use wrt_transport::{Lane, ReplySubject};

use super::Exchange;
use crate::{
    inbound::{arguments_body, collect_arguments},
    streams::Sending,
};

/// A call, and all that it takes to run it.
pub(super) struct Accepted {
    context: CallContext,
    dispatch: Arc<dyn Dispatch>,
    call: CallId,
    caller: NodeId,
    /// Taken when it starts.
    request: Option<DispatchRequest>,
    body: Option<Box<BodyAnnounce>>,
    reply: Option<ReplySubject>,
}

impl Accepted {
    pub(super) fn new(
        request: Request,
        budget: Duration,
        dispatch: Arc<dyn Dispatch>,
        reply: Option<ReplySubject>,
        here: Incarnation,
    ) -> Self {
        let Request {
            head,
            arguments,
            bulk,
        } = request;
        Self {
            context: CallContext::with_budget(budget)
                .with_attempt(head.key, head.attempt)
                .at(Some(here))
                .with_trace(head.trace)
                .with_tenant(head.tenant),
            dispatch,
            call: head.call,
            caller: head.caller,
            request: Some(DispatchRequest {
                operation: head.operation,
                arguments,
                bulk,
                body: None,
            }),
            body: head.body.map(Box::new),
            reply,
        }
    }

    /// Runs it and sends its reply. Each call allocates this future, so what needs no waiting is in
    /// functions that are not `async`, and what few calls need is in boxes.
    pub(super) fn serve(mut self, exchange: Arc<Exchange>) -> BoxFuture<'static, ()> {
        async move {
            // A callee's own panic must not leave its caller waiting.
            let work = AssertUnwindSafe(self.execute(&exchange)).catch_unwind();
            let answer = work.await.unwrap_or_else(|_panic| {
                exchange.counters.crashed.add_one();
                let detail = "the actor panicked; the node's log has the message";
                let kind = FaultKind::Crashed;
                Err(Fault::maybe_executed(kind, Hop::Actor, detail))
            });
            let Some(to) = self.reply.take() else {
                if let Err(fault) = answer {
                    tracing::warn!(%fault, "a one-way call failed");
                }
                return;
            };
            let (reply, sending) = exchange.reply(self.call, &self.caller, answer);
            let Some(reply) = reply else { return };
            if exchange.publish(to, reply).await
                && let Some(sending) = sending
            {
                sending.start();
            }
        }
        .boxed()
    }

    async fn execute(&mut self, exchange: &Exchange) -> Result<Answer, Fault> {
        if let Some(announce) = self.body.take() {
            Box::pin(self.take_body(exchange, *announce)).await?;
        }
        exchange.counters.dispatched.add_one();
        let request = self.request.take().expect("a call is run once");
        let work = self.dispatch.dispatch(&self.context, request);
        self.context.bound(Hop::Actor, work).await?
    }

    /// Puts what is announced where the operation finds it.
    async fn take_body(
        &mut self,
        exchange: &Exchange,
        announce: BodyAnnounce,
    ) -> Result<(), Fault> {
        let request = self.request.as_mut().expect("a call is run once");
        let body = exchange.streams.receive(&announce, self.caller.clone())?;
        if announce.is_arguments {
            let collected = self.context.bound(Hop::Stream, collect_arguments(body));
            let collected = collected.await.and_then(|collected| collected);
            let not_run = |fault: Fault| fault.with_execution(Execution::NotExecuted);
            (request.arguments, request.bulk) = collected.map_err(not_run)?;
        } else {
            request.body = Some(body);
        }
        Ok(())
    }
}

impl Exchange {
    /// A reply ready to be sent, and the body that goes with it.
    fn reply(
        &self,
        call: CallId,
        caller: &NodeId,
        answer: Result<Answer, Fault>,
    ) -> (Option<Bytes>, Option<Box<Sending>>) {
        match answer.and_then(|answer| self.prepare(call, caller, answer)) {
            Ok((reply, sending)) => (self.encode(&reply), sending),
            Err(fault) => {
                let reply = Reply {
                    head: self.head(call, Err(fault)),
                    result: Bytes::new(),
                    bulk: Bytes::new(),
                };
                (self.encode(&reply), None)
            }
        }
    }

    fn prepare(
        &self,
        call: CallId,
        caller: &NodeId,
        answer: Answer,
    ) -> Result<(Reply, Option<Box<Sending>>), Fault> {
        let Answer {
            result, bulk, body, ..
        } = answer;
        let head = self.head(call, Ok(()));
        let mut reply = Reply { head, result, bulk };
        let bytes = reply.result.len() + reply.bulk.len();
        let is_large = bytes > INLINE_BYTES_MAX.min(self.transport.payload_bytes_max() / 2);
        let body = match (is_large, body) {
            (false, None) => return Ok((reply, None)),
            (false, Some(body)) => body,
            (true, None) => {
                let result = std::mem::take(&mut reply.result);
                arguments_body(&result, &std::mem::take(&mut reply.bulk))
            }
            (true, Some(_)) => {
                let detail = format!("a result of {bytes} bytes beside a body");
                let kind = FaultKind::TooLarge;
                return Err(Fault::new(kind, Execution::Executed, Hop::Actor, detail));
            }
        };
        let announced = self.streams.announce(body, caller.clone(), is_large);
        let executed = |fault: Fault| fault.with_execution(Execution::Executed);
        let sending = announced.map_err(executed)?;
        reply.head.body = Some(sending.announce.clone());
        Ok((reply, Some(Box::new(sending))))
    }

    pub(super) fn head(&self, call: CallId, outcome: Result<(), Fault>) -> ReplyHead {
        let node = self.membership.node().clone();
        let outcome = outcome.map_err(|fault| fault.at_node(&node));
        ReplyHead {
            call,
            node,
            epoch: self.membership.epoch(),
            outcome,
            body: None,
        }
    }

    pub(super) fn encode(&self, reply: &Reply) -> Option<Bytes> {
        let encoded = reply.encode();
        if let Err(error) = &encoded {
            self.counters.replies_lost.add_one();
            tracing::warn!(%error, "a reply has no encoding");
        }
        encoded.ok()
    }

    /// Sends a reply; whether the socket's queue took it.
    pub(super) async fn publish(&self, to: ReplySubject, reply: Bytes) -> bool {
        // A publish waits for room in the connection's buffer, and that wait has the transport's
        // bound: a lane that is down refuses at once.
        let sent = self.transport.publish(Lane::Calls, to.0, reply).await;
        if let Err(error) = &sent {
            self.counters.replies_lost.add_one();
            tracing::debug!(%error, "a reply was not sent");
        }
        sent.is_ok()
    }
}
