//! One attempt of a call: made ready, sent, and its reply read.

use bytes::Bytes;
use wrt_contract::{Answer, Body, BodyError, CallContext, Invocation, WholeBody};
use wrt_membership::View;
use wrt_protocol::{
    CallId, Epoch, Execution, Fault, FaultKind, Hop, Incarnation, NodeId, NodeMicros, StreamId,
    envelope::{BodyAnnounce, Reply, Request, RequestHead},
    limits::INLINE_BYTES_MAX,
};
use wrt_transport::Lane;

use super::{Progress, RequestPath, call_body::CallBody};
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
    /// Whether the node reads who makes the call; one of the build before would not read the call then.
    pub(super) reads_origin: bool,
    pub(super) flight: Option<Flight>,
}

/// Why there is no attempt.
pub(super) enum NotReady {
    /// This node knows nobody who serves the target; the bus may.
    NobodyKnown,
    /// It cannot be made.
    Fault(Fault),
}

impl From<Fault> for NotReady {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// An attempt, and what goes with it.
pub(super) struct Ready<'a> {
    attempt: Attempt<'a>,
    outgoing: Option<Box<AttemptStream>>,
    _flight: Option<Flight>,
}

/// What an attempt sends as a stream.
struct AttemptStream {
    sending: Sending,
    /// Whether it is the call's own body, and not its arguments.
    is_body: bool,
}

/// What the envelope says of a body, or of large arguments.
enum Announced {
    Nothing,
    Inside(WholeBody),
    Stream(BodyAnnounce, Box<AttemptStream>),
}

