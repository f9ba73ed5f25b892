//! The way out: from an invocation to its answer.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use tokio::time::Instant;
use wrt_contract::{Answer, Body, CallContext, Caller, Invocation};
use wrt_membership::{Liveness, Member, Membership, View};
use wrt_protocol::{
    ActorAddress, CallId, Epoch, Execution, Fault, FaultKind, Hop, IdempotencyKey, NodeId,
    NodeMicros,
    envelope::{Reply, Request, RequestHead},
    limits::{ARGUMENT_BYTES_MAX, INLINE_BYTES_MAX},
    subject::Subjects,
};
use wrt_transport::{Lane, LinkState, Transport};

use crate::{
    PathCounts, Streams,
    attempt::{Attempt, Destination},
    counters::PathCounters,
    retry::{self, Failed, Next, RetryBudget},
    route::{self, Flight, InFlight},
    streams::Sending,
};

/// Carries calls to the nodes that serve them. The only place that retries.
///
/// It never chooses this node itself: a local replica is reached through its slot, and when that
/// has refused a call, asking it again over the bus would be the same refusal, later.
pub struct RequestPath {
    transport: Arc<dyn Transport>,
    membership: Arc<Membership>,
    subjects: Subjects,
    streams: Arc<Streams>,
    in_flight: InFlight,
    retries: RetryBudget,
    counters: PathCounters,
}

/// A place that was chosen for one attempt.
struct Chosen {
    destination: Destination,
    /// Where the bodies go; nobody knows for a queue group.
    node: Option<NodeId>,
    epoch: Option<Epoch>,
    /// The deadline on the callee's clock.
    expires_at: Option<NodeMicros>,
    subject: String,
    _flight: Option<Flight>,
}

/// The part of an invocation that changes as it is tried.
struct Progress {
    tried: Vec<NodeId>,
    attempt: u32,
    /// Whether an earlier attempt may have run.
    may_have_run: bool,
    /// The body, until it has been read from.
    body: Option<Body>,
    body_untouched: bool,
}

impl Progress {
    /// The last attempt's fault as the call's: that this one has not run does not undo another.
    fn speak_for_all(&self, fault: Fault) -> Fault {
        match self.may_have_run && fault.execution() == Execution::NotExecuted {
            true => fault.with_execution(Execution::MaybeExecuted),
            false => fault,
        }
    }
}

/// Counts a call that is dropped before it ends.
struct Abandoned<'a>(Option<&'a PathCounters>);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(counters) = self.0 {
            counters.abandoned.add_one();
        }
    }
}

impl RequestPath {
    /// A way out over `transport`, to where `membership` says that the replicas are.
    #[must_use]
    pub fn new(
        transport: Arc<dyn Transport>,
        membership: Arc<Membership>,
        subjects: Subjects,
        streams: Arc<Streams>,
    ) -> Arc<Self> {
        Arc::new(Self {
            transport,
            membership,
            subjects,
            streams,
            in_flight: InFlight::default(),
            retries: RetryBudget::default(),
            counters: PathCounters::default(),
        })
    }

    /// What its callers have seen so far.
    #[must_use]
    pub fn counts(&self) -> PathCounts {
        self.counters.snapshot()
    }

