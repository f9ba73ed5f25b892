//! Nodes, by their heartbeats.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};
use wrt_deployment::{Cordons, PlacedMember, Standing};
use wrt_membership::{claimed_interval, plausible_interval};
use wrt_protocol::{
    NodeId,
    heartbeat::{Heartbeat, NodeState},
    limits::{HEARTBEATS_MISSED_SUSPECT, MEMBERS_MAX},
    subject::Subjects,
};
use wrt_transport::{Lane, Transport, TransportError};

/// Listens to heartbeats until it is dropped.
pub struct Observer {
    seen: Arc<Seen>,
    _listener: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    nodes: Mutex<BTreeMap<NodeId, SeenNode>>,
    heard: Notify,
}

/// What a node last said of itself.
#[derive(Debug, Clone)]
pub struct SeenNode {
    /// Its last heartbeat.
    pub beat: Heartbeat,
    /// When that was heard.
    pub heard_at: Instant,
}

impl SeenNode {
    /// Whether it was heard as recently as it should have been.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let interval = claimed_interval(self.beat.interval_ms);
        self.heard_at.elapsed() < interval * (HEARTBEATS_MISSED_SUSPECT + 1)
    }
}

impl Observer {
    pub(super) async fn start(
        transport: Arc<dyn Transport>,
        subjects: &Subjects,
    ) -> Result<Self, TransportError> {
        let mut beats = transport
            .subscribe(Lane::Control, subjects.heartbeats(), None)
            .await?;
        let seen = Arc::<Seen>::default();
        let listened = Arc::clone(&seen);
        let mut listener = JoinSet::new();
        listener.spawn(async move {
            while let Some(inbound) = beats.next().await {
                // A frame of another version is another lattice's business.
                if let Ok(beat) = Heartbeat::decode(&inbound.payload) {
                    listened.hear(beat);
                }
            }
        });
        Ok(Self {
            seen,
            _listener: listener,
        })
    }

    /// Listens for two intervals of the slowest node heard, and at least for `least`: whoever beats
    /// has beaten then. One that claims to beat more slowly than anybody would makes nobody wait.
    pub async fn settle(&self, least: Duration) {
        let begun = Instant::now();
        loop {
            let nodes = self.nodes();
            let interval = |node: &SeenNode| plausible_interval(node.beat.interval_ms, nodes.len());
            let slowest = nodes.values().map(interval).max().unwrap_or_default();
            let end = begun + least.max(slowest * 2 + slowest / 5);
            if timeout_at(end, self.heard()).await.is_err() {
                return;
            }
        }
    }

    /// Waits for the next heartbeat.
    pub async fn heard(&self) {
        self.seen.heard.notified().await;
    }

    /// The nodes heard so far; those that said goodbye are gone.
    #[must_use]
    pub fn nodes(&self) -> BTreeMap<NodeId, SeenNode> {
        self.seen.nodes.lock().clone()
    }

    /// The nodes, as placement sees them where these are cordoned.
    #[must_use]
    pub fn members(&self, cordons: &Cordons) -> Vec<PlacedMember> {
        let member = |node: SeenNode| PlacedMember {
            standing: match node.beat.state {
                _ if !node.is_alive() => Standing::Dead,
                NodeState::Serving => Standing::Serving,
                NodeState::Draining | NodeState::Leaving => Standing::Draining,
            },
            id: node.beat.node,
            labels: node.beat.labels.into_iter().collect(),
            cordon: None,
        };
        let mut members: Vec<_> = self.nodes().into_values().map(member).collect();
        cordons.put_on(&mut members);
        members
    }
}

impl Seen {
    fn hear(&self, beat: Heartbeat) {
        let mut nodes = self.nodes.lock();
        let is_stale = nodes
            .get(&beat.node)
            .is_some_and(|seen| seen.beat.epoch > beat.epoch && seen.is_alive());
        if is_stale {
            return;
        }
        if beat.state == NodeState::Leaving {
            nodes.remove(&beat.node);
        } else if nodes.len() < MEMBERS_MAX || nodes.contains_key(&beat.node) {
            nodes.insert(
                beat.node.clone(),
                SeenNode {
                    beat,
                    heard_at: Instant::now(),
                },
            );
        }
        drop(nodes);
        self.heard.notify_one();
    }
}
