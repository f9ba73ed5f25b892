//! The way out: from an invocation to its answer.

mod arrivals;
mod ask;
mod call_body;
mod pin;
mod ready;

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};
use wrt_contract::{Answer, CallContext, Caller, Invocation};
use wrt_membership::{Candidate, Liveness, Member, Membership, View};
use wrt_protocol::{
    ActorAddress, Execution, Fault, FaultKind, Hop, IdempotencyKey, NodeId, NodeMicros,
    limits::{ARGUMENT_BYTES_MAX, CALLS_PARKED_MAX, INLINE_BODY_PATIENCE},
    subject::Subjects,
};
use wrt_transport::{LinkState, Transport};

use self::{
    ask::Asked,
    call_body::CallBody,
    ready::{Chosen, NotReady},
};
use crate::{
    PathCounts, Streams,
    attempt::Destination,
    counters::PathCounters,
    gather::Inline,
    retry::{self, Failed, Next, RetryBudget, Tried},
    room::Room,
    route::{self, InFlight},
};

/// Carries calls to the nodes that serve them. The only place that retries.
///
/// It does not choose this node itself: a local replica is reached through its slot, and when that
/// has refused a call, asking it again over the bus would be the same refusal, later. What that has
/// failed comes here with its fault, and whether another replica is asked is decided as after any
/// other attempt. The one exception is a call whose slot was empty, and which has waited here for the
/// replica that was starting on this node: it cannot go back to the slot, and nobody has refused it there.
pub struct RequestPath {
    transport: Arc<dyn Transport>,
    link: watch::Receiver<LinkState>,
    membership: Arc<Membership>,
    subjects: Subjects,
    streams: Arc<Streams>,
    in_flight: InFlight,
    retries: RetryBudget,
    /// For results that come as streams.
    collecting: Room,
    /// Actors that have a place on the lattice.
    expected: watch::Sender<HashSet<ActorAddress>>,
    /// Places for calls that wait for an actor.
    parking: Arc<Semaphore>,
    counters: PathCounters,
}

/// The part of an invocation that changes as it is tried.
struct Progress {
    /// One for all attempts; a link has minted it, or nobody has.
    key: IdempotencyKey,
    /// When this attempt began.
    now: Instant,
    attempt: u32,
    /// How often nothing could be sent: see [`Tried::Unsent`].
    unsent: u32,
    /// What has failed last.
    last: Tried,
    /// Who has failed it since it last had to wait.
    tried: Vec<NodeId>,
    /// Who has answered, where this node knew nobody.
    asked: Option<Asked>,
    /// Whether an earlier attempt may have run.
    may_have_run: bool,
    body: CallBody,
}

impl Progress {
    fn begin_attempt(&mut self) {
        self.attempt += 1;
        self.last = Tried::Attempt(self.attempt);
    }

    /// The bus knows somebody, to whom this attempt goes.
    fn found(&mut self, asked: Asked) {
        self.attempt -= 1;
        self.asked = Some(asked);
        self.now = Instant::now();
    }

