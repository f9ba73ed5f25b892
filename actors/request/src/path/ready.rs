//! One attempt of a call: made ready, sent, and its reply read.

use bytes::Bytes;
use wrt_contract::{Answer, CallContext, Invocation};
use wrt_membership::View;
use wrt_protocol::{
    CallId, Epoch, Execution, Fault, FaultKind, Hop, Incarnation, NodeId, NodeMicros,
    envelope::{BodyAnnounce, Reply, Request, RequestHead},
    limits::INLINE_BYTES_MAX,
};
use wrt_transport::Lane;

use super::{Progress, RequestPath};
use crate::{
    attempt::{Attempt, Destination, transport_fault},
    inbound::{arguments_body, collect_arguments},
    route::Flight,
    streams::Sending,
};

/// A place that was chosen for one attempt.
pub(super) struct Chosen {
    pub(super) destination: Destination,
    pub(super) epoch: Option<Epoch>,
    /// What is left of the call's time.
    pub(super) budget_micros: u64,
    /// The deadline on the callee's clock.
    pub(super) expires_at: Option<NodeMicros>,
    pub(super) subject: String,
    pub(super) flight: Option<Flight>,
}

/// An attempt, and what goes with it.
pub(super) struct Ready<'a> {
    attempt: Attempt<'a>,
    outgoing: Option<Box<Outgoing>>,
    _flight: Option<Flight>,
}

/// What an attempt sends as a stream.
struct Outgoing {
    sending: Sending,
    /// Whether it is the call's own body, and not its arguments.
    is_body: bool,
}

impl Ready<'_> {
    /// Who was asked.
    pub(super) fn into_node(self) -> Option<NodeId> {
        match self.attempt.destination {
            Destination::Node { node, .. } => Some(node),
            Destination::Any => None,
        }
    }
}

