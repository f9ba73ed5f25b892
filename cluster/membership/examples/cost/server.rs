//! What one delivery of a heartbeat costs a real NATS server.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::runtime::Builder;
use wrt_protocol::NodeId;
use wrt_test_servers::NatsServer;
use wrt_transport::{Lane, Nats, NatsOptions, Transport};

use super::{lattice::Lattice, process};

/// Nodes that hear.
const HEARERS: usize = 50;
/// Deliveries that are counted, to all of them together.
const DELIVERIES: usize = 400_000;
const WITHIN: Duration = Duration::from_secs(60);

/// Deliveries that one core of the server makes in a second, each heartbeat to many, when so many heartbeats come at
/// once. One by one, as they do, each delivery is a write to a socket; what comes at once shares that.
pub fn deliveries_per_second(window: usize) -> f64 {
    let server = NatsServer::start().expect("a NATS server");
    let pid = server.pid().expect("it runs");
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let lattice = Lattice::new(HEARERS, HEARERS);
        let beat = &lattice.idle_beats()[0];
        let payload = beat.encode().expect("it has an encoding");
        let subject = lattice.subjects.heartbeat(&beat.pulse.node);
        let mut hearers = Vec::new();
        for at in 0..HEARERS {
            let transport = connect(&format!("hearer-{at}"), &server).await;
            let heartbeats = lattice.subjects.heartbeats();
            let heard = transport.subscribe(Lane::Control, heartbeats, None).await;
            hearers.push((transport, heard.expect("the server is up")));
        }
        let speaker = connect("speaker", &server).await;
        let before = process::cpu_seconds(pid);
        let mut delivered = 0_usize;
        // The slow way needs no more than a part of it.
        let rounds = (DELIVERIES / HEARERS / window).min(4000);
        for _ in 0..rounds {
            for _ in 0..window {
                let said = speaker.publish(Lane::Control, subject.clone(), payload.clone());
                said.await.expect("the server is up");
            }
            for (_, heard) in &mut hearers {
                let all = heard.take(window).count();
                delivered += tokio::time::timeout(WITHIN, all).await.expect("all arrive");
            }
        }
        let used = process::cpu_seconds(pid) - before;
        delivered as f64 / used
    })
}

async fn connect(node: &str, server: &NatsServer) -> Arc<Nats> {
    let node = NodeId::new(node).expect("a legal name");
    let options = NatsOptions::new(node, vec![server.url()]);
    Nats::connect(options).await.expect("the server is up")
}