    /// Nothing was sent, and the attempt is none.
    fn take_attempt_back(&mut self) {
        self.attempt -= 1;
        self.unsent += 1;
        self.last = Tried::Unsent(self.unsent);
    }

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
            link: transport.link(),
            transport,
            membership,
            subjects,
            streams,
            in_flight: InFlight::default(),
            retries: RetryBudget::default(),
            collecting: Room::default(),
            expected: watch::Sender::default(),
            parking: Arc::new(Semaphore::new(CALLS_PARKED_MAX)),
            counters: PathCounters::default(),
        })
    }

    /// What its callers have seen so far.
    #[must_use]
    pub fn counts(&self) -> PathCounts {
        self.counters.snapshot()
    }

    /// Each call allocates this future and moves it, so it is kept small: what needs no waiting is in
    /// functions that are not `async`, and what few calls need is in boxes.
    async fn carry(
        &self,
        context: &CallContext,
        call: &Invocation,
        progress: &mut Progress,
    ) -> Result<Answer, Fault> {
        self.counters.calls.add_one();
        self.retries.earn();
        check_size(call)?;
        if let Some(wait) = self.after_failure_here(context, call, progress)? {
            Box::pin(tokio::time::sleep(wait)).await;
            progress.now = Instant::now();
        }
        let until = (progress.now + INLINE_BODY_PATIENCE).min(context.deadline());
        progress.body.gather(self.inline(), until).await;
        loop {
            progress.begin_attempt();
            let view = self.membership.view();
            let fault = match self.make_ready(&view, context, call, progress) {
                Ok(mut ready) => match self.send(context, call, &mut ready, progress).await {
                    Ok(answer) => return Ok(answer),
                    Err(fault) => {
                        progress.tried.push(ready.into_node());
                        fault
                    }
                },
                Err(NotReady::NobodyKnown) => match Box::pin(self.ask(context, call)).await {
                    Ok(asked) => {
                        progress.found(asked);
                        continue;
                    }
                    Err(fault) => self.unsent(fault, &view, context, call, progress),
                },
                Err(NotReady::Fault(fault)) => self.unsent(fault, &view, context, call, progress),
            };
            if let Some(wait) = self.try_again(fault, &view, context, call, progress)? {
                Box::pin(tokio::time::sleep(wait)).await;
            }
            progress.now = Instant::now();
        }
    }

    fn inline(&self) -> Inline {
        Inline::on(self.transport.payload_bytes_max())
    }

    /// Whether a call goes out that this node's own replica has failed, and after which wait: an
    /// attempt like any other, which was made without this path. That replica is not asked again.
    fn after_failure_here(
        &self,
        context: &CallContext,
        call: &Invocation,
        progress: &mut Progress,
    ) -> Result<Option<Duration>, Fault> {
        let Some(fault) = context.failed_here() else {
            return Ok(None);
        };
        let view = self.membership.view();
        if !is_known(&view, call) {
            return Err(fault.clone());
        }
        progress.begin_attempt();
        self.try_again(fault.clone(), &view, context, call, progress)
    }

    /// Whether a call that failed is tried again, and after which wait; the call's fault if not.
    fn try_again(
        &self,
        fault: Fault,
        view: &View,
        context: &CallContext,
        call: &Invocation,
        progress: &mut Progress,
    ) -> Result<Option<Duration>, Fault> {
        let untried = |c: &Candidate| !progress.tried.contains(&c.member.id);
        let another_replica =
            call.pinned_to.is_none() && view.remote_candidates(&call.target).iter().any(untried);
        let failed = Failed {
            fault: &fault,
            tried: progress.last,
            idempotent: call.idempotent,
            body_untouched: progress.body.is_untouched(),
            another_replica,
            remaining: context.remaining(),
        };
        let next = retry::next(failed, rand::random());
        let hopeless = match call.pinned_to {
            Some(_) => pin::is_over(&fault),
            // A target that nobody but this node has ever reported will not turn up by waiting.
            None => {
                matches!(progress.last, Tried::Attempt(_))
                    && fault.kind() == FaultKind::Unavailable
                    && !is_known(view, call)
            }
        };
        if next == Next::GiveUp || hopeless {
            return Err(progress.speak_for_all(fault));
        }
        // What was not sent, and a refusal here, has cost nobody anything; and a replica that is full must
        // be able to hand everything over.
        let is_free = match progress.last {
            Tried::Unsent(_) => true,
            Tried::Attempt(attempt) => {
                context.failed_here().is_some()
                    && attempt == 1
                    && fault.execution() == Execution::NotExecuted
            }
        };
        if !is_free && !self.retries.spend() {
            self.counters.retries_refused.add_one();
            return Err(progress.speak_for_all(fault));
        }
        progress.may_have_run |= fault.execution() != Execution::NotExecuted;
        self.counters.retries.add_one();
        tracing::debug!(actor = %call.target, %fault, "a call is tried again");
        match next {
            Next::After(wait) => {
                progress.tried.clear();
                Ok(Some(wait))
            }
            Next::AnotherReplica | Next::GiveUp => Ok(None),
        }
    }

    /// The fault of an attempt that could not be made; for a reason that passes, it is none.
    fn unsent(
        &self,
        fault: Fault,
        view: &View,
        context: &CallContext,
        call: &Invocation,
        progress: &mut Progress,
    ) -> Fault {
        let is_starting_here = context.failed_here().is_none() && view.starts_here(&call.target);
        if is_starting_here || self.passes_by_itself(&fault, view, call) {
            progress.take_attempt_back();
        }
        fault
    }

    /// Whether that nothing could be sent is over soon, without anybody's doing. A silent node is heard
    /// again, or dead, within seconds; who is dead stays away for as long as it takes to place its share
    /// elsewhere.
    fn passes_by_itself(&self, fault: &Fault, view: &View, call: &Invocation) -> bool {
        let target = &call.target;
        let is_silent =
            |member: &Arc<Member>| member.liveness == Liveness::Suspect && member.reports(target);
        match fault.kind() {
            FaultKind::Disconnected => true,
            FaultKind::Unavailable => {
                self.comes_elsewhere(view, target)
                    || view.members().any(is_silent)
                    || (view.is_isolated() && is_known(view, call))
            }
            _ => false,
        }
    }

    /// A member as the place of an attempt.
    fn chosen(
        &self,
        member: &Member,
        call: &Invocation,
        now: Instant,
        budget_micros: u64,
    ) -> Chosen {
        let expires_at = member.peer_now(now).0.saturating_add(budget_micros);
        let (target, interface, operation) = (&call.target, &call.interface, &call.operation);
        Chosen {
            destination: Destination {
                node: member.id.clone(),
                lost: member.lost.clone(),
            },
            epoch: Some(member.epoch),
            budget_micros,
            expires_at: Some(NodeMicros(expires_at)),
            subject: self.subjects.call(&member.id, target, interface, operation),
            reads_origin: member.reads_origin(),
            flight: Some(self.in_flight.take_off(&member.id)),
        }
    }

    fn choose(
        &self,
        view: &View,
        context: &CallContext,
        call: &Invocation,
        progress: &Progress,
    ) -> Result<Chosen, NotReady> {
        let now = progress.now;
        let budget = context.deadline().saturating_duration_since(now);
        let budget_micros = u64::try_from(budget.as_micros()).unwrap_or(u64::MAX);
        if budget.is_zero() {
            let detail = "the budget was used up before the call was sent";
            let kind = FaultKind::DeadlineExceeded;
            return Err(Fault::not_executed(kind, Hop::Caller, detail).into());
        }
        if *self.link.borrow() == LinkState::Down {
            let detail = "this node's connection to the bus is down; it reconnects by itself";
            let kind = FaultKind::Disconnected;
            return Err(Fault::not_executed(kind, Hop::Caller, detail).into());
        }
        let target = &call.target;
        let to_member = |member: &Member| self.chosen(member, call, now, budget_micros);
        if let Some(home) = &call.pinned_to {
            return Ok(to_member(pin::member(view, home)?));
        }
        let candidates = view.remote_candidates(target);
        if let Some(candidate) =
            route::choose(candidates, &progress.tried, &self.in_flight, rand::random)
        {
            return Ok(to_member(&candidate.member));
        }
        let is_own = |candidate: &&Candidate| candidate.member.is_self;
        let own = view.candidates(target).iter().find(is_own);
        // This call's link has found nobody here, and somebody came since.
        if let Some(own) = own.filter(|_| context.failed_here().is_none()) {
            return Ok(to_member(&own.member));
        }
        if let Some(asked) = &progress.asked {
            let home = &asked.home;
            let known = view.member(&home.node).filter(|it| it.epoch == home.epoch);
            let stranger = || self.stranger(asked, call, budget_micros);
            return Ok(known.map_or_else(stranger, |member| to_member(member)));
        }
        // The bus may know a replica that this node has not heard of yet. It could also pick this
        // node itself, or one that is stopped: that stays in the queue group.
        let may_be_picked = |member: &Arc<Member>| {
            member.reports(target) && (member.is_self || member.liveness != Liveness::Alive)
        };
        if !candidates.is_empty() || view.members().any(may_be_picked) {
            let detail = format!("no other node serves {target} now");
            let fault = Fault::not_executed(FaultKind::Unavailable, Hop::Route, detail);
            return Err(fault.into());
        }
        Err(NotReady::NobodyKnown)
    }
}

