//! A node: everything that one process is made of, put together.

mod capacity;
mod component;
mod decided;
mod deduplication;
mod deployed;
mod desired;
mod events;
mod exclusive;
mod handover;
mod hosting;
mod links;
mod measured;
mod ownership;
mod provider;
mod reconcile;
mod replica;
mod secrets;
mod seen;
mod servers;
mod siblings;
mod standby;
mod status;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use wrt_component::{Engines, Stdio};
use wrt_contract::{Arrivals, Caller, GateLoad, Interface, LocalDirectory, Measured};
use wrt_deployment::{Snapshot, Store};
use wrt_host::LinkSite;
use wrt_membership::{Membership, MembershipOptions, Report};
use wrt_protocol::{
    ActorAddress, Epoch, LatticeName, NodeId, Origin,
    heartbeat::{NodeState, ReplicaReport},
};
use wrt_request::{Seat, SeatError};
use wrt_runtime::{Runtime, ServerLoad};
use wrt_supervision::Supervision;
use wrt_transport::Transport;

pub use seen::{SeenActor, SeenApp, SeenLattice, SeenLink, SeenMember, SeenOperation, SeenReplica};
pub use status::{NodeStatus, ReplicaStatus};

use crate::{
    AppEnvironment, Code,
    journal::{EventLine, Journal},
};
use hosting::Hosting;
use links::DesiredLinks;
use measured::Measures;
use ownership::StoreSource;
use reconcile::Reconciler;
use replica::StartAttempts;
use servers::Servers;
use standby::Standby;

/// How a node is set up.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The lattice.
    pub lattice: LatticeName,
    /// Its name there.
    pub node: NodeId,
    /// This incarnation.
    pub epoch: Epoch,
    /// What its operator says of it.
    pub labels: Vec<(String, String)>,
    /// How long calls in hand may go on when a replica stops.
    pub patience: Duration,
    /// What apps may see of its environment.
    pub environment: AppEnvironment,
    /// Where what guests print goes, and what they read.
    pub stdio: Stdio,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It cannot join.
    #[error("node {node} cannot join lattice {lattice}")]
    Seat {
        /// The node.
        node: NodeId,
        /// The lattice.
        lattice: LatticeName,
        /// Why.
        #[source]
        source: SeatError,
    },
}

/// What starting a replica needs, whatever it is.
pub(crate) struct Parts {
    pub(crate) engines: Engines,
    pub(crate) runtime: Runtime,
    pub(crate) environment: AppEnvironment,
    pub(crate) directory: Arc<LocalDirectory>,
    pub(crate) caller: Arc<dyn Caller>,
    /// Who else is there, and what they have in hand; none where a part is started without a node.
    pub(crate) membership: Option<Arc<Membership>>,
    pub(crate) code: Code,
    pub(crate) attempts: Arc<StartAttempts>,
    pub(crate) servers: Arc<Servers>,
    pub(crate) node: NodeId,
    pub(crate) stdio: Stdio,
    pub(crate) store: StoreSource,
    pub(crate) tenancies: Arc<exclusive::Tenancies>,
    /// What shall run, as it was said last.
    pub(crate) desired: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Who may call whom by that.
    pub(crate) linked: Arc<DesiredLinks>,
}

/// A running node. Dropping it stops everything at once; [`Node::drain`] stops it well.
pub struct Node {
    options: NodeOptions,
    seat: Seat,
    transport: Arc<dyn Transport>,
    supervision: Arc<OnceLock<Supervision>>,
    hosting: Arc<Hosting>,
    parts: Arc<Parts>,
    desired: watch::Sender<Option<Arc<Snapshot>>>,
    applied: Arc<desired::Applied>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Node {
    /// Joins the lattice and starts to reconcile; nothing is desired yet.
    ///
    /// # Errors
    /// When it cannot join.
    pub async fn start(
        options: NodeOptions,
        runtime: Runtime,
        transport: Arc<dyn Transport>,
        engines: Engines,
        code: Code,
    ) -> Result<Self, NodeError> {
        let supervision: Arc<OnceLock<Supervision>> = Arc::default();
        let directory = Arc::<LocalDirectory>::default();
        let servers = Arc::new(Servers::new(options.patience));
        let hosting = Hosting::new(Arc::clone(&directory), Arc::clone(&servers));
        let seat = take_seat(
            &options,
            Arc::clone(&transport),
            report(&supervision, &hosting, &servers),
        )
        .await?;
        hosting.seated(&seat);
        directory.expects(Arc::clone(&seat.path) as Arc<dyn Arrivals>);
        let attempts = Arc::<StartAttempts>::default();
        let (desired, desires) = watch::channel(None);
        let parts = Arc::new(Parts {
            engines,
            runtime,
            environment: options.environment.clone(),
            directory,
            caller: Arc::clone(&seat.path) as Arc<dyn Caller>,
            membership: Some(Arc::clone(&seat.membership)),
            code,
            attempts,
            servers,
            node: options.node.clone(),
            stdio: options.stdio,
            store: StoreSource::new(),
            tenancies: Arc::default(),
            desired: desires.clone(),
            linked: Arc::default(),
        });
        let started = Supervision::start(hosting.on_change()).await;
        let _first = supervision.set(started);
        let applied = Arc::<desired::Applied>::default();
        let stop = CancellationToken::new();
        let reconciler = Reconciler::new(
            options.node.clone(),
            options.patience,
            Arc::clone(&parts),
            seat.clone(),
            Arc::clone(&supervision),
            Arc::clone(&applied),
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&hosting).run());
        let linked = Arc::clone(&parts.linked);
        tasks.spawn(async move { linked.forget().await });
        let standby = Standby {
            node: options.node.clone(),
            parts: Arc::clone(&parts),
            seat: seat.clone(),
        };
        let (stopped, standby) = (stop.clone(), standby.run(desires.clone()));
        tasks.spawn(async move {
            stopped.run_until_cancelled(standby).await;
        });
        let stopped = stop.clone();
        tasks.spawn(async move {
            stopped.run_until_cancelled(reconciler.run(desires)).await;
        });
        Ok(Self {
            options,
            seat,
            transport,
            supervision,
            hosting,
            parts,
            desired,
            applied,
            stop,
            tasks,
        })
    }

