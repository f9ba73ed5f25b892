//! The way in: from an envelope to an actor, and the reply back.

mod serve;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Weak},
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;
use wrt_contract::{NearEnd, Offer};
use wrt_membership::Membership;
use wrt_protocol::{
    ActorAddress, ActorKind, CallId, DecodeError, Fault, FaultKind, Hop, Incarnation, NodeId,
    envelope::{Cancel, Reply, Request, RequestHead},
    limits::CALLS_IN_HAND_MAX,
    subject::{self, Subjects},
};
use wrt_transport::{Inbound, Lane, ReplySubject, Subscription, Transport, TransportError};

use self::serve::Accepted;
use crate::{
    ExchangeCounts, Streams,
    counters::ExchangeCounters,
    hosted::{Hosted, WayIn},
    in_hand::{InHand, NoEntry},
    listen::{Listening, Reading},
    pace::{OperationPace, Turn},
    room::Room,
    watch::Watch,
};

/// How much later than its estimate a call may expire at the callee: the caller's estimate of the
/// callee's clock lags by the delay of a heartbeat, and a call must not be dropped for that.
const EXPIRY_SLACK: Duration = Duration::from_millis(100);

/// Refusals that wait for room in the socket; over that a caller learns it from its own deadline.
const REFUSALS_WAITING_MAX: usize = 1024;

