//! Two nodes on one loopback: the client lives on one of them, and is called from the other.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use wrt_contract::{Body, CallContext, Gate, GateLimits, Interface, Offer};
use wrt_http::{
    HttpClient, HttpClientInterface, HttpError, RequestHead, RequestOptions, ResponseHead,
};
use wrt_membership::MembershipOptions;
use wrt_protocol::{
    ActorAddress, Epoch, LatticeName, Name, NodeId,
    heartbeat::{ReplicaReport, ReplicaState},
};
use wrt_request::Seat;
use wrt_transport::Loopback;

/// The way to a client on another node; both nodes live as long as this.
pub struct AnotherNode {
    remote: Arc<dyn HttpClient>,
    _nodes: [Seat; 2],
}

impl AnotherNode {
    pub async fn of(client: Arc<dyn HttpClient>) -> Self {
        let bus = Loopback::new();
        let name = |text| Name::new(text).unwrap();
        let target = ActorAddress::provider(name("test"), name("outside"));
        let offer = Offer::new::<HttpClientInterface>(client, &Gate::new(GateLimits::default()));
        let near = take_seat(&bus, "near", Vec::new()).await;
        let far = take_seat(&bus, "far", vec![ready(&target)]).await;
        far.exchange.host(target.clone(), &[offer]).await.unwrap();
        let mut changes = near.membership.changes();
        let is_seen = async {
            let near = &near.membership;
            while near.view().remote_candidates(&target).is_empty() {
                changes.changed().await.unwrap();
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(10), is_seen).await;
        in_time.expect("the client appears on the lattice");
        Self {
            remote: HttpClientInterface::remote(near.path.clone(), target.into()),
            _nodes: [near, far],
        }
    }
}

async fn take_seat(bus: &Loopback, node: &str, hosts: Vec<ReplicaReport>) -> Seat {
    let node = NodeId::new(node).unwrap();
    let transport = bus.transport(node.clone());
    let lattice = LatticeName::new("test").unwrap();
    let options = MembershipOptions {
        node,
        lattice,
        version: "0.1.0".to_owned(),
        epoch: Epoch(1),
        labels: Vec::new(),
    };
    let taken = Seat::take(transport, options, Arc::new(move || hosts.clone()));
    taken.await.unwrap()
}

fn ready(actor: &ActorAddress) -> ReplicaReport {
    ReplicaReport {
        actor: actor.clone(),
        concurrency_max: 64,
        state: ReplicaState::Ready,
        handled: 0,
        refused: 0,
        running: 0,
        waiting: 0,
    }
}

#[async_trait]
impl HttpClient for AnotherNode {
    async fn send(
        &self,
        context: &CallContext,
        request: RequestHead,
        options: RequestOptions,
        body: Body<HttpError>,
    ) -> Result<(ResponseHead, Body<HttpError>), HttpError> {
        self.remote.send(context, request, options, body).await
    }
}
