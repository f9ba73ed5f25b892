//! The supervisor's actor: brings its children into agreement with what is wanted.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::{sync::oneshot, task::JoinSet, time};
use tracing::error;
use wrt_contract::Gate;
use wrt_protocol::{ActorAddress, heartbeat::ReplicaState};

use crate::{
    OnChange, Start, SupervisionOptions,
    backoff::Backoff,
    board::{Board, Post},
    life::{Event, Life, Step},
    replica::{Replica, ReplicaArguments, ReplicaMessage},
};

pub(crate) struct Supervisor;

/// What the handle and the supervisor share.
pub(crate) struct Shared {
    pub(crate) board: Board,
    pub(crate) options: SupervisionOptions,
    pub(crate) on_change: OnChange,
    wanted: Mutex<HashMap<ActorAddress, WantedReplica>>,
}

/// What is to be done for an address: stop, run, or the one after the other.
#[derive(Default)]
pub(crate) struct WantedReplica {
    pub(crate) stop: Option<StopRequest>,
    pub(crate) run: Option<Arc<dyn Start>>,
}

pub(crate) struct StopRequest {
    pub(crate) patience: Duration,
    pub(crate) done: Vec<oneshot::Sender<()>>,
}

pub(crate) enum SupervisorMessage {
    /// What is wanted has changed. At most one of these is under way.
    Reconcile,
    /// A child that failed may be started again.
    Restart(ActorAddress),
}

pub(crate) struct SupervisorData {
    shared: Arc<Shared>,
    children: HashMap<ActorAddress, Child>,
    timers: JoinSet<()>,
}

struct Child {
    life: Life,
    actor: ActorRef<ReplicaMessage>,
    post: Arc<Post>,
    /// What its actor, or the next one, runs from.
    start: Arc<dyn Start>,
    backoff: Backoff,
    /// Who waits for its end.
    done: Vec<oneshot::Sender<()>>,
}

impl Shared {
    pub(crate) fn new(options: SupervisionOptions, on_change: OnChange) -> Self {
        Self {
            board: Board::default(),
            options,
            on_change,
            wanted: Mutex::default(),
        }
    }

    /// Notes a wish. Answers whether the supervisor must be told: only of the first since it looked.
    pub(crate) fn want(&self, actor: ActorAddress, wish: impl FnOnce(&mut WantedReplica)) -> bool {
        let mut wanted = self.wanted();
        let is_first = wanted.is_empty();
        wish(wanted.entry(actor).or_default());
        is_first
    }

    /// Addresses run or about to be.
    pub(crate) fn has_room_for(&self, actor: &ActorAddress, replicas_max: usize) -> bool {
        let wanted = self.wanted();
        let unknown = wanted
            .keys()
            .filter(|wanted| !self.board.contains(wanted))
            .count();
        self.board.contains(actor)
            || wanted.contains_key(actor)
            || self.board.len() + unknown < replicas_max
    }

    pub(crate) fn addresses(&self) -> Vec<ActorAddress> {
        let mut addresses: Vec<_> = self.wanted().keys().cloned().collect();
        addresses.extend(self.board.status().into_iter().map(|(actor, ..)| actor));
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    fn wanted(&self) -> MutexGuard<'_, HashMap<ActorAddress, WantedReplica>> {
        self.wanted.lock()
    }
}

impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = SupervisorData;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _myself: ActorRef<SupervisorMessage>,
        shared: Arc<Shared>,
    ) -> Result<SupervisorData, ActorProcessingErr> {
        Ok(SupervisorData {
            shared,
            children: HashMap::new(),
            timers: JoinSet::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        data: &mut SupervisorData,
    ) -> Result<(), ActorProcessingErr> {
        while data.timers.try_join_next().is_some() {}
        match message {
            SupervisorMessage::Reconcile => {
                let wanted = std::mem::take(&mut *data.shared.wanted());
                for (actor, wanted) in wanted {
                    if let Some(request) = wanted.stop {
                        data.stop(&actor, request);
                    }
                    if let Some(start) = wanted.run {
                        data.run(&myself, actor, start).await?;
                    }
                }
            }
            SupervisorMessage::Restart(actor) => data.restart(&myself, &actor).await?,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        data: &mut SupervisorData,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(who, reason) => {
                data.ended(&myself, &who, &reason.to_string()).await
            }
            SupervisionEvent::ActorTerminated(who, _, reason) => {
                data.ended(&myself, &who, reason.as_deref().unwrap_or("it stopped"))
                    .await
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

impl SupervisorData {
    /// Moves a child on, and answers what is to be done; see [`Life`].
    fn take(&mut self, actor: &ActorAddress, event: Event) -> Step {
        let child = self.children.get_mut(actor);
        let life = child.as_ref().map_or(Life::Absent, |child| child.life);
        let (next, step) = life.next(event);
        if let Some(child) = child {
            child.life = next;
        }
        step
    }

    async fn run(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        actor: ActorAddress,
        start: Arc<dyn Start>,
    ) -> Result<(), ActorProcessingErr> {
        let step = self.take(&actor, Event::Run);
        let Some(child) = self.children.get_mut(&actor) else {
            return self.begin(myself, actor, start).await;
        };
        child.start = Arc::clone(&start);
        if step == Step::Replace {
            // One that has ended is started again with what is noted now.
            let _told = child.actor.send_message(ReplicaMessage::Replace(start));
        }
        Ok(())
    }

    fn stop(&mut self, actor: &ActorAddress, request: StopRequest) {
        let step = self.take(actor, Event::Stop);
        let Some(child) = self.children.get_mut(actor) else {
            answer(request.done);
            return;
        };
        child.done.extend(request.done);
        if step == Step::Finish {
            self.finish(actor);
            return;
        }
        let (done, _answered_by_its_end) = oneshot::channel();
        // Of one that has ended the event is under way.
        let _told = child.actor.send_message(ReplicaMessage::Stop {
            patience: request.patience,
            done,
        });
    }

    async fn ended(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        who: &ActorCell,
        reason: &str,
    ) -> Result<(), ActorProcessingErr> {
        let of_child = |(_, child): &(&ActorAddress, &Child)| child.actor.get_id() == who.get_id();
        let Some((actor, _)) = self.children.iter().find(of_child) else {
            return Ok(());
        };
        let actor = actor.clone();
        match self.take(&actor, Event::Ended) {
            Step::RestartLater => self.restart_later(myself, actor, reason),
            Step::FinishAndBegin => {
                let start = self.finish(&actor);
                if let Some(start) = start {
                    self.begin(myself, actor, start).await?;
                }
            }
            Step::Finish => {
                self.finish(&actor);
            }
            Step::Nothing | Step::Begin | Step::Replace | Step::Note | Step::Tell => {}
        }
        Ok(())
    }

    fn restart_later(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        actor: ActorAddress,
        reason: &str,
    ) {
        let Some(child) = self.children.get_mut(&actor) else {
            return;
        };
        let delay = child.backoff.failed();
        error!(%actor, reason, ?delay, "a replica's actor failed and is started again");
        let withdrawn = withdraw(&child.post, ReplicaState::Failing);
        self.drain(withdrawn);
        let myself = myself.clone();
        self.timers.spawn(async move {
            time::sleep(delay).await;
            let _told = myself.send_message(SupervisorMessage::Restart(actor));
        });
    }

    async fn restart(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        actor: &ActorAddress,
    ) -> Result<(), ActorProcessingErr> {
        let step = self.take(actor, Event::RestartDue);
        let Some(child) = self.children.get(actor).filter(|_| step == Step::Begin) else {
            return Ok(());
        };
        let (post, start) = (Arc::clone(&child.post), Arc::clone(&child.start));
        let restarted = self.spawn(myself, post, start).await?;
        if let Some(child) = self.children.get_mut(actor) {
            child.actor = restarted;
        }
        Ok(())
    }

    /// Makes a child where there is none.
    async fn begin(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        actor: ActorAddress,
        start: Arc<dyn Start>,
    ) -> Result<(), ActorProcessingErr> {
        let post = self.shared.board.post(&actor, &self.shared.on_change);
        let spawned = self.spawn(myself, Arc::clone(&post), Arc::clone(&start));
        let child = Child {
            life: Life::Running,
            actor: spawned.await?,
            post,
            start,
            backoff: Backoff::new(&self.shared.options, &actor),
            done: Vec::new(),
        };
        self.children.insert(actor, child);
        Ok(())
    }

    /// Forgets a child, tells those who wait for its end, and answers what was to run after it.
    fn finish(&mut self, actor: &ActorAddress) -> Option<Arc<dyn Start>> {
        let child = self.children.remove(actor)?;
        let withdrawn = withdraw(&child.post, ReplicaState::Draining);
        self.drain(withdrawn);
        self.shared.board.remove(actor);
        answer(child.done);
        Some(child.start)
    }

    /// Nobody else is left who would, and leases may hold it.
    fn drain(&mut self, gate: Option<Arc<Gate>>) {
        let Some(gate) = gate else { return };
        let patience = self.shared.options.replaced_patience;
        self.timers.spawn(async move {
            gate.drain(patience).await;
        });
    }

    async fn spawn(
        &self,
        myself: &ActorRef<SupervisorMessage>,
        post: Arc<Post>,
        start: Arc<dyn Start>,
    ) -> Result<ActorRef<ReplicaMessage>, ActorProcessingErr> {
        let arguments = ReplicaArguments {
            post,
            start,
            options: self.shared.options,
        };
        let spawned = Replica::spawn_linked(None, Replica, arguments, myself.get_cell()).await;
        Ok(spawned.map(|(replica, _join)| replica)?)
    }
}

/// Whoever asked may have gone away.
fn answer(waiting: Vec<oneshot::Sender<()>>) {
    for done in waiting {
        let _asked = done.send(());
    }
}

/// Takes back what an ended replica still offers, and answers its gate. The callback may be what made it fail; then it is
/// not asked twice on the supervisor's own task.
fn withdraw(post: &Post, state: ReplicaState) -> Option<Arc<Gate>> {
    let withdraw = std::panic::AssertUnwindSafe(|| post.withdraw(state));
    std::panic::catch_unwind(withdraw).unwrap_or_else(|_panic| {
        error!(actor = %post.actor(), "who is told of changes panicked");
        None
    })
}
