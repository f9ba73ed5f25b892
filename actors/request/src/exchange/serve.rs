//! A call that was let in: run, and answered.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use wrt_contract::{
    Answer, Body, BodyError, CallContext, Dispatch, DispatchRequest, Gate, NearEnd, OpenSpan,
    SpanKind, WholeBody,
};
use wrt_protocol::{
    CallId, Execution, Fault, FaultKind, Hop, Incarnation, NodeId, StreamId,
    envelope::{BodyAnnounce, Reply, ReplyHead, Request},
    limits::{INLINE_BODY_PATIENCE, INLINE_BYTES_MAX},
};
use wrt_transport::{Lane, ReplySubject};

use super::Exchange;
use crate::{
    gather::Inline,
    hosted::WayIn,
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
    /// What comes as a stream.
    coming: Option<Box<Coming>>,
    reply: Option<ReplySubject>,
}

/// A body, or arguments, that come as a stream.
struct Coming {
    announce: BodyAnnounce,
    gate: Arc<Gate>,
}

impl Accepted {
    pub(super) fn new(
        request: Request,
        near_end: Option<Arc<NearEnd>>,
        budget: Duration,
        way_in: WayIn,
        reply: Option<ReplySubject>,
        node: Incarnation,
    ) -> Self {
        let WayIn { dispatch, gate, .. } = way_in;
        let Request {
            head,
            arguments,
            bulk,
            body,
        } = request;
        let (inside, coming) = match head.body {
            Some(BodyAnnounce::Inline { length, trailers }) => {
                let whole = WholeBody {
                    length,
                    bytes: body,
                    trailers,
                };
                (Some(Body::from(whole)), None)
            }
            Some(announce) => (None, Some(Box::new(Coming { announce, gate }))),
            None => (None, None),
        };
        Self {
            context: CallContext::with_budget(budget)
                .with_attempt(head.key, head.attempt)
                .at(Some(node))
                .with_trace(head.trace)
                .made_by(near_end)
                .with_fence(head.fence),
            dispatch,
            call: head.call,
            caller: head.caller,
            request: Some(DispatchRequest {
                operation: head.operation,
                arguments,
                bulk,
                body: inside,
            }),
            coming,
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
                // Taken back while this was being polled, it has found no stream to cancel.
                && exchange.in_hand.has(&(self.caller, self.call))
            {
                sending.start();
            }
        }
        .boxed()
    }

    async fn execute(&mut self, exchange: &Exchange) -> Result<Answer, Fault> {
        // What it takes is given back when the operation has ended.
        let _room = match self.coming.take() {
            Some(coming) => Box::pin(self.take_body(exchange, *coming)).await?,
            None => None,
        };
        exchange.counters.dispatched.add_one();
        let request = self.request.take().expect("a call is run once");
        let mut span = self.span(&request);
        let work = self.dispatch.dispatch(&self.context, request);
        let answer = self.context.bound(Hop::Actor, work).await;
        let answer = answer.and_then(|answer| answer);
        match &answer {
            Ok(_) => span.done(),
            Err(fault) => span.faulted(fault),
        }
        let answer = answer?;
        match &answer.body {
            Some(body) if !body.is_whole() => {
                let until = Instant::now() + INLINE_BODY_PATIENCE;
                Ok(Box::pin(exchange.gather(answer, until)).await)
            }
            _ => Ok(answer),
        }
    }

    /// The span of the call on this node, of which all that it calls is a part.
    fn span(&mut self, request: &DispatchRequest) -> OpenSpan {
        let dispatch = &self.dispatch;
        let name = || format!("{}/{}", dispatch.interface(), request.operation);
        let mut span = self.context.begin_span(SpanKind::Server, name);
        if span.is_kept() {
            span.text("rpc.system", || "wrt".to_owned());
            span.text("rpc.service", || dispatch.interface().to_string());
            span.text("rpc.method", || request.operation.to_string());
            span.text("wrt.caller", || self.caller.to_string());
        }
        span
    }