/// A node that cannot take calls from the lattice.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The bus refused a subscription.
    #[error("cannot listen for calls on the lattice")]
    Subscribe(#[source] TransportError),
    /// There is no thread that watches the others.
    #[error("cannot start a thread")]
    Watch(#[source] io::Error),
}

/// Takes calls from the lattice and hands them to this node's actors.
pub struct Exchange {
    transport: Arc<dyn Transport>,
    membership: Arc<Membership>,
    subjects: Subjects,
    streams: Arc<Streams>,
    hosted: Hosted,
    in_hand: Arc<InHand>,
    queue_groups: Mutex<HashMap<ActorAddress, CancellationToken>>,
    /// A newer incarnation has taken this node's name.
    fenced: CancellationToken,
    /// Ends the listening to callers that chose this node.
    left: CancellationToken,
    watch: Watch,
    /// Refusals that may wait for the socket.
    refusals: Arc<Semaphore>,
    /// For arguments that come as streams.
    collecting: Room,
    counters: Arc<ExchangeCounters>,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        for (_, left) in lock(&self.queue_groups).drain() {
            left.cancel();
        }
        self.left.cancel();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

impl Exchange {
    /// Starts to listen. Actors are reachable as soon as they are [hosted](Exchange::host).
    ///
    /// # Errors
    /// When the bus refuses the subscription.
    pub async fn start(
        transport: Arc<dyn Transport>,
        membership: Arc<Membership>,
        subjects: Subjects,
        streams: Arc<Streams>,
    ) -> Result<Arc<Self>, ExchangeError> {
        let left = CancellationToken::new();
        let listening = Listening {
            transport: Arc::clone(&transport),
            lane: Lane::Calls,
            subject: subjects.node_inbound(membership.node()),
            group: None,
            left: left.clone(),
        };
        let calls = listening.subscribe().await;
        let calls = calls.map_err(ExchangeError::Subscribe)?;
        let counters = Arc::<ExchangeCounters>::default();
        let watch = Watch::start(Arc::clone(&transport), Arc::clone(&counters));
        let watch = watch.map_err(ExchangeError::Watch)?;
        let fenced = membership.fenced();
        let exchange = Arc::new(Self {
            transport,
            membership,
            subjects,
            streams,
            hosted: Hosted::default(),
            in_hand: Arc::default(),
            queue_groups: Mutex::default(),
            fenced,
            left,
            watch,
            refusals: Arc::new(Semaphore::new(REFUSALS_WAITING_MAX)),
            collecting: Room::default(),
            counters,
        });
        exchange.read(listening, calls);
        Ok(exchange)
    }

    /// Serves `offers` as `actor`, to callers that chose this node and to its queue group.
    ///
    /// # Errors
    /// When the bus refuses the queue group; the actor is not hosted then.
    pub async fn host(
        self: &Arc<Self>,
        actor: ActorAddress,
        offers: &[Offer],
    ) -> Result<(), ExchangeError> {
        self.hosted.insert(actor.clone(), offers);
        let listening = Listening {
            transport: Arc::clone(&self.transport),
            lane: Lane::Calls,
            subject: self.subjects.any_inbound(&actor),
            group: Some(self.subjects.queue_group(&actor)),
            left: CancellationToken::new(),
        };
        let left = listening.left.clone();
        let calls = match listening.subscribe().await {
            Ok(calls) => calls,
            Err(error) => {
                self.hosted.remove(&actor);
                return Err(ExchangeError::Subscribe(error));
            }
        };
        self.read(listening, calls);
        if let Some(earlier) = lock(&self.queue_groups).insert(actor, left) {
            earlier.cancel();
        }
        Ok(())
    }

    /// Takes `actor` out of its queue group: callers that have not chosen this node go elsewhere.
    /// Those that chose it still get in, and get an answer from its gate.
    pub fn leave_queue_group(&self, actor: &ActorAddress) {
        if let Some(left) = lock(&self.queue_groups).remove(actor) {
            left.cancel();
        }
    }

    /// Stops serving `actor`. Calls in hand go on; new ones get *unavailable*.
    pub fn unhost(&self, actor: &ActorAddress) {
        self.leave_queue_group(actor);
        self.hosted.remove(actor);
    }

    /// What has come in so far.
    #[must_use]
    pub fn counts(&self) -> ExchangeCounts {
        self.counters.snapshot()
    }

    /// Calls running or waiting now.
    #[must_use]
    pub fn in_hand(&self) -> usize {
        self.in_hand.count()
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.transport.is_alone()
    }

    fn read(self: &Arc<Self>, listening: Listening, calls: Subscription) {
        let exchange = Arc::downgrade(self);
        let take = move |inbound, turn: &mut Turn| {
            let Some(exchange) = Weak::upgrade(&exchange) else {
                return false;
            };
            exchange.take_in(inbound, turn);
            true
        };
        self.watch.over(&Reading::start(listening, calls, take));
    }

    /// Takes one message in. Never waits: work goes to a task of its own, but for a first step that is
    /// known to be quick, so that a slow actor holds up neither its neighbours nor the cancellation of
    /// its own calls.
    fn take_in(self: &Arc<Self>, inbound: Inbound, turn: &mut Turn) {
        match self.subjects.parse_inbound(&inbound.subject) {
            Some(subject::Inbound::Cancel) => match Cancel::decode(&inbound.payload) {
                Ok(Cancel { call, caller }) => {
                    turn.handed_on();
                    self.cancel(caller, call);
                }
                Err(_) => self.counters.malformed.add_one(),
            },
            Some(subject::Inbound::Call(parts)) => {
                self.counters.received.add_one();
                let Inbound {
                    subject: _,
                    reply,
                    payload,
                } = &inbound;
                match Request::decode(payload) {
                    Ok(Request { head, .. })
                        if !parts.agrees(&head.target, &head.interface, &head.operation) =>
                    {
                        self.counters.malformed.add_one();
                        let detail = "the envelope asks for another operation than its subject";
                        let fault = Fault::not_executed(FaultKind::Malformed, Hop::Gate, detail);
                        self.refuse(head.call, reply.clone(), fault, turn);
                    }
                    Ok(request) => self.take_call(request, reply.clone(), turn),
                    Err(error) => {
                        self.counters.malformed.add_one();
                        // The call's id is not known, so the caller sees a reply to another call,
                        // unless it only speaks another version: then it reads that from the reply.
                        let kind = match error {
                            DecodeError::Version { .. } => FaultKind::VersionMismatch,
                            _ => FaultKind::Malformed,
                        };
                        let fault = Fault::not_executed(kind, Hop::Gate, error.to_string());
                        self.refuse(CallId(0), reply.clone(), fault, turn);
                    }
                }
            }
            // Membership answers it. That this lane listens as well tells the bus that somebody is there.
            Some(subject::Inbound::Presence) => {}
            None => self.counters.malformed.add_one(),
        }
    }

    fn here(&self) -> Incarnation {
        Incarnation {
            node: self.membership.node().clone(),
            epoch: self.membership.epoch(),
        }
    }

    fn cancel(&self, caller: NodeId, call: CallId) {
        let key = (caller, call);
        let ran = self.in_hand.take_back(&key);
        // Its answer may be a body that is on its way; then the body is what it still has in hand.
        let answered = self.streams.take_back(&key);
        if ran || answered {
            self.counters.cancelled.add_one();
        }
    }

    fn take_call(self: &Arc<Self>, request: Request, reply: Option<ReplySubject>, turn: &mut Turn) {
        let head = &request.head;
        if head.epoch > Some(self.membership.epoch()) {
            // A newer incarnation listens to the same subject and may run the call. The first reply
            // counts, so this one must not say that nobody has.
            return self.counters.stale.add_one();
        }
        let budget = match self.budget(head) {
            Ok(budget) => budget,
            Err(fault) => return self.refuse(head.call, reply, fault, turn),
        };
        let key = (head.caller.clone(), head.call);
        let entry = match self.in_hand.enter(key) {
            Ok(entry) => entry,
            Err(NoEntry::Twice) => {
                self.counters.malformed.add_one();
                let detail = "a call under the same id is in hand already";
                let fault = Fault::maybe_executed(FaultKind::Malformed, Hop::Gate, detail);
                return self.refuse(head.call, reply, fault, turn);
            }
            Err(NoEntry::Full) => {
                self.counters.overloaded.add_one();
                let kind = FaultKind::Overloaded {
                    retry_after_ms: 1000,
                };
                let detail = format!("{CALLS_IN_HAND_MAX} calls are in hand already");
                let fault = Fault::not_executed(kind, Hop::Gate, detail);
                return self.refuse(head.call, reply, fault, turn);
            }
        };
        let found = self.hosted.find(&head.target, &head.interface);
        let way_in = match found.and_then(|way_in| same_build(way_in, head)) {
            Ok(way_in) => way_in,
            Err(fault) => return self.refuse(head.call, reply, fault, turn),
        };
        let near_end = self.near_end(&request.head);
        let head = &request.head;
        let kind = head.target.kind;
        let pace = OperationPace::new(Arc::clone(&way_in.pace), &head.operation);
        let work = Accepted::new(request, near_end, budget, way_in, reply, self.here());
        let work = work.serve(Arc::clone(self));
        // A component computes.
        if kind != ActorKind::Provider {
            turn.handed_on();
            return entry.spawn(work);
        }
        if !turn.admits(&pace) {
            turn.handed_on();
            return entry.spawn(paced(work, pace));
        }
        if let Some(rest) = turn.take(&pace, || first_step(work)) {
            turn.handed_on();
            entry.spawn(rest);
        }
    }

    /// Who makes a call. None if that is not said by a node that has said that it says it; a gate which obeys an
    /// authority refuses that.
    fn near_end(&self, head: &RequestHead) -> Option<Arc<NearEnd>> {
        if let Some(origin) = &head.origin {
            return Some(NearEnd::of(origin.clone()));
        }
        let view = self.membership.view();
        if view
            .member(&head.caller)
            .is_some_and(|caller| caller.reads_origin())
        {
            return None;
        }
        self.counters.unnamed.add_one();
        Some(NearEnd::of_earlier_build())
    }

    /// What is left of the call's time, by the caller's word and by this node's own clock.
    fn budget(&self, head: &RequestHead) -> Result<Duration, Fault> {
        let other = |epoch| epoch != self.membership.epoch();
        if head.epoch.is_some_and(other) || self.fenced.is_cancelled() {
            self.counters.stale.add_one();
            let detail = "the call is for another incarnation of this node";
            return Err(Fault::not_executed(
                FaultKind::StaleEpoch,
                Hop::Gate,
                detail,
            ));
        }
        let budget = head.budget();
        let now = Duration::from_micros(self.membership.clock().now().0);
        let expires = head.expires_at.map(|at| Duration::from_micros(at.0));
        let left = expires.map_or(budget, |at| budget.min(at.saturating_sub(now)));
        // Late by the estimate, but within the error of the estimate, is not late.
        let expired = expires.is_some_and(|at| now > at.saturating_add(EXPIRY_SLACK));
        if expired || budget.is_zero() {
            self.counters.expired.add_one();
            let detail = "the call's time was up when it arrived";
            return Err(Fault::not_executed(
                FaultKind::DeadlineExceeded,
                Hop::Gate,
                detail,
            ));
        }
        Ok(left.max(EXPIRY_SLACK.min(budget)))
    }

    fn refuse(
        self: &Arc<Self>,
        call: CallId,
        reply: Option<ReplySubject>,
        fault: Fault,
        turn: &mut Turn,
    ) {
        let Some(to) = reply else {
            tracing::warn!(%fault, "a one-way call was refused");
            return;
        };
        // A full socket must not pile up what nobody was promised.
        let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else {
            self.counters.replies_lost.add_one();
            return;
        };
        let exchange = Arc::clone(self);
        let reply = self.encode(&Reply {
            head: self.head(call, Err(fault)),
            result: Bytes::new(),
            bulk: Bytes::new(),
            body: Bytes::new(),
        });
        let Some(reply) = reply else { return };
        turn.handed_on();
        tokio::spawn(async move {
            let _permit = permit;
            exchange.publish(to, reply).await;
        });
    }
}

/// `way_in`, if the caller takes its interface for what it is: bytes of another one could be read
/// as something else.
fn same_build(way_in: WayIn, head: &RequestHead) -> Result<WayIn, Fault> {
    let here = way_in.dispatch.fingerprint();
    if head.fingerprint == here {
        return Ok(way_in);
    }
    let detail = format!(
        "the caller was built with another {}: its fingerprint is {:016x}, here it is {here:016x}; \
         upgrade the older of the two",
        head.interface, head.fingerprint,
    );
    let kind = FaultKind::VersionMismatch;
    Err(Fault::not_executed(kind, Hop::Gate, detail))
}

/// What is left of `work`, which starts anew with the waker of its own task.
fn first_step(mut work: BoxFuture<'static, ()>) -> Option<BoxFuture<'static, ()>> {
    let step = work.poll_unpin(&mut Context::from_waker(Waker::noop()));
    step.is_pending().then_some(work)
}

/// Does `work`, and learns from its first step.
async fn paced(mut work: BoxFuture<'static, ()>, pace: OperationPace) {
    let began = Instant::now();
    let step = futures::poll!(&mut work);
    pace.note(step.is_ready(), began.elapsed());
    if step.is_pending() {
        work.await;
    }
}
