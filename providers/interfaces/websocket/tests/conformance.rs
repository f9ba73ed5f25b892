//! The suite over a table of peers without sockets, from wherever it can be called, and the WIT.

use std::sync::Arc;

use wrt_contract::{Gate, GateLimits, Interface, Lease, LocalDirectory, Offer, async_trait};
use wrt_protocol::{Epoch, FaultKind, Incarnation, NodeId};
use wrt_test_kit::{Served::By, TwoNodes, WitCoverage, provider_address, unreachable};
use wrt_websocket::{
    Listener, Next, PeerHandlerInterface, PeerTable, Peers, PeersHereInterface, PeersInterface,
    Place, QueueLimits, WrtWebSocket,
    conformance::{self, Client, Door, Fixture, QUEUE_MESSAGES, Received},
};

/// Peers that need no socket.
struct Doorless(Arc<PeerTable>);

struct Inside(Place);

#[async_trait]
impl Door for Doorless {
    async fn connect(&self, route: &str) -> Box<dyn Client> {
        let limits = QueueLimits {
            messages_max: QUEUE_MESSAGES,
            bytes_max: 4 * 1024 * 1024,
        };
        let place = self.0.add(route.into(), limits);
        place.enter();
        Box::new(Inside(place))
    }
}

#[async_trait]
impl Client for Inside {
    fn number(&self) -> u64 {
        self.0.number()
    }

    async fn receive(&mut self) -> Received {
        match self.0.queue().next().await {
            Next::End(closing) => Received::Closed(closing.code),
            Next::Message {
                is_text: false,
                data,
            } => Received::Binary(data),
            Next::Message { data, .. } => {
                Received::Text(String::from_utf8(data.into()).expect("it was text"))
            }
        }
    }
}

fn fixture(listener: &Arc<Listener>, peers: Arc<dyn Peers>, home: Option<Incarnation>) -> Fixture {
    Fixture {
        peers,
        door: Arc::new(Doorless(Arc::clone(listener.table()))),
        listener: Lease::on_replica(home),
    }
}

fn home() -> Incarnation {
    Incarnation {
        node: NodeId::new("server").expect("a legal name"),
        epoch: Epoch(1),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_conforms_beside_its_caller() {
    let listener = Arc::<Listener>::default();
    let (directory, address) = (LocalDirectory::default(), provider_address());
    directory.joined(home());
    let offer = Offer::new::<PeersInterface>(listener.clone(), &Gate::new(GateLimits::default()));
    offer.install(&directory, &address);
    let nobody_else = unreachable::<PeersInterface>(FaultKind::Unavailable);
    let link = PeersInterface::linked(directory.slot::<PeersInterface>(&address), nobody_else);
    for home in [None, Some(home())] {
        conformance::run(fixture(&listener, Arc::clone(&link), home)).await;
    }
    assert_eq!(listener.table().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_conforms_on_another_node() {
    for nodes in [TwoNodes::over_loopback().await, TwoNodes::over_nats().await] {
        let listener = Arc::<Listener>::default();
        let remote = nodes.serve::<PeersInterface>(listener.clone()).await;
        conformance::run(fixture(&listener, remote, Some(home()))).await;
        assert!(nodes.dispatched() > 0, "the calls went over the bus");
    }
}

const COVERAGE: WitCoverage = WitCoverage {
    folders: &["../../../wit/websocket"],
    // An export, by which components are called.
    not_served: &["handler"],
    table: &[("peers.close", By("send"))],
};

#[test]
fn each_function_is_served_and_each_interface_is_listed() {
    COVERAGE.check::<WrtWebSocket, PeersInterface>();
}

/// A peer would get a message twice.
#[test]
fn what_must_not_run_twice_is_not_idempotent() {
    let operations = [
        PeersInterface::OPERATIONS,
        PeersHereInterface::OPERATIONS,
        PeerHandlerInterface::OPERATIONS,
    ];
    let again = operations.concat();
    let again = again
        .iter()
        .filter(|operation| operation.idempotent || operation.keyed);
    let again: Vec<_> = again.map(|operation| operation.name.as_str()).collect();
    assert_eq!(again, ["close"]);
}
