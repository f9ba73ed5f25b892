//! The driver: moves heartbeats between the bus and the [`MemberTable`].

mod asker;
mod beater;
mod listener;
mod sent;
mod speech;
mod there;
mod told;

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wrt_protocol::{
    Epoch, LatticeName, NodeId,
    heartbeat::{Beat, NodeState, ReplicaReport},
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
    subject::Subjects,
};
use wrt_transport::{Lane, Transport, TransportError};

use crate::{
    MemberTable, MembershipCounts, NodeClock, Observed, View, ViewChange, counters::Counters,
    table::is_within_label_limits,
};
use beater::Beater;
use listener::Listener;
use sent::SentBeats;
use speech::Speech;
use there::There;

/// Says what this node's replicas do at the moment. Called for each heartbeat, and for each that is asked for: it must be quick, and
/// must not wait for anything that waits for a heartbeat.
pub type Report = Arc<dyn Fn() -> Vec<ReplicaReport> + Send + Sync>;

/// How a node presents itself.
#[derive(Debug, Clone)]
pub struct MembershipOptions {
    /// The lattice to join.
    pub lattice: LatticeName,
    /// This node's name.
    pub node: NodeId,
    /// This incarnation: greater than that of any one before it under the same name.
    pub epoch: Epoch,
    /// What its operator says of it.
    pub labels: Vec<(String, String)>,
    /// Its build.
    pub version: String,
}

/// Why a node could not join.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// Another live node has the name. Two under one name would answer for each other.
    #[error("a node named {node} is already on the lattice, in incarnation {epoch}")]
    NameTaken {
        /// The name.
        node: NodeId,
        /// The incarnation of the one that has it.
        epoch: Epoch,
    },
    /// What the node says of itself does not fit in a heartbeat.
    #[error(
        "node {node} has more than {LABELS_MAX} labels, or a label or version over \
         {LABEL_BYTES_MAX} bytes"
    )]
    LabelsTooLarge {
        /// The node.
        node: NodeId,
    },
    /// The bus did not let it listen.
    #[error("node {node} cannot listen to heartbeats")]
    Subscribe {
        /// The node.
        node: NodeId,
        /// Why.
        #[source]
        source: TransportError,
    },
}

/// This node's membership of a lattice. Dropping it stops it without a word, as a crash would;
/// [`Membership::leave`] says goodbye.
pub struct Membership {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

/// What the tasks and their owner have in common.
struct Shared {
    options: MembershipOptions,
    subjects: Subjects,
    clock: NodeClock,
    table: Mutex<MemberTable>,
    views: ArcSwap<View>,
    changes: watch::Sender<u64>,
    state: Mutex<NodeState>,
    report: Report,
    /// What the node has said.
    speech: Mutex<Speech>,
    sent: Mutex<SentBeats>,
    announce: Notify,
    fenced: CancellationToken,
    /// Ends the tasks.
    stop: CancellationToken,
    /// Cancelled by the beater after its last heartbeat.
    silent: CancellationToken,
    counters: Counters,
}

impl Membership {
    /// Joins: listens for another node of the same name, then starts to beat.
    ///
    /// It listens for two intervals of the slowest beat that it hears, so the first view already
    /// has everyone who could be heard, and this node itself; its first heartbeat has been sent. Where
    /// it is [alone](Transport::is_alone), it does not wait for anybody.
    ///
    /// # Errors
    /// [`MembershipError::NameTaken`] when a live node has the name,
    /// [`MembershipError::LabelsTooLarge`] when `options` are over a limit, and
    /// [`MembershipError::Subscribe`] when the link is down.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was said on the bus and nothing runs.
    pub async fn start(
        options: MembershipOptions,
        transport: Arc<dyn Transport>,
        report: Report,
    ) -> Result<Arc<Self>, MembershipError> {
        let node = options.node.clone();
        if !is_within_label_limits(&options.labels, &options.version) {
            return Err(MembershipError::LabelsTooLarge { node });
        }
        let shared = Arc::new(Shared::new(options, report));
        let subject = shared.subjects.heartbeats();
        let heartbeats = transport
            .subscribe(Lane::Control, subject, None)
            .await
            .map_err(|source| MembershipError::Subscribe { node, source })?;
        let mut listener = Listener::new(Arc::clone(&shared), heartbeats, &transport);
        if !transport.is_alone() {
            listener.find_namesake().await?;
        }
        // Before anybody can hear that it is there.
        let there = There::listen(Arc::clone(&shared), Arc::clone(&transport)).await?;

        let mut beater = Beater::new(Arc::clone(&shared), transport);
        beater.beat().await;
        let tasks = TaskTracker::new();
        tasks.spawn(beater.run());
        tasks.spawn(listener.run());
        tasks.spawn(there.run());
        tasks.close();
        Ok(Arc::new(Self { shared, tasks }))
    }

