//! What this node's providers serve with.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{task::JoinSet, time::timeout};
use wrt_contract::{Measured, Permit};
use wrt_deployment::addresses_clash;
use wrt_protocol::ActorAddress;
use wrt_runtime::{ServerLoad, Serving};

/// What a server may take to drain beyond the patience that it was told.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// The server of each provider that calls components. Supervision starts such a provider as it starts
/// everything else, and drains its gate when it stops; a server holds a permit of that gate until its
/// last event is done, so that the drain waits for it.
pub(crate) struct Servers {
    patience: Duration,
    running: Mutex<BTreeMap<ActorAddress, Arc<Server>>>,
    /// As many as servers were replaced or closed within a patience.
    drains: Mutex<JoinSet<()>>,
}

/// A provider's server.
pub(crate) struct Server {
    asked: Option<String>,
    calls_somebody: bool,
    serving: Box<dyn Serving>,
    permit: Mutex<Option<Permit>>,
}

impl Server {
    /// One that has this address and this permit of its provider's gate. `calls_somebody` says whether there are
    /// components that it calls: a provider may be there for its links alone.
    pub(crate) fn new(
        address: Option<&str>,
        calls_somebody: bool,
        serving: Box<dyn Serving>,
        permit: Permit,
    ) -> Self {
        Self {
            asked: address.map(str::to_owned),
            calls_somebody,
            serving,
            permit: Mutex::new(Some(permit)),
        }
    }
}

impl Servers {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            running: Mutex::default(),
            drains: Mutex::default(),
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

    /// Which other provider has `address`, or one that covers it.
    pub(crate) fn holder(&self, address: &str, asking: &ActorAddress) -> Option<ActorAddress> {
        let has_it = |(provider, server): &(&ActorAddress, &Arc<Server>)| {
            let asked = server.asked.as_deref();
            *provider != asking && asked.is_some_and(|asked| addresses_clash(asked, address))
        };
        let running = self.running();
        running
            .iter()
            .find(has_it)
            .map(|(provider, _)| provider.clone())
    }

    /// Takes in a provider's new server; the one before finishes what it has in hand.
    pub(crate) fn insert(&self, provider: &ActorAddress, server: Server) {
        let before = self.running().insert(provider.clone(), Arc::new(server));
        self.drain(before);
    }

    /// Lets a provider's server take nothing new, and end what it has in hand.
    pub(crate) fn close(&self, provider: &ActorAddress) {
        let server = self.running().remove(provider);
        self.drain(server);
    }

    /// Whether the actor is a provider whose server runs, and calls components.
    pub(crate) fn calls_somebody(&self, actor: &ActorAddress) -> bool {
        let running = self.running();
        running.get(actor).is_some_and(|it| it.calls_somebody)
    }

    /// Where a provider listens in fact: port 0 became another one.
    pub(crate) fn address(&self, provider: &ActorAddress) -> Option<SocketAddr> {
        self.running()
            .get(provider)
            .and_then(|server| server.serving.address())
    }

    /// The same as a URL, if it is one.
    pub(crate) fn url(&self, provider: &ActorAddress) -> Option<String> {
        let running = self.running();
        let serving = &running.get(provider)?.serving;
        Some(format!("{}://{}", serving.scheme()?, serving.address()?))
    }

    /// What a provider's server has in hand, if it runs.
    pub(crate) fn load(&self, provider: &ActorAddress) -> Option<ServerLoad> {
        self.running()
            .get(provider)
            .map(|server| server.serving.load())
    }

    /// What a provider's server counts, by its own names.
    pub(crate) fn counters(&self, provider: &ActorAddress) -> BTreeMap<String, u64> {
        let running = self.running();
        let counters = running.get(provider).map(|it| it.serving.counters());
        let counters = counters.into_iter().flatten();
        counters
            .map(|(name, count)| (name.to_owned(), count))
            .collect()
    }

    /// What a provider's server measures.
    pub(crate) fn measured(&self, provider: &ActorAddress) -> Vec<Measured> {
        let server = self.running().get(provider).map(Arc::clone);
        server.map(|it| it.serving.measured()).unwrap_or_default()
    }

    fn drain(&self, server: Option<Arc<Server>>) {
        let Some(server) = server else { return };
        let patience = self.patience;
        let mut drains = self.drains.lock();
        while drains.try_join_next().is_some() {}
        drains.spawn(async move {
            let drained = server.serving.drain(patience);
            if timeout(patience + DRAIN_GRACE, drained).await.is_err() {
                tracing::warn!(
                    ?patience,
                    "a server does not end in its patience, and is cut off"
                );
            }
            // Dropped before its permit: what waits for that finds its address free.
            let permit = server.permit.lock().take();
            drop(server);
            drop(permit);
        });
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<ActorAddress, Arc<Server>>> {
        self.running.lock()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use tokio::time::Instant;
    use wrt_contract::{CallContext, Gate, GateLimits};
    use wrt_protocol::Name;

    use super::*;

    /// Ends when it is dropped.
    struct Endless(#[expect(dead_code, reason = "it is dropped")] tokio::sync::mpsc::Sender<()>);

    impl Serving for Endless {
        fn load(&self) -> ServerLoad {
            ServerLoad::default()
        }

        fn drain(&self, _: Duration) -> BoxFuture<'_, bool> {
            Box::pin(std::future::pending())
        }
    }

    /// It kept its permit and its address for ever.
    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_drain_is_cut_off() {
        let patience = Duration::from_secs(10);
        let servers = Servers::new(patience);
        let name = || Name::new("web").expect("a legal name");
        let provider = ActorAddress::provider(name(), name());
        let gate = Gate::new(GateLimits::default());
        let permit = gate
            .admit(&CallContext::default())
            .await
            .expect("it is free");
        let (server, mut dropped) = tokio::sync::mpsc::channel(1);
        let server = Server::new(None, true, Box::new(Endless(server)), permit);
        servers.insert(&provider, server);
        let started = Instant::now();
        servers.close(&provider);
        assert_eq!(gate.load().running, 1);
        let end = timeout(2 * patience, dropped.recv()).await;
        assert_eq!(end, Ok(None), "it is still there");
        assert_eq!(started.elapsed(), patience + DRAIN_GRACE);
        tokio::task::yield_now().await;
        assert_eq!(gate.load().running, 0);
    }
}