impl RequestPath {
    /// Chooses a place and writes the envelope.
    pub(super) fn make_ready(
        &self,
        view: &View,
        context: &CallContext,
        call: &Invocation,
        progress: &mut Progress,
    ) -> Result<Ready<'_>, Fault> {
        let chosen = self.choose(view, context, call, progress)?;
        let node = chosen.destination.node();
        let had_body = progress.body.is_some();
        let outgoing = self.prepare_outgoing(call, node, progress);
        // Without room for it the body is gone, and the call must not go out without it.
        progress.body_untouched &= outgoing.is_ok() || progress.body.is_some() == had_body;
        let made = outgoing.and_then(|outgoing| {
            let call_id = CallId::mint();
            let announce = outgoing.as_ref().map(|o| o.sending.announce.clone());
            let envelope = self.envelope(context, call, call_id, &chosen, progress, announce)?;
            Ok((call_id, envelope, outgoing))
        });
        match made {
            Ok((call, envelope, outgoing)) => Ok(Ready {
                attempt: Attempt {
                    transport: &self.transport,
                    subjects: &self.subjects,
                    caller: self.membership.node(),
                    call,
                    subject: chosen.subject,
                    envelope,
                    destination: chosen.destination,
                },
                outgoing,
                _flight: chosen.flight,
            }),
            Err(fault) => {
                progress.tried.extend(node.cloned());
                Err(fault)
            }
        }
    }

    /// Sends it, and waits for its answer.
    pub(super) async fn send(
        &self,
        context: &CallContext,
        call: &Invocation,
        ready: &mut Ready<'_>,
        progress: &mut Progress,
    ) -> Result<Answer, Fault> {
        let outgoing = ready.outgoing.take();
        let attempt = &mut ready.attempt;
        if call.one_way {
            return Box::pin(self.send_one_way(context, attempt, outgoing)).await;
        }
        let reply = match outgoing {
            None => attempt.run(context).await,
            Some(outgoing) => Box::pin(send_with_body(context, attempt, *outgoing, progress)).await,
        };
        let reply = reply.map_err(|fault| match attempt.destination.node() {
            Some(node) => fault.at_node(node),
            None => fault,
        })?;
        let Reply { head, result, bulk } = reply;
        head.outcome.map_err(|fault| fault.at_node(&head.node))?;
        let inline = Answer {
            result,
            bulk,
            body: None,
            served_by: Some(Incarnation {
                node: head.node.clone(),
                epoch: head.epoch,
            }),
        };
        match head.body {
            None => Ok(inline),
            Some(announce) => {
                Box::pin(self.answer_with_body(context, inline, head.node, announce)).await
            }
        }
    }

    async fn send_one_way(
        &self,
        context: &CallContext,
        attempt: &mut Attempt<'_>,
        outgoing: Option<Box<Outgoing>>,
    ) -> Result<Answer, Fault> {
        let (subject, envelope) = attempt.take_message();
        let sent = self.transport.publish(Lane::Calls, subject, envelope);
        let sent = context.bound(Hop::Bus, sent).await?;
        sent.map_err(transport_fault)?;
        if let Some(outgoing) = outgoing {
            outgoing.sending.start();
        }
        Ok(Answer::default())
    }

    async fn answer_with_body(
        &self,
        context: &CallContext,
        inline: Answer,
        node: NodeId,
        announce: BodyAnnounce,
    ) -> Result<Answer, Fault> {
        // Whatever becomes of its result from here on.
        let ran = |fault: Fault| fault.with_execution(Execution::Executed).at_node(&node);
        let body = self.streams.receive(&announce, node.clone()).map_err(ran)?;
        if !announce.is_arguments {
            let body = Some(body);
            return Ok(Answer { body, ..inline });
        }
        let collected = context.bound(Hop::Stream, collect_arguments(body));
        let (result, bulk) = collected.await.and_then(|result| result).map_err(ran)?;
        Ok(Answer {
            result,
            bulk,
            ..inline
        })
    }

    /// Arguments that travel as a stream are not in it.
    fn envelope(
        &self,
        context: &CallContext,
        call: &Invocation,
        call_id: CallId,
        chosen: &Chosen,
        progress: &Progress,
        announce: Option<BodyAnnounce>,
    ) -> Result<Bytes, Fault> {
        let inline = !announce.as_ref().is_some_and(|body| body.is_arguments);
        let part = |bytes: &Bytes| if inline { bytes.clone() } else { Bytes::new() };
        let request = Request {
            head: RequestHead {
                call: call_id,
                key: progress.key,
                caller: self.membership.node().clone(),
                target: call.target.clone(),
                epoch: chosen.epoch,
                interface: call.interface.clone(),
                operation: call.operation.clone(),
                budget_micros: chosen.budget_micros,
                expires_at: chosen.expires_at,
                attempt: progress.attempt,
                trace: context.trace().cloned(),
                tenant: context.tenant().cloned(),
                body: announce,
            },
            arguments: part(&call.arguments),
            bulk: part(&call.bulk),
        };
        let too_large = |error: wrt_protocol::EncodeError| {
            Fault::not_executed(FaultKind::TooLarge, Hop::Caller, error.to_string())
        };
        request.encode().map_err(too_large)
    }

    /// A stream to send with this attempt: the call's own body, or its arguments when they are too
    /// large to travel inline.
    fn prepare_outgoing(
        &self,
        call: &Invocation,
        node: Option<&NodeId>,
        progress: &mut Progress,
    ) -> Result<Option<Box<Outgoing>>, Fault> {
        let bytes = call.arguments.len() + call.bulk.len();
        let is_large = bytes > INLINE_BYTES_MAX.min(self.transport.payload_bytes_max() / 2);
        if !is_large && progress.body.is_none() {
            return Ok(None);
        }
        let Some(node) = node else {
            let detail = format!("no node is known that serves {}", call.target);
            return Err(Fault::not_executed(
                FaultKind::Unavailable,
                Hop::Route,
                detail,
            ));
        };
        if is_large && progress.body.is_some() {
            let detail = format!("arguments of {bytes} bytes beside a body");
            return Err(Fault::not_executed(
                FaultKind::TooLarge,
                Hop::Caller,
                detail,
            ));
        }
        let (body, is_body) = match progress.body.take() {
            Some(body) => (body, true),
            None => (arguments_body(&call.arguments, &call.bulk), false),
        };
        let sending = self.streams.announce(body, node.clone(), !is_body)?;
        Ok(Some(Box::new(Outgoing { sending, is_body })))
    }
}

async fn send_with_body(
    context: &CallContext,
    attempt: &mut Attempt<'_>,
    outgoing: Outgoing,
    progress: &mut Progress,
) -> Result<Reply, Fault> {
    let Outgoing { sending, is_body } = outgoing;
    let mut sending = Some(sending);
    let reply = attempt.run_with_body(context, &mut sending).await;
    let answered = matches!(&reply, Ok(reply) if reply.head.outcome.is_ok());
    match sending {
        // An answer may come before the body is read, and be made from it.
        Some(sending) if answered => sending.start(),
        // What failed before any of the body was asked for gives it back.
        Some(sending) if is_body => progress.body = Some(sending.untouched()),
        None if is_body => progress.body_untouched = false,
        _ => {}
    }
    reply
}
