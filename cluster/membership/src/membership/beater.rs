//! The task that sends this node's heartbeats.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use wrt_protocol::heartbeat::{Beat, NodeState};
use wrt_transport::{Lane, LinkState, Transport};

use super::{Shared, lock, speech::Spoken};
use crate::{ViewChange, heartbeat_interval};

/// Time between two heartbeats at least, however often one is asked for.
const ANNOUNCE_GAP_MIN: Duration = Duration::from_millis(10);

pub(super) struct Beater {
    shared: Arc<Shared>,
    transport: Arc<dyn Transport>,
    link: watch::Receiver<LinkState>,
}

impl Beater {
    pub(super) fn new(shared: Arc<Shared>, transport: Arc<dyn Transport>) -> Self {
        Self {
            shared,
            link: transport.link(),
            transport,
        }
    }

    /// Beats until it is stopped, fenced or has said goodbye.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let beating = async {
            loop {
                self.wait().await;
                if self.beat().await == NodeState::Leaving {
                    break;
                }
            }
        };
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = shared.fenced.cancelled() => {}
            () = beating => {}
        }
        shared.silent.cancel();
    }

    /// Sends one heartbeat, and answers what it said of the node.
    pub(super) async fn beat(&mut self) -> NodeState {
        let spoken = self.shared.speak(self.transport.payload_bytes_max());
        let state = spoken.state();
        let Spoken {
            own,
            beat,
            interval,
        } = spoken;
        // Before it can come back.
        lock(&self.shared.sent).insert(&beat.pulse);
        self.shared.update(ViewChange::Membership, |table, now| {
            table.observe_own(own, now);
        });
        if self.send(&beat, interval).await {
            self.shared.counters.sent.add_one();
        } else {
            self.shared.was_not_sent(&beat);
            self.shared.counters.unsent.add_one();
        }
        state
    }

    async fn send(&self, beat: &Beat, interval: Duration) -> bool {
        let payload = match beat.encode() {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(%error, "heartbeat has no encoding");
                return false;
            }
        };
        let subject = self.shared.subjects.heartbeat(&beat.pulse.node);
        let sending = self.transport.publish(Lane::Control, subject, payload);
        // A heartbeat that is late by an interval is worth less than the next one.
        match timeout(interval, sending).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "heartbeat was not sent");
                false
            }
            Err(_elapsed) => {
                tracing::debug!("heartbeat was not taken within an interval");
                false
            }
        }
    }

    /// Waits until the next heartbeat is due, or asked for, or possible again.
    async fn wait(&mut self) {
        let last = Instant::now();
        let due = last + heartbeat_interval(lock(&self.shared.table).live_count());
        tokio::select! {
            () = sleep_until(due) => return,
            () = self.shared.announce.notified() => {}
            () = reconnected(&mut self.link) => {}
        }
        sleep_until(last + ANNOUNCE_GAP_MIN).await;
    }
}

/// Waits until the link comes up after it was down; for ever if it does not.
async fn reconnected(link: &mut watch::Receiver<LinkState>) {
    let down = link
        .wait_for(|state| *state == LinkState::Down)
        .await
        .is_ok();
    if down && link.wait_for(|state| *state == LinkState::Up).await.is_ok() {
        return;
    }
    std::future::pending().await
}