    /// What the node now believes. Never waits.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.shared.views.load_full()
    }

    /// The generation of the view, and its changes: at once when a node or replica comes, goes or
    /// changes its state, at most every 50 ms when only load changed. The view is stored before its
    /// generation is.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Says from now on that this node is in `state`, and says so at once. [`NodeState::Leaving`] is
    /// final; use [`Membership::leave`] for it.
    pub fn set_state(&self, state: NodeState) {
        self.shared.set_state(state);
    }

    /// Sends a heartbeat now: a replica became ready, or drains. Asked several times within 10 ms,
    /// it sends one. The node's own view changes with that heartbeat, not before it.
    pub fn announce_now(&self) {
        self.shared.announce.notify_one();
    }

    /// Something else than a heartbeat came from `node` that it cannot have sent long ago: it does not become
    /// suspect for a while, unless it misses heartbeats for as long as makes dead.
    pub fn note_sign_of_life(&self, node: &NodeId) {
        lock(&self.shared.table).observe_sign_of_life(node, Instant::now());
    }

    /// This node's clock, which its heartbeats tell.
    #[must_use]
    pub fn clock(&self) -> NodeClock {
        self.shared.clock
    }

    /// This node's name.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.shared.options.node
    }

    /// This node's incarnation.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.options.epoch
    }

    /// Whether the node doubts its own hearing: see [`MemberTable::is_isolated`].
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.shared.views.load().is_isolated()
    }

    /// Cancelled when a newer incarnation under this node's name was heard, or another node of the same
    /// name and epoch that has beaten more often. This one has stopped to beat and must stop to serve.
    #[must_use]
    pub fn fenced(&self) -> CancellationToken {
        self.shared.fenced.clone()
    }

    /// What became of heartbeats so far.
    #[must_use]
    pub fn counts(&self) -> MembershipCounts {
        MembershipCounts {
            absent: lock(&self.shared.table).absent_count(),
            ..self.shared.counters.read()
        }
    }

    /// Says goodbye and stops. The others drop this node as soon as they hear it. Takes at most an
    /// interval when the bus does not take the goodbye.
    pub async fn leave(&self) {
        self.shared.set_state(NodeState::Leaving);
        self.shared.silent.cancelled().await;
        self.shared.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Shared {
    fn new(options: MembershipOptions, report: Report) -> Self {
        let clock = NodeClock::start();
        Self {
            subjects: Subjects::new(&options.lattice),
            clock,
            table: Mutex::new(MemberTable::new(options.node.clone(), clock)),
            views: ArcSwap::default(),
            changes: watch::Sender::new(0),
            state: Mutex::new(NodeState::Serving),
            report,
            speech: Mutex::default(),
            sent: Mutex::default(),
            announce: Notify::new(),
            fenced: CancellationToken::new(),
            stop: CancellationToken::new(),
            silent: CancellationToken::new(),
            counters: Counters::default(),
            options,
        }
    }

    fn set_state(&self, state: NodeState) {
        let mut current = lock(&self.state);
        if *current != NodeState::Leaving {
            *current = state;
        }
        drop(current);
        self.announce.notify_one();
    }

    /// Takes in a heartbeat of another node; the view has it with the next [`Shared::update`].
    fn observe(&self, beat: Beat) -> Observed {
        lock(&self.table).observe_beat(beat, Instant::now())
    }

    /// Changes the table, and publishes a view if that changed as much as `threshold`.
    fn update<T>(
        &self,
        threshold: ViewChange,
        change: impl FnOnce(&mut MemberTable, Instant) -> T,
    ) -> T {
        let mut table = lock(&self.table);
        let value = change(&mut table, Instant::now());
        if table.change() >= threshold {
            let is_membership = table.change() == ViewChange::Membership;
            // Under the lock, so that views are stored in the order of their generations.
            let view = Arc::new(table.view());
            let before = self.views.swap(Arc::clone(&view));
            self.changes.send_replace(view.generation());
            drop(table);
            if is_membership {
                told::tell(&before, &view, &self.counters);
            }
        }
        value
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
