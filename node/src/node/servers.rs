//! What this node's providers serve with.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio_util::task::TaskTracker;
use wrt_contract::Permit;
use wrt_protocol::ActorAddress;
use wrt_runtime::{ServerLoad, Serving};

/// The server of each provider that calls components. Supervision starts such a provider as it starts
/// everything else, and drains its gate when it stops; a server holds a permit of that gate until its
/// last event is done, so that the drain waits for it.
pub(crate) struct Servers {
    patience: Duration,
    running: Mutex<BTreeMap<ActorAddress, Arc<Server>>>,
    drains: TaskTracker,
}

/// A provider's server.
pub(crate) struct Server {
    asked: Option<String>,
    serving: Box<dyn Serving>,
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

    /// Frees `address` if the provider's own server has it: the next one takes it over.
    pub(crate) fn give_up_address(&self, provider: &ActorAddress, address: &str) {
        let mut running = self.running();
        let has_it = running
            .get(provider)
            .is_some_and(|server| server.asked.as_deref() == Some(address));
        let server = if has_it {
            running.remove(provider)
        } else {
            None
        };
        drop(running);
        self.drain(server);
    }

    /// Takes in a provider's new server; the one before finishes what it has in hand.
    pub(crate) fn insert(
        &self,
        provider: &ActorAddress,
        address: Option<&str>,
        serving: Box<dyn Serving>,
        permit: Permit,
    ) {
        let permit = Mutex::new(Some(permit));
        let server = Arc::new(Server {
            asked: address.map(str::to_owned),
            serving,
            permit,
        });
        let before = self.running().insert(provider.clone(), server);
        self.drain(before);
    }

    /// Lets a provider's server take nothing new, and end what it has in hand.
    pub(crate) fn close(&self, provider: &ActorAddress) {
        let server = self.running().remove(provider);
        self.drain(server);
    }

    /// Whether the actor is a provider whose server runs.
    pub(crate) fn has(&self, actor: &ActorAddress) -> bool {
        self.running().contains_key(actor)
    }

    /// Where a provider listens in fact: port 0 became another one.
    pub(crate) fn address(&self, provider: &ActorAddress) -> Option<SocketAddr> {
        self.running()
            .get(provider)
            .and_then(|server| server.serving.address())
    }

    /// What a provider's server has in hand, if it runs.
    pub(crate) fn load(&self, provider: &ActorAddress) -> Option<ServerLoad> {
        self.running()
            .get(provider)
            .map(|server| server.serving.load())
    }

    fn drain(&self, server: Option<Arc<Server>>) {
        let Some(server) = server else { return };
        let patience = self.patience;
        self.drains.spawn(async move {
            server.serving.drain(patience).await;
            server.permit.lock().take();
        });
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<ActorAddress, Arc<Server>>> {
        self.running.lock()
    }
}
