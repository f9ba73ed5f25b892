//! A lattice of two nodes in one process.

use std::{sync::Arc, time::Duration};

use wrt_contract::{Gate, GateLimits, Interface, Offer};
use wrt_membership::MembershipOptions;
use wrt_protocol::{
    Epoch, LatticeName, NodeId,
    heartbeat::{ReplicaReport, ReplicaState},
};
use wrt_request::Seat;
use wrt_test_servers::NatsServer;
use wrt_transport::{Loopback, Nats, NatsOptions, Transport};

use crate::provider_address;

/// Far more than a few heartbeats.
const APPEARS_WITHIN: Duration = Duration::from_secs(10);

/// A node that serves, and one that calls.
pub struct TwoNodes {
    /// Where the provider of the test lives, at [`provider_address`].
    pub server: Seat,
    /// Where it is called.
    pub client: Seat,
    /// Lives as long as the nodes do.
    _nats: Option<NatsServer>,
}

impl TwoNodes {
    /// Joined by a bus inside the process.
    pub async fn over_loopback() -> Self {
        let bus = Loopback::new();
        let node = |name| bus.transport(NodeId::new(name).unwrap());
        Self::joined([node("server"), node("client")], None).await
    }

    /// Joined by a nats-server of their own.
    ///
    /// # Panics
    /// When it is not installed; the message says how to.
    pub async fn over_nats() -> Self {
        let nats = NatsServer::start().unwrap_or_else(|error| panic!("{error}"));
        let node = |name| {
            let options = NatsOptions::new(NodeId::new(name).unwrap(), vec![nats.url()]);
            async { Nats::connect(options).await.unwrap() as Arc<dyn Transport> }
        };
        let transports = [node("server").await, node("client").await];
        Self::joined(transports, Some(nats)).await
    }

    async fn joined([server, client]: [Arc<dyn Transport>; 2], nats: Option<NatsServer>) -> Self {
        Self {
            server: seat(server, "server", true).await,
            client: seat(client, "client", false).await,
            _nats: nats,
        }
    }

    /// Hosts `object` on the server; what the client sees of it, as soon as it knows of it.
    pub async fn serve<I: Interface>(&self, object: Arc<I::Object>) -> Arc<I::Object> {
        let offer = Offer::new::<I>(object, &Gate::new(GateLimits::default()));
        let hosted = self
            .server
            .exchange
            .host(provider_address(), &[offer])
            .await;
        hosted.unwrap();
        let mut changes = self.client.membership.changes();
        let appears = async {
            let view = || self.client.membership.view();
            while view().remote_candidates(&provider_address()).is_empty() {
                changes.changed().await.unwrap();
            }
        };
        let appeared = tokio::time::timeout(APPEARS_WITHIN, appears).await;
        appeared.expect("the provider appears on the lattice");
        I::remote(self.client.path.clone(), provider_address().into())
    }

    /// How many calls have reached the server over the bus.
    #[must_use]
    pub fn dispatched(&self) -> u64 {
        self.server.exchange.counts().dispatched
    }
}

/// A node that says from its start that it has the provider, if it is the one that will.
async fn seat(transport: Arc<dyn Transport>, node: &str, serves: bool) -> Seat {
    let options = MembershipOptions {
        lattice: LatticeName::new("test").unwrap(),
        node: NodeId::new(node).unwrap(),
        epoch: Epoch(1),
        labels: Vec::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let report = move || {
        let report = ReplicaReport {
            actor: provider_address(),
            state: ReplicaState::Ready,
            running: 0,
            waiting: 0,
            concurrency_max: GateLimits::default().concurrency_max,
            handled: 0,
            refused: 0,
        };
        Vec::from_iter(serves.then_some(report))
    };
    Seat::take(transport, options, Arc::new(report))
        .await
        .unwrap()
}