    /// Notes from now on what happens, as this node sees it.
    pub(crate) fn events(&mut self) -> Arc<Journal<EventLine>> {
        let (journal, seat) = (events::journal(), self.seat.clone());
        let watched = events::watch(
            Arc::clone(&journal),
            seat,
            self.desires(),
            self.status_source(),
        );
        let stopped = self.stop.clone();
        self.tasks.spawn(async move {
            stopped.run_until_cancelled(watched).await;
        });
        journal
    }

    /// Says where the lattice's store is found, as soon as it is: its leases say which replica does what one
    /// does at a time. Called before anything is desired; without it this process is taken to be alone.
    pub fn takes_leases_from(&self, store: watch::Receiver<Option<Store>>) {
        let _first = self.parts.store.set(store);
    }

    /// Says what shall run on the lattice; the node runs its share of it.
    pub fn desire(&self, snapshot: Arc<Snapshot>) {
        self.parts.linked.follow(&snapshot);
        self.desired.send_replace(Some(snapshot));
    }

    /// What was said last; nothing before [`Node::desire`].
    #[must_use]
    pub fn desires(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.desired.subscribe()
    }

    /// The node's part in calls.
    #[must_use]
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// The way to what `target` offers as `I`, as a link from this node would have it; for its operator.
    #[must_use]
    pub fn client<I: Interface>(&self, target: ActorAddress) -> Arc<I::Object> {
        let site = LinkSite {
            directory: &self.parts.directory,
            caller: &self.parts.caller,
            origin: Origin::Operator,
            target: target.into(),
        };
        site.object::<I>()
    }

