//! The handle of the supervision tree.

use std::{fmt, sync::Arc, time::Duration};

use futures::future::join_all;
use ractor::{Actor, ActorRef, ActorStatus};
use tokio::{sync::oneshot, task::JoinHandle, time};
use tracing::warn;
use wrt_contract::GateLoad;
use wrt_protocol::{ActorAddress, heartbeat::ReplicaState, limits::REPLICAS_PER_NODE_MAX};

use crate::{
    OnChange, Start, SupervisionOptions,
    supervisor::{Shared, StopRequest, Supervisor, SupervisorMessage, WantedReplica},
};

/// What replicas get beyond their patience to say that they are drained.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// A node's supervision tree. Dropping it stops everything at once, without draining.
pub struct Supervision {
    shared: Arc<Shared>,
    supervisor: ActorRef<SupervisorMessage>,
    ended: Option<JoinHandle<()>>,
}

/// Why an actor is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The node hosts as many as a heartbeat can report.
    #[error("{actor} is one actor more than the {replicas_max} that a node can host")]
    TooMany {
        /// Which.
        actor: ActorAddress,
        /// How many a node can host.
        replicas_max: usize,
    },
    /// The tree is shut down.
    #[error("{actor} is not run: the node is stopping")]
    Stopped {
        /// Which.
        actor: ActorAddress,
    },
}

impl Supervision {
    /// Starts the tree with the usual times; `on_change` is told of each replica's offers.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn start(on_change: OnChange) -> Self {
        Self::start_with(SupervisionOptions::default(), on_change).await
    }

    /// Starts the tree.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn start_with(options: SupervisionOptions, on_change: OnChange) -> Self {
        let shared = Arc::new(Shared::new(options, on_change));
        let spawned = Supervisor::spawn(None, Supervisor, Arc::clone(&shared)).await;
        let (supervisor, ended) = spawned.expect("an actor without a name whose start cannot fail");
        Self {
            shared,
            supervisor,
            ended: Some(ended),
        }
    }

    /// Runs an actor until it is stopped. If it runs already, the new start replaces the old one:
    /// what runs goes on until the new one is ready, and is drained then.
    ///
    /// # Errors
    /// When the node hosts too many, or is stopping.
    pub fn run(&self, actor: ActorAddress, start: Arc<dyn Start>) -> Result<(), RunError> {
        if !self.shared.has_room_for(&actor, REPLICAS_PER_NODE_MAX) {
            return Err(RunError::TooMany {
                actor,
                replicas_max: REPLICAS_PER_NODE_MAX,
            });
        }
        if self.wish(&actor, |wanted| wanted.run = Some(start)) {
            Ok(())
        } else {
            Err(RunError::Stopped { actor })
        }
    }

    /// Stops an actor: takes its offers back, lets calls in hand go on for `patience`, and returns
    /// when it is gone; at the latest a second after its patience. One that does not run is gone.
    ///
    /// # Cancel safety
    /// The actor is stopped all the same.
    pub async fn stop(&self, actor: &ActorAddress, patience: Duration) {
        let (done, gone) = oneshot::channel();
        let is_heard = self.wish(actor, |wanted| {
            wanted.run = None;
            let none = StopRequest {
                patience,
                done: Vec::new(),
            };
            let request = wanted.stop.get_or_insert(none);
            request.patience = request.patience.min(patience);
            request.done.push(done);
        });
        // If the supervisor is gone, so are all its children.
        if is_heard && time::timeout(patience + STOP_GRACE, gone).await.is_err() {
            warn!(%actor, "did not stop within its patience");
        }
    }

    /// Each replica, its state and its load, by address. Cheap: no actor is asked.
    #[must_use]
    pub fn status(&self) -> Vec<(ActorAddress, ReplicaState, GateLoad)> {
        self.shared.board.status()
    }

    /// Stops every actor at the same time, each with `patience`, and then the tree itself.
    pub async fn shutdown(mut self, patience: Duration) {
        let addresses = self.shared.addresses();
        let stops = addresses.iter().map(|actor| self.stop(actor, patience));
        join_all(stops).await;
        self.supervisor.kill();
        if let Some(ended) = self.ended.take() {
            let _ended = ended.await;
        }
    }

    fn wish(&self, actor: &ActorAddress, wish: impl FnOnce(&mut WantedReplica)) -> bool {
        if self.supervisor.get_status() == ActorStatus::Stopped {
            return false;
        }
        !self.shared.want(actor.clone(), wish)
            || self
                .supervisor
                .send_message(SupervisorMessage::Reconcile)
                .is_ok()
    }
}

impl Drop for Supervision {
    fn drop(&mut self) {
        self.supervisor.kill();
    }
}

impl fmt::Debug for Supervision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Supervision").field(&self.status()).finish()
    }
}
