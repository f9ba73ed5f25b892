//! A bus to try a promise on, and waiting with a deadline.

use std::{fmt::Debug, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use tokio::{
    sync::watch,
    task::block_in_place,
    time::{sleep, timeout},
};
use wrt_protocol::NodeId;
use wrt_test_servers::NatsServer;
use wrt_transport::{
    Inbound, LinkState, Loopback, LoopbackTransport, Nats, NatsOptions, Subscription, Transport,
};

/// Longer than anything honest takes, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A bus whose links can be lost.
#[async_trait]
pub trait World: Sync {
    /// What it puts nodes on.
    type Transport: Transport;
    /// Puts a node on the bus.
    async fn node(&self, name: &str) -> Arc<Self::Transport>;
    /// Takes the node's link away; others may lose theirs too.
    async fn lose_link(&self, name: &str);
    /// Gives it back.
    async fn restore_link(&self, name: &str);
    /// Requests that wait on that node.
    fn requests_waiting(&self, node: &Self::Transport) -> usize;
}

#[derive(Default)]
pub struct LoopbackWorld(Loopback);

#[async_trait]
impl World for LoopbackWorld {
    type Transport = LoopbackTransport;

    async fn node(&self, name: &str) -> Arc<LoopbackTransport> {
        self.0.transport(node_id(name))
    }

    async fn lose_link(&self, name: &str) {
        self.0.cut_off(&node_id(name));
    }

    async fn restore_link(&self, name: &str) {
        self.0.heal(&node_id(name));
    }

    fn requests_waiting(&self, _node: &LoopbackTransport) -> usize {
        self.0.requests_waiting()
    }
}

pub struct NatsWorld(NatsServer);

impl NatsWorld {
    pub fn start() -> Self {
        Self(block_in_place(NatsServer::start).expect("a NATS server"))
    }
}

#[async_trait]
impl World for NatsWorld {
    type Transport = Nats;

    async fn node(&self, name: &str) -> Arc<Nats> {
        Nats::connect(NatsOptions::new(node_id(name), vec![self.0.url()]))
            .await
            .expect("a connection")
    }

    async fn lose_link(&self, _name: &str) {
        block_in_place(|| self.0.kill()).expect("a server to kill");
    }

    async fn restore_link(&self, _name: &str) {
        block_in_place(|| self.0.restart()).expect("the server again");
    }

    fn requests_waiting(&self, node: &Nats) -> usize {
        node.requests_waiting()
    }
}

pub fn node_id(name: &str) -> NodeId {
    NodeId::new(name).expect("a legal name")
}

pub fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Fails the test instead of waiting for ever.
pub async fn in_time<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("within the patience")
}

/// The next payload of a subscription.
pub async fn next(subscription: &mut Subscription) -> Inbound {
    in_time(subscription.next()).await.expect("a payload")
}

/// Tries until it holds.
pub async fn eventually<F>(what: &str, mut holds: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let poll = async {
        while !holds().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, poll)
        .await
        .unwrap_or_else(|_| panic!("in vain: {what}"));
}

pub async fn link_becomes(link: &mut watch::Receiver<LinkState>, state: LinkState) {
    in_time(link.wait_for(|now| *now == state))
        .await
        .expect("the transport is alive");
}

/// The error of something that must fail.
pub fn refused<T, E: Debug>(result: Result<T, E>) -> E {
    result.err().expect("an error")
}