impl Ready<'_> {
    /// Who was asked.
    pub(super) fn into_node(self) -> NodeId {
        self.attempt.destination.node
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
    ) -> Result<Ready<'_>, NotReady> {
        let chosen = self.choose(view, context, call, progress)?;
        progress.asked = None;
        let node = &chosen.destination.node;
        let outgoing = self.prepare_outgoing(call, node, &mut progress.body);
        let made = outgoing.and_then(|outgoing| {
            let call_id = CallId::mint();
            let (announce, body, outgoing) = match outgoing {
                Announced::Nothing => (None, Bytes::new(), None),
                Announced::Inside(whole) => {
                    let WholeBody {
                        length,
                        bytes,
                        trailers,
                    } = whole;
                    let announce = BodyAnnounce::Inline { length, trailers };
                    (Some(announce), bytes, None)
                }
                Announced::Stream(announce, outgoing) => {
                    (Some(announce), Bytes::new(), Some(outgoing))
                }
            };
            let body = (announce, body);
            let envelope = self.envelope(context, call, call_id, &chosen, progress, body)?;
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
                progress.tried.push(node.clone());
                Err(fault.into())
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
            Some(outgoing) => {
                Box::pin(send_with_body(
                    context,
                    attempt,
                    *outgoing,
                    &mut progress.body,
                ))
                .await
            }
        };
        let reply = reply.map_err(|fault| fault.at_node(&attempt.destination.node))?;
        let Reply {
            head,
            result,
            bulk,
            body,
        } = reply;
        head.outcome.map_err(|fault| fault.at_node(&head.node))?;
        let served_by = Incarnation {
            node: head.node.clone(),
            epoch: head.epoch,
        };
        let (stream, bytes) = match head.body {
            None => return Ok(answer(result, bulk, None, served_by)),
            Some(BodyAnnounce::Inline { length, trailers }) => {
                let whole = WholeBody {
                    length,
                    bytes: body,
                    trailers,
                };
                return Ok(answer(result, bulk, Some(whole.into()), served_by));
            }
            Some(BodyAnnounce::Stream { stream, length }) => {
                let body = self.receive(stream, length, &head.node)?;
                return Ok(answer(result, bulk, Some(body), served_by));
            }
            Some(BodyAnnounce::Arguments { stream, bytes }) => (stream, bytes),
        };
        // Each call carries the room for what is kept over the wait.
        drop((result, bulk, body));
        Box::pin(self.large_answer(context, stream, bytes, served_by)).await
    }

    async fn send_one_way(
        &self,
        context: &CallContext,
        attempt: &mut Attempt<'_>,
        outgoing: Option<Box<AttemptStream>>,
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

    /// A result that was too large to travel inside the reply.
    async fn large_answer(
        &self,
        context: &CallContext,
        stream: StreamId,
        bytes: u64,
        home: Incarnation,
    ) -> Result<Answer, Fault> {
        let room = self
            .collecting
            .take(bytes, Hop::Caller, Execution::Executed);
        let room = room.inspect_err(|_fault| {
            self.counters.answers_refused.add_one();
            self.streams.refuse(stream, home.node.clone());
        });
        let _room = room.map_err(|fault| fault.at_node(self.membership.node()))?;
        let body = self.receive(stream, Some(bytes), &home.node)?;
        let collected = context.bound(Hop::Stream, collect_arguments(body));
        let (result, bulk) = collected.await.and_then(|result| result).map_err(|fault| {
            fault
                .with_execution(Execution::Executed)
                .at_node(&home.node)
        })?;
        Ok(answer(result, bulk, None, home))
    }

    /// What a reply has announced; it ran, whatever becomes of that.
    fn receive(
        &self,
        stream: StreamId,
        length: Option<u64>,
        node: &NodeId,
    ) -> Result<Body<BodyError>, Fault> {
        let received = self.streams.receive(stream, length, node.clone());
        received.map_err(|fault| {
            self.streams.refuse(stream, node.clone());
            fault.with_execution(Execution::Executed).at_node(node)
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
        (announce, body): (Option<BodyAnnounce>, Bytes),
    ) -> Result<Bytes, Fault> {
        let inline = !matches!(announce, Some(BodyAnnounce::Arguments { .. }));
        let part = |bytes: &Bytes| if inline { bytes.clone() } else { Bytes::new() };
        let request = Request {
            head: RequestHead {
                call: call_id,
                key: progress.key,
                caller: self.membership.node().clone(),
                target: call.target.clone(),
                epoch: chosen.epoch,
                interface: call.interface.clone(),
                fingerprint: call.fingerprint,
                operation: call.operation.clone(),
                budget_micros: chosen.budget_micros,
                expires_at: chosen.expires_at,
                attempt: progress.attempt,
                trace: context.trace().cloned(),
                origin: match chosen.reads_origin {
                    true => context.origin().cloned(),
                    false => None,
                },
                fence: context.fence().cloned(),
                body: announce,
            },
            arguments: part(&call.arguments),
            bulk: part(&call.bulk),
            body,
        };
        let too_large = |error: wrt_protocol::EncodeError| {
            Fault::not_executed(FaultKind::TooLarge, Hop::Caller, error.to_string())
        };
        request.encode().map_err(too_large)
    }

    /// What this attempt says of the call's body, or of arguments that are too large to travel
    /// inside; with it the stream that it sends.
    fn prepare_outgoing(
        &self,
        call: &Invocation,
        node: &NodeId,
        body: &mut CallBody,
    ) -> Result<Announced, Fault> {
        let bytes = call.arguments.len() + call.bulk.len();
        let is_large = bytes > INLINE_BYTES_MAX.min(self.transport.payload_bytes_max() / 2);
        if is_large && body.is_here() {
            let detail = format!("arguments of {bytes} bytes beside a body");
            return Err(Fault::not_executed(
                FaultKind::TooLarge,
                Hop::Caller,
                detail,
            ));
        }
        if let Some(whole) = body.inside(self.inline()) {
            return Ok(Announced::Inside(whole));
        }
        if !is_large && !body.is_here() {
            return Ok(Announced::Nothing);
        }
        let (announce, sending) = match body.announce(&self.streams, node.clone()) {
            Some(announced) => announced?,
            None => {
                let (body, bytes) = arguments_body(&call.arguments, &call.bulk);
                let sending = self.streams.announce(body, node.clone(), None)?;
                let stream = sending.stream;
                (BodyAnnounce::Arguments { stream, bytes }, sending)
            }
        };
        let is_body = matches!(announce, BodyAnnounce::Stream { .. });
        let outgoing = AttemptStream { sending, is_body };
        Ok(Announced::Stream(announce, Box::new(outgoing)))
    }
}

fn answer(
    result: Bytes,
    bulk: Bytes,
    body: Option<Body<BodyError>>,
    served_by: Incarnation,
) -> Answer {
    Answer {
        result,
        bulk,
        body,
        served_by: Some(served_by),
    }
}

async fn send_with_body(
    context: &CallContext,
    attempt: &mut Attempt<'_>,
    outgoing: AttemptStream,
    body: &mut CallBody,
) -> Result<Reply, Fault> {
    let AttemptStream { sending, is_body } = outgoing;
    let mut sending = Some(sending);
    let reply = attempt.run_with_body(context, &mut sending).await;
    let answered = matches!(&reply, Ok(reply) if reply.head.outcome.is_ok());
    match sending {
        // An answer may come before the body is read, and be made from it.
        Some(sending) if answered => sending.start(),
        Some(sending) if is_body => body.give_back(sending),
        None if is_body => body.was_read(),
        _ => {}
    }
    reply
}