    /// Puts what is announced where the operation finds it.
    async fn take_body(
        &mut self,
        exchange: &Exchange,
        Coming { announce, gate }: Coming,
    ) -> Result<Option<OwnedSemaphorePermit>, Fault> {
        match announce {
            BodyAnnounce::Arguments { stream, bytes } => {
                gate.authorise(&self.context, &self.dispatch.interface())?;
                // Calls that wait for their turn must not wait with all of their arguments.
                self.context = gate.admit_early(self.context.clone()).await?;
                let room = &exchange.collecting;
                let room = room.take(bytes, Hop::Gate, Execution::NotExecuted)?;
                let not_run = |fault: Fault| fault.with_execution(Execution::NotExecuted);
                let body = self.receive(exchange, stream, Some(bytes))?;
                let collected = self.context.bound(Hop::Stream, collect_arguments(body));
                let collected = collected.await.and_then(|collected| collected);
                let request = self.request.as_mut().expect("a call is run once");
                (request.arguments, request.bulk) = collected.map_err(not_run)?;
                Ok(Some(room))
            }
            BodyAnnounce::Stream { stream, length } => {
                let body = self.receive(exchange, stream, length)?;
                self.request.as_mut().expect("a call is run once").body = Some(body);
                Ok(None)
            }
            BodyAnnounce::Inline { .. } => unreachable!("it came with the call"),
        }
    }

    fn receive(
        &self,
        exchange: &Exchange,
        stream: StreamId,
        length: Option<u64>,
    ) -> Result<Body<BodyError>, Fault> {
        let streams = &exchange.streams;
        streams.receive(stream, length, self.caller.clone())
    }
}

impl Exchange {
    /// Waits a moment for the body of `answer`, which then travels with it.
    async fn gather(&self, answer: Answer, until: Instant) -> Answer {
        let Some(body) = answer.body else {
            return answer;
        };
        let body = match self.inline().gather(body, until) {
            Ok(waiting) => waiting.await,
            Err(body) => body,
        };
        Answer {
            body: Some(body),
            ..answer
        }
    }

    fn inline(&self) -> Inline {
        Inline::on(self.transport.payload_bytes_max())
    }

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
                    body: Bytes::new(),
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
        let mut reply = Reply {
            head,
            result,
            bulk,
            body: Bytes::new(),
        };
        let bytes = reply.result.len() + reply.bulk.len();
        let is_large = bytes > INLINE_BYTES_MAX.min(self.transport.payload_bytes_max() / 2);
        let announce = |body| {
            let announced = self.streams.announce(body, caller.clone(), Some(call));
            announced.map_err(|fault| fault.with_execution(Execution::Executed))
        };
        let sending = match (is_large, body) {
            (false, None) => return Ok((reply, None)),
            (false, Some(body)) => {
                let length = body.length();
                if let Some(whole) = self.inline().take(&body) {
                    let trailers = whole.trailers;
                    reply.head.body = Some(BodyAnnounce::Inline { length, trailers });
                    reply.body = whole.bytes;
                    return Ok((reply, None));
                }
                let sending = announce(body)?;
                let stream = sending.stream;
                reply.head.body = Some(BodyAnnounce::Stream { stream, length });
                sending
            }
            (true, None) => {
                let result = std::mem::take(&mut reply.result);
                let (body, bytes) = arguments_body(&result, &std::mem::take(&mut reply.bulk));
                let sending = announce(body)?;
                let stream = sending.stream;
                reply.head.body = Some(BodyAnnounce::Arguments { stream, bytes });
                sending
            }
            (true, Some(_)) => {
                let detail = format!("a result of {bytes} bytes beside a body");
                let kind = FaultKind::TooLarge;
                return Err(Fault::new(kind, Execution::Executed, Hop::Actor, detail));
            }
        };
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