fn check_size(call: &Invocation) -> Result<(), Fault> {
    let bytes = call.arguments.len() + call.bulk.len();
    if bytes <= ARGUMENT_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("arguments of {bytes} bytes, at most {ARGUMENT_BYTES_MAX}");
    Err(Fault::not_executed(
        FaultKind::TooLarge,
        Hop::Caller,
        detail,
    ))
}

/// Whether any other node, alive or not, has reported a replica of the target.
fn is_known(view: &View, call: &Invocation) -> bool {
    view.members()
        .any(|member| !member.is_self && member.reports(&call.target))
}

impl Caller for RequestPath {
    fn call<'a>(
        &'a self,
        context: &'a CallContext,
        mut call: Invocation,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        let body = call.body.take();
        async move {
            let started = Instant::now();
            let mut progress = Progress {
                key: context.key().unwrap_or_else(IdempotencyKey::mint),
                now: started,
                attempt: 0,
                unsent: 0,
                last: Tried::Attempt(0),
                tried: Vec::new(),
                asked: None,
                may_have_run: false,
                body: CallBody::new(body),
            };
            let mut abandoned = Abandoned(Some(&self.counters));
            let answer = self.carry(context, &call, &mut progress).await;
            abandoned.0 = None;
            answer.map_err(|fault| {
                self.counters.faults.add_one();
                let Invocation {
                    target,
                    interface,
                    operation,
                    ..
                } = &call;
                let elapsed = match context.failed_here() {
                    Some(_) => context.elapsed(),
                    None => started.elapsed(),
                };
                fault
                    .on_link(format_args!("{target} {interface}.{operation}"))
                    .after(elapsed)
            })
        }
        .boxed()
    }
}
