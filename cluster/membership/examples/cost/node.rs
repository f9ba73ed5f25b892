//! What a node takes of a core while nothing changes: a real one, on a real server, to which the others are played.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use tokio::{runtime::Builder, time::sleep};
use wrt_membership::{Membership, MembershipOptions};
use wrt_protocol::{Epoch, NodeId, heartbeat::Beat};
use wrt_test_servers::NatsServer;
use wrt_transport::{Lane, Nats, NatsOptions, Transport};

use super::{
    lattice::{Lattice, labels, lattice_name, node},
    process,
};

const MEASURED: Duration = Duration::from_secs(10);
const KNOWN_WITHIN: Duration = Duration::from_secs(60);

/// Of the first node, in parts of a core. It has a thread of its own.
pub fn idle(lattice: &Lattice) -> f64 {
    let server = NatsServer::start().expect("a NATS server");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let others = scope.spawn(|| play_others(lattice, &server.url(), &is_over));
        let node = scope.spawn(|| run(lattice, &server.url()));
        let idle = node.join().expect("it runs");
        is_over.store(true, Ordering::Relaxed);
        others.join().expect("they run");
        idle
    })
}

fn run(lattice: &Lattice, url: &str) -> f64 {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let transport = connect(node(0), url).await;
        let options = MembershipOptions {
            lattice: lattice_name(),
            node: node(0),
            epoch: Epoch(1_764_000_000_000_000),
            labels: labels(0),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let share = lattice.shares[0].clone();
        let report = Arc::new(move || share.clone());
        let joined = Membership::start(options, transport, report).await;
        let membership = joined.expect("nobody has the name");
        let known = async {
            while membership.view().live_members().count() < lattice.nodes {
                sleep(Duration::from_millis(100)).await;
            }
        };
        let known = tokio::time::timeout(KNOWN_WITHIN, known).await;
        known.expect("all are heard");
        sleep(lattice.interval()).await;
        let before = process::own_cpu_seconds();
        sleep(MEASURED).await;
        let used = process::own_cpu_seconds() - before;
        let counts = membership.counts();
        assert!(counts.malformed == 0 && counts.silences == 0, "{counts:?}");
        used / MEASURED.as_secs_f64()
    })
}

/// All but the first node beat, one after the other. Until that one beats they say all each time: it listens
/// before it does.
fn play_others(lattice: &Lattice, url: &str, is_over: &AtomicBool) {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let transport = connect(NodeId::new("others").expect("a legal name"), url).await;
        let subject = lattice.subjects.heartbeat(&node(0));
        let heard = transport.subscribe(Lane::Control, subject, None).await;
        let mut heard = heard.expect("the server is up");
        let (first, idle) = (lattice.first_beats(), lattice.idle_beats());
        let pause = lattice.interval() / u32::try_from(lattice.nodes).expect("some nodes");
        let mut beats = &first;
        let mut next = tokio::time::interval(pause);
        for sequence in 0.. {
            for (at, beat) in beats.iter().enumerate().skip(1) {
                next.tick().await;
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let beat = Beat {
                    pulse: lattice.pulse(at, sequence),
                    said: beat.said.clone(),
                };
                let payload = beat.encode().expect("it has an encoding");
                let subject = lattice.subjects.heartbeat(&node(at));
                let said = transport.publish(Lane::Control, subject, payload).await;
                said.expect("the server is there");
            }
            if heard.next().now_or_never().is_some() {
                beats = &idle;
            }
        }
    });
}

async fn connect(node: NodeId, url: &str) -> Arc<Nats> {
    let options = NatsOptions::new(node, vec![url.to_owned()]);
    Nats::connect(options).await.expect("the server is up")
}
