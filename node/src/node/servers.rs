//! The servers of this node's triggers.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_util::task::TaskTracker;
use wrt_contract::Permit;
use wrt_protocol::ActorAddress;

use crate::registry::TriggerServer;

/// Each trigger's server. Supervision starts triggers as it starts everything else, and drains their
/// gate when they stop; a server holds a permit of that gate until its last request is done, so that
/// the drain waits for it.
pub(crate) struct Servers {
    patience: Duration,
    running: Mutex<BTreeMap<ActorAddress, Arc<Server>>>,
    drains: TaskTracker,
}

/// A trigger's server.
pub(crate) struct Server {
    asked: String,
    server: TriggerServer,
    permit: Mutex<Option<Permit>>,
}

impl Servers {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            running: Mutex::default(),
            drains: TaskTracker::new(),
        }
    }

    /// Frees `address` if the trigger's own server has it: the next one takes the port over.
    pub(crate) fn give_up_port(&self, trigger: &ActorAddress, address: &str) {
        let mut running = self.running();
        let has_it = running
            .get(trigger)
            .is_some_and(|server| server.asked == address);
        let server = if has_it {
            running.remove(trigger)
        } else {
            None
        };
        drop(running);
        self.drain(server);
    }

    /// Takes in a trigger's new server; the one before finishes what it has in hand.
    pub(crate) fn insert(
        &self,
        trigger: &ActorAddress,
        address: &str,
        server: TriggerServer,
        permit: Permit,
    ) {
        let permit = Mutex::new(Some(permit));
        let server = Arc::new(Server {
            asked: address.to_owned(),
            server,
            permit,
        });
        let before = self.running().insert(trigger.clone(), server);
        self.drain(before);
    }

    /// Closes a trigger's port, and lets its requests end.
    pub(crate) fn close(&self, trigger: &ActorAddress) {
        let server = self.running().remove(trigger);
        self.drain(server);
    }

    /// Whether the actor is a trigger whose server runs.
    pub(crate) fn has(&self, actor: &ActorAddress) -> bool {
        self.running().contains_key(actor)
    }

    /// Where a trigger listens in fact: port 0 became another one.
    pub(crate) fn address(&self, trigger: &ActorAddress) -> Option<SocketAddr> {
        self.running()
            .get(trigger)
            .map(|server| server.server.address)
    }

    /// Requests in hand and handled, for a trigger that runs.
    pub(crate) fn load(&self, trigger: &ActorAddress) -> Option<(u32, u64)> {
        self.running()
            .get(trigger)
            .map(|server| (server.server.load)())
    }

    fn drain(&self, server: Option<Arc<Server>>) {
        let Some(server) = server else { return };
        let patience = self.patience;
        self.drains.spawn(async move {
            (server.server.drain)(patience).await;
            server
                .permit
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
        });
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<ActorAddress, Arc<Server>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