    /// What runs here, and what does not and why.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        self.status_source()()
    }

    /// Waits until a replica has become ready since this was last waited for; what fails to start does not
    /// end it. Cancel safe, for one who waits.
    pub async fn replica_ready(&self) {
        self.hosting.news().await;
    }

    /// [`Node::status`] for whoever does not have the node.
    pub fn status_source(&self) -> impl Fn() -> NodeStatus + Send + Sync + 'static {
        let (options, parts) = (self.options.clone(), Arc::clone(&self.parts));
        let (supervision, applied) = (Arc::clone(&self.supervision), Arc::clone(&self.applied));
        let membership = Arc::clone(&self.seat.membership);
        let desired = self.desired.subscribe();
        move || {
            let snapshot = desired.borrow().clone().unwrap_or_default();
            NodeStatus {
                node: options.node.clone(),
                epoch: options.epoch,
                is_isolated: membership.is_isolated(),
                apps: applied.revisions(),
                digests: applied.digests(),
                held: snapshot.held.clone(),
                desired_trouble: snapshot.trouble.clone(),
                cordoned: snapshot.cordons.nodes().cloned().collect(),
                replicas: status::replicas(supervision.get(), &parts),
                log_messages_dropped: 0,
            }
        }
    }

    /// What this node measures, for whoever does not have the node: of its calls and those of this process, its
    /// actors, the lattice and the bus.
    pub fn measures(&self) -> impl Fn() -> Vec<Measured> + Send + Sync + 'static {
        let measures = Measures {
            seat: self.seat.clone(),
            transport: Arc::clone(&self.transport),
            supervision: Arc::clone(&self.supervision),
            parts: Arc::clone(&self.parts),
        };
        move || measures.take()
    }

    /// The lattice as this node sees it, for whoever does not have the node. What its calls have come to is there
    /// since they are measured.
    pub fn seen(&self) -> impl Fn() -> SeenLattice + Send + Sync + 'static {
        let (lattice, node) = (self.options.lattice.clone(), self.options.node.clone());
        let membership = Arc::clone(&self.seat.membership);
        let desired = self.desired.subscribe();
        move || {
            let snapshot = desired.borrow().clone().unwrap_or_default();
            seen::lattice(&lattice, &node, &membership.view(), &snapshot)
        }
    }

    /// Cancelled when another node took the name: this one must stop.
    #[must_use]
    pub fn fenced(&self) -> CancellationToken {
        self.seat.membership.fenced()
    }

    /// Stops well: tells the others, lets calls in hand go on for the patience, those that take events
    /// in first, and
    /// leaves the lattice.
    pub async fn drain(mut self) {
        let end = Instant::now() + self.options.patience;
        self.stop.cancel();
        self.seat.membership.set_state(NodeState::Draining);
        let [servers, components, providers] = self.phases();
        tokio::join!(
            self.stop_all(&servers, end),
            self.handed_over(&components, &providers, end)
        );
        self.stop_all(&components, end).await;
        self.stop_all(&providers, end).await;
        self.seat.leave(end).await;
        self.tasks.shutdown().await;
    }

    /// At most half of the time goes here: the rest is for calls in hand.
    async fn handed_over(
        &self,
        components: &[ActorAddress],
        providers: &[ActorAddress],
        end: Instant,
    ) {
        let Some(snapshot) = self.desired.borrow().clone() else {
            return;
        };
        let is_desired = |actor: &&ActorAddress| snapshot.apps.contains_key(&actor.app);
        let actors = components.iter().chain(providers).filter(is_desired);
        let actors: Vec<_> = actors.cloned().collect();
        let half = end - self.options.patience / 2;
        handover::handed_over(&self.seat.membership, &snapshot, &actors, half).await;
    }

    async fn stop_all(&self, actors: &[ActorAddress], end: Instant) {
        let stops = actors.iter().map(|actor| self.stop_actor(actor, end));
        futures::future::join_all(stops).await;
    }

    async fn stop_actor(&self, actor: &ActorAddress, end: Instant) {
        let Some(supervision) = self.supervision.get() else {
            return;
        };
        supervision
            .stop(actor, end.saturating_duration_since(Instant::now()))
            .await;
        self.seat.exchange.unhost(actor);
    }

    /// Who calls goes before who is called: providers that call, then components, then the others.
    fn phases(&self) -> [Vec<ActorAddress>; 3] {
        let mut phases = [Vec::new(), Vec::new(), Vec::new()];
        let status = self
            .supervision
            .get()
            .map(Supervision::status)
            .unwrap_or_default();
        for (actor, ..) in status {
            let phase = match actor.kind {
                _ if self.parts.servers.calls_somebody(&actor) => 0,
                wrt_protocol::ActorKind::Component => 1,
                wrt_protocol::ActorKind::Provider => 2,
            };
            phases[phase].push(actor);
        }
        phases
    }
}

async fn take_seat(
    options: &NodeOptions,
    transport: Arc<dyn Transport>,
    report: Report,
) -> Result<Seat, NodeError> {
    let membership = MembershipOptions {
        lattice: options.lattice.clone(),
        node: options.node.clone(),
        epoch: options.epoch,
        labels: options.labels.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let (node, lattice) = (options.node.clone(), options.lattice.clone());
    let seat = Seat::take(transport, membership, report).await;
    seat.map_err(|source| NodeError::Seat {
        node,
        lattice,
        source,
    })
}

fn report(
    supervision: &Arc<OnceLock<Supervision>>,
    hosting: &Arc<Hosting>,
    servers: &Arc<Servers>,
) -> Report {
    let (supervision, hosting) = (Arc::clone(supervision), Arc::clone(hosting));
    let servers = Arc::clone(servers);
    Arc::new(move || {
        let status = supervision
            .get()
            .map(Supervision::status)
            .unwrap_or_default();
        let report = |(actor, state, load): (ActorAddress, _, GateLoad)| {
            // A server holds one permit of its provider's gate for as long as it runs.
            let (of_server, own) = match servers.load(&actor) {
                Some(load) => (load, 1),
                None => (ServerLoad::default(), 0),
            };
            ReplicaReport {
                state: hosting.seen_from_outside(&actor, state),
                actor,
                running: load.running.saturating_sub(own) + of_server.in_hand,
                waiting: load.waiting,
                concurrency_max: load.concurrency_max.saturating_sub(own),
                handled: load.admitted.saturating_sub(own.into()) + of_server.handled,
                refused: load.refused,
            }
        };
        status.into_iter().map(report).collect()
    })
}

#[cfg(test)]
mod tests;
