//! How many files and sockets the process may have open, and who gets the last ones.

use std::{fs::File, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{sync::watch, time::timeout};
use wrt_transport::LinkState;

/// What a node needs to come back to its bus: a socket for each lane, and what finds the way to the
/// server.
const KEPT_FOR_BUS: usize = 16;

/// Pause before what could not be kept is asked for again.
const KEEP_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Raises the process's own limit to what its operator allows at most. The usual one, 1,024, is for
/// programs of another time: a node has one open for each connection, and for each component that has
/// served, and without any left it loses the bus.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, limit = limit.current, "the limit of open files stays as it is");
    }
}

/// Keeps descriptors for the bus, which are free only while the link is down. Whoever else wants the
/// last ones, the code of a component that serves for the first time, a connection, a file, gets an
/// error of its own; a node that does not come back to its bus would be lost for all. Never ends.
pub async fn keep_for_bus(mut link: watch::Receiver<LinkState>) {
    let mut kept = Vec::new();
    loop {
        let is_down = *link.borrow_and_update() == LinkState::Down;
        if is_down {
            kept.clear();
        } else {
            let missing = KEPT_FOR_BUS.saturating_sub(kept.len());
            kept.extend((0..missing).map_while(|_| File::open("/dev/null").ok()));
        }
        let is_short = !is_down && kept.len() < KEPT_FOR_BUS;
        let changed = link.changed();
        let changed = match is_short {
            true => timeout(KEEP_AGAIN_AFTER, changed).await.unwrap_or(Ok(())),
            false => changed.await,
        };
        if changed.is_err() {
            // The bus is gone, and with it the node.
            return std::future::pending().await;
        }
    }
}