    async fn carry(&self, context: &CallContext, mut call: Invocation) -> Result<Answer, Fault> {
        self.counters.calls.add_one();
        self.retries.earn();
        let arguments_bytes = call.arguments.len() + call.bulk.len();
        if arguments_bytes > ARGUMENT_BYTES_MAX {
            let detail =
                format!("arguments of {arguments_bytes} bytes, at most {ARGUMENT_BYTES_MAX}");
            return Err(Fault::not_executed(
                FaultKind::TooLarge,
                Hop::Caller,
                detail,
            ));
        }
        // Minted once, above any retry.
        let key = IdempotencyKey::mint();
        let body = call.body.take();
        let mut progress = Progress {
            tried: Vec::new(),
            attempt: 0,
            may_have_run: false,
            body,
            body_untouched: true,
        };
        loop {
            progress.attempt += 1;
            let view = self.membership.view();
            let chosen = self.choose(&view, context, &call, &progress);
            let fault = match chosen {
                Ok(chosen) => match self
                    .attempt(context, &call, key, chosen, &mut progress)
                    .await
                {
                    Ok(answer) => return Ok(answer),
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            let untried = |c: &wrt_membership::Candidate| !progress.tried.contains(&c.member.id);
            let another_replica = view.remote_candidates(&call.target).iter().any(untried);
            let failed = Failed {
                fault: &fault,
                attempt: progress.attempt,
                idempotent: call.idempotent,
                body_untouched: progress.body_untouched,
                another_replica,
                remaining: context.remaining(),
            };
            let next = retry::next(failed, rand::random());
            // A target that nobody but this node has ever reported will not turn up by waiting.
            let hopeless = fault.kind() == FaultKind::Unavailable && !is_known(&view, &call);
            if next == Next::GiveUp || hopeless {
                return Err(progress.speak_for_all(fault));
            }
            if !self.retries.spend() {
                self.counters.retries_refused.add_one();
                return Err(progress.speak_for_all(fault));
            }
            progress.may_have_run |= fault.execution() != Execution::NotExecuted;
            self.counters.retries.add_one();
            if let Next::After(wait) = next {
                progress.tried.clear();
                tokio::time::sleep(wait).await;
            }
        }
    }

    fn choose(
        &self,
        view: &View,
        context: &CallContext,
        call: &Invocation,
        progress: &Progress,
    ) -> Result<Chosen, Fault> {
        let now = Instant::now();
        if context.deadline() <= now {
            let detail = "the budget was used up before the call was sent";
            return Err(Fault::not_executed(
                FaultKind::DeadlineExceeded,
                Hop::Caller,
                detail,
            ));
        }
        if *self.transport.link().borrow() == LinkState::Down {
            let detail = "this node's connection to the bus is down; it reconnects by itself";
            return Err(Fault::not_executed(
                FaultKind::Disconnected,
                Hop::Caller,
                detail,
            ));
        }
        let Invocation {
            target,
            interface,
            operation,
            ..
        } = call;
        let candidates = view.remote_candidates(target);
        if let Some(candidate) =
            route::choose(candidates, &progress.tried, &self.in_flight, rand::random)
        {
            let member = &candidate.member;
            let expires = u64::try_from((context.deadline() - now).as_micros()).unwrap_or(u64::MAX);
            return Ok(Chosen {
                destination: Destination::Node {
                    node: member.id.clone(),
                    lost: member.lost.clone(),
                },
                node: Some(member.id.clone()),
                epoch: Some(member.epoch),
                expires_at: Some(NodeMicros(member.peer_now(now).0.saturating_add(expires))),
                subject: self.subjects.call(&member.id, target, interface, operation),
                _flight: Some(self.in_flight.take_off(&member.id)),
            });
        }
        // The bus may know a replica that this node has not heard of yet. It could also pick this
        // node itself, or one that is stopped: that stays in the queue group. And a body's frames
        // need a node.
        let may_be_picked = |member: &Arc<Member>| {
            reports(member, target) && (member.is_self || member.liveness != Liveness::Alive)
        };
        if progress.body.is_some() || !candidates.is_empty() || view.members().any(may_be_picked) {
            let detail = format!("no other node serves {target} now");
            return Err(Fault::not_executed(
                FaultKind::Unavailable,
                Hop::Route,
                detail,
            ));
        }
        self.counters.by_queue_group.add_one();
        Ok(Chosen {
            destination: Destination::Any,
            node: None,
            epoch: None,
            expires_at: None,
            subject: self.subjects.call_any(target, interface, operation),
            _flight: None,
        })
    }

    async fn attempt(
        &self,
        context: &CallContext,
        call: &Invocation,
        key: IdempotencyKey,
        chosen: Chosen,
        progress: &mut Progress,
    ) -> Result<Answer, Fault> {
        if let Some(node) = &chosen.node {
            progress.tried.push(node.clone());
        }
        let had_body = progress.body.is_some();
        let prepared = self.prepare_body(call, chosen.node.as_ref(), progress);
        // Without room for it the body is gone, and the call must not go out without it.
        progress.body_untouched &= prepared.is_ok() || progress.body.is_some() == had_body;
        let (sending, is_body) = prepared?;
        let head = self.head(
            context,
            call,
            key,
            &chosen,
            progress.attempt,
            sending.as_ref(),
        );
        let call_id = head.call;
        let envelope = envelope(head, call)?;
        let Chosen {
            destination,
            node,
            subject,
            _flight,
            ..
        } = chosen;
        if call.one_way {
            let sent = self.transport.publish(Lane::Calls, subject, envelope);
            let sent = context.bound(Hop::Bus, sent).await?;
            sent.map_err(crate::attempt::transport_fault)?;
            if let Some(sending) = sending {
                sending.start();
            }
            return Ok(Answer::default());
        }
        let attempt = Attempt {
            transport: &self.transport,
            subjects: &self.subjects,
            caller: self.membership.node(),
            call: call_id,
            subject,
            envelope,
            destination,
        };
        let reply = match sending {
            None => attempt.run(context).await,
            Some(sending) => {
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
        };
        let reply = match (reply, &node) {
            (Err(fault), Some(node)) => return Err(fault.at_node(node)),
            (reply, _) => reply?,
        };
        self.answer(context, reply).await
    }

    fn head(
        &self,
        context: &CallContext,
        call: &Invocation,
        key: IdempotencyKey,
        chosen: &Chosen,
        attempt: u32,
        sending: Option<&Sending>,
    ) -> RequestHead {
        RequestHead {
            call: CallId::mint(),
            key,
            caller: self.membership.node().clone(),
            target: call.target.clone(),
            epoch: chosen.epoch,
            interface: call.interface.clone(),
            operation: call.operation.clone(),
            budget_micros: u64::try_from(context.remaining().as_micros()).unwrap_or(u64::MAX),
            expires_at: chosen.expires_at,
            attempt,
            trace: context.trace().cloned(),
            tenant: context.tenant().cloned(),
            body: sending.map(|sending| sending.announce.clone()),
        }
    }

    /// A body to send with this attempt: the call's own, or its arguments when they are too large to
    /// travel inline. The second value tells which.
    fn prepare_body(
        &self,
        call: &Invocation,
        node: Option<&NodeId>,
        progress: &mut Progress,
    ) -> Result<(Option<Sending>, bool), Fault> {
        let bytes = call.arguments.len() + call.bulk.len();
        let is_large = bytes > INLINE_BYTES_MAX.min(self.transport.payload_bytes_max() / 2);
        if !is_large && progress.body.is_none() {
            return Ok((None, false));
        }
        let Some(node) = node else {
            let detail = format!("no node is known that serves {}", call.target);
            return Err(Fault::not_executed(
                FaultKind::Unavailable,
                Hop::Route,
                detail,
            ));
        };
        if is_large {
            if progress.body.is_some() {
                let detail = format!("arguments of {bytes} bytes beside a body");
                return Err(Fault::not_executed(
                    FaultKind::TooLarge,
                    Hop::Caller,
                    detail,
                ));
            }
            let body = crate::inbound::arguments_body(&call.arguments, &call.bulk);
            return self
                .streams
                .announce(body, node.clone(), true)
                .map(|s| (Some(s), false));
        }
        let Some(body) = progress.body.take() else {
            return Ok((None, false));
        };
        self.streams
            .announce(body, node.clone(), false)
            .map(|s| (Some(s), true))
    }

    async fn answer(&self, context: &CallContext, reply: Reply) -> Result<Answer, Fault> {
        let Reply { head, result, bulk } = reply;
        head.outcome.map_err(|fault| fault.at_node(&head.node))?;
        let Some(announce) = head.body else {
            return Ok(Answer {
                result,
                bulk,
                body: None,
            });
        };
        // Whatever becomes of its result from here on.
        let ran = |fault: Fault| {
            fault
                .with_execution(Execution::Executed)
                .at_node(&head.node)
        };
        let body = self
            .streams
            .receive(&announce, head.node.clone())
            .map_err(ran)?;
        if !announce.is_arguments {
            return Ok(Answer {
                result,
                bulk,
                body: Some(body),
            });
        }
        let collected = context.bound(Hop::Stream, crate::inbound::collect_arguments(body));
        let (result, bulk) = collected.await.and_then(|result| result).map_err(ran)?;
        Ok(Answer {
            result,
            bulk,
            body: None,
        })
    }
}

/// The envelope of one attempt. Arguments that travel as a stream are not in it.
fn envelope(head: RequestHead, call: &Invocation) -> Result<Bytes, Fault> {
    let inline = !head.body.as_ref().is_some_and(|body| body.is_arguments);
    let part = |bytes: &Bytes| if inline { bytes.clone() } else { Bytes::new() };
    let request = Request {
        head,
        arguments: part(&call.arguments),
        bulk: part(&call.bulk),
    };
    let too_large = |error: wrt_protocol::EncodeError| {
        Fault::not_executed(FaultKind::TooLarge, Hop::Caller, error.to_string())
    };
    request.encode().map_err(too_large)
}

/// Whether any other node, alive or not, has reported a replica of the target.
fn is_known(view: &View, call: &Invocation) -> bool {
    view.members()
        .any(|member| !member.is_self && reports(member, &call.target))
}

fn reports(member: &Member, target: &ActorAddress) -> bool {
    let mut replicas = member.replicas.iter();
    replicas.any(|replica| replica.actor == *target)
}

impl Caller for RequestPath {
    fn call<'a>(
        &'a self,
        context: &'a CallContext,
        invocation: Invocation,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        async move {
            let Invocation {
                target,
                interface,
                operation,
                ..
            } = &invocation;
            let link = (target.clone(), interface.clone(), operation.clone());
            let started = Instant::now();
            let mut abandoned = Abandoned(Some(&self.counters));
            let answer = self.carry(context, invocation).await;
            abandoned.0 = None;
            answer.map_err(|fault| {
                self.counters.faults.add_one();
                let (target, interface, operation) = link;
                fault
                    .on_link(format_args!("{target} {interface}.{operation}"))
                    .after(started.elapsed())
            })
        }
        .boxed()
    }
}
