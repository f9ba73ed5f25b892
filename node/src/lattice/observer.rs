//! Nodes, by their heartbeats.
//!
//! Most of those say only what has changed, so each node is asked once for all of it, and once more where
//! something was missed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};
use wrt_deployment::{Cordons, PlacedMember, Standing};
use wrt_membership::{Wholes, claimed_interval, plausible_interval};
use wrt_protocol::{
    NodeId,
    heartbeat::{Applied, Beat, Changes, Heartbeat, NodeState, PartOf, Pulse, Said},
    limits::{HEARTBEATS_MISSED_SUSPECT, MEMBERS_MAX},
    subject::Subjects,
};
use wrt_transport::{Lane, Transport, TransportError};

/// How much longer one listens for who was heard and has not said yet what it is: it may be behind a slow line.
const UNKNOWN_WAIT_MAX: Duration = Duration::from_secs(3);

/// Listens to heartbeats until it is dropped.
pub struct Observer {
    seen: Arc<Seen>,
    _listener: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    nodes: Mutex<BTreeMap<NodeId, SeenNode>>,
    /// Who was heard, and has not said yet all that it is.
    unknown: Mutex<BTreeSet<NodeId>>,
    heard: Notify,
    /// Whoever looks wants to know all of it anew.
    is_asked: Notify,
}

/// What a node last said of itself.
#[derive(Debug, Clone)]
pub struct SeenNode {
    /// Its last heartbeat, and what it has said before of what did not change since.
    pub beat: Heartbeat,
    /// When that was heard.
    pub heard_at: Instant,
    /// When it was looked at last.
    looked_at: Instant,
    /// Of a build that says more than a heartbeat has.
    part: Option<PartOf>,
}

impl SeenNode {
    /// Whether it had been heard as recently as it should when [`Observer::nodes`] answered with this, however long
    /// ago that is.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.is_alive_at(self.looked_at)
    }

    fn is_alive_at(&self, now: Instant) -> bool {
        let interval = claimed_interval(self.beat.interval_ms);
        let silent_for = now.saturating_duration_since(self.heard_at);
        silent_for < interval * (HEARTBEATS_MISSED_SUSPECT + 1)
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
        let mut wholes = Wholes::new(transport, subjects.clone());
        let mut listener = JoinSet::new();
        listener.spawn(async move {
            loop {
                let beat = tokio::select! {
                    inbound = beats.next() => match inbound {
                        // A frame of another version is another lattice's business.
                        Some(inbound) => Beat::decode(&inbound.payload).ok(),
                        None => return,
                    },
                    Some(beat) = wholes.next() => Some(beat),
                    () = listened.is_asked.notified() => {
                        for node in listened.known() {
                            wholes.ask(&node);
                        }
                        continue;
                    }
                };
                if let Some(node) = beat.and_then(|beat| listened.hear(beat)) {
                    wholes.ask(&node);
                }
            }
        });
        Ok(Self {
            seen,
            _listener: listener,
        })
    }

    /// Listens for two intervals of the slowest node heard, and at least for `least`: whoever beats
    /// has beaten then. One that claims to beat more slowly than anybody would makes nobody wait, and one that
    /// does not say what it is does not for long. Ends sooner when as many are heard as any of them knows.
    pub async fn settle(&self, least: Duration) {
        let begun = Instant::now();
        while !self.seen.are_all() {
            let nodes = self.nodes();
            let interval = |node: &SeenNode| plausible_interval(node.beat.interval_ms, nodes.len());
            let slowest = nodes.values().map(interval).max().unwrap_or_default();
            let mut end = begun + least.max(slowest * 2 + slowest / 5);
            if !self.seen.unknown.lock().is_empty() {
                end += UNKNOWN_WAIT_MAX;
            }
            if timeout_at(end, self.heard()).await.is_err() {
                return;
            }
        }
    }

    /// Asks every node that is known for all that it has to say: what it has handled is in no heartbeat that says
    /// only what has changed. Nobody is asked more often than the lattice allows.
    pub fn ask_all(&self) {
        self.seen.is_asked.notify_one();
    }

    /// Waits for the next heartbeat.
    pub async fn heard(&self) {
        self.seen.heard.notified().await;
    }

    /// The nodes heard so far, as they are now; those that said goodbye are gone.
    #[must_use]
    pub fn nodes(&self) -> BTreeMap<NodeId, SeenNode> {
        let mut nodes = self.seen.nodes.lock().clone();
        let now = Instant::now();
        for node in nodes.values_mut() {
            node.looked_at = now;
        }
        nodes
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
    fn known(&self) -> Vec<NodeId> {
        self.nodes.lock().keys().cloned().collect()
    }

    /// Whether those who are heard know of nobody else.
    fn are_all(&self) -> bool {
        let nodes = self.nodes.lock();
        let knows_no_more = |node: &SeenNode| {
            let members = node.part.map(|part| usize::try_from(part.members));
            members.is_some_and(|members| members.is_ok_and(|members| members <= nodes.len()))
        };
        let are_known = self.unknown.lock().is_empty() && !nodes.is_empty();
        are_known && nodes.values().all(knows_no_more)
    }

    /// Takes a heartbeat in; answers whom to ask for all that it says.
    fn hear(&self, beat: Beat) -> Option<NodeId> {
        let to_ask = self.take(beat);
        self.heard.notify_one();
        to_ask
    }

    fn take(&self, beat: Beat) -> Option<NodeId> {
        let Beat { pulse, said } = beat;
        let mut nodes = self.nodes.lock();
        let known = nodes.get(&pulse.node);
        if known.is_some_and(|seen| seen.is_newer_than(&pulse)) {
            return None;
        }
        if pulse.state == NodeState::Leaving {
            nodes.remove(&pulse.node);
            self.unknown.lock().remove(&pulse.node);
            return None;
        }
        if known.is_none() && nodes.len() >= MEMBERS_MAX {
            return None;
        }
        let node = pulse.node.clone();
        let is_known = match said {
            Said::Whole(share) if share.is_all() => {
                let part = share.part;
                nodes.insert(node.clone(), SeenNode::new(pulse.with(share), part));
                true
            }
            Said::Whole(_) => false,
            Said::Changes(changes) => {
                let known = nodes.get_mut(&node).filter(|seen| seen.is_of(&pulse));
                known.is_some_and(|seen| seen.heard(pulse, &changes))
            }
        };
        drop(nodes);
        let mut unknown = self.unknown.lock();
        if is_known {
            unknown.remove(&node);
            return None;
        }
        if unknown.len() < MEMBERS_MAX {
            unknown.insert(node.clone());
        }
        Some(node)
    }
}

impl SeenNode {
    pub(crate) fn new(beat: Heartbeat, part: Option<PartOf>) -> Self {
        let now = Instant::now();
        Self {
            beat,
            heard_at: now,
            looked_at: now,
            part,
        }
    }

    fn is_of(&self, pulse: &Pulse) -> bool {
        self.beat.epoch == pulse.epoch
    }

    /// Whether something later was heard, or of a later incarnation that lives. What was asked for may overtake
    /// what was said to all.
    fn is_newer_than(&self, pulse: &Pulse) -> bool {
        match self.is_of(pulse) {
            true => self.beat.sequence > pulse.sequence,
            false => self.beat.epoch > pulse.epoch && self.is_alive_at(Instant::now()),
        }
    }

    /// Answers whether its share is known as it has it.
    fn heard(&mut self, pulse: Pulse, changes: &Changes) -> bool {
        self.heard_at = Instant::now();
        self.beat.sequence = pulse.sequence;
        self.beat.sent_at = pulse.sent_at;
        self.beat.interval_ms = pulse.interval_ms;
        self.beat.state = pulse.state;
        let known = self.part.map(|part| part.revision);
        match changes.apply(known, || self.beat.replicas.clone()) {
            Applied::Nothing => true,
            Applied::Changed(replicas) => {
                self.beat.replicas = replicas;
                if let Some(part) = &mut self.part {
                    part.revision = changes.revision;
                }
                true
            }
            Applied::NotKnown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use wrt_protocol::{Epoch, NodeMicros};

    use super::*;

    /// Fails when nodes that were there fall silent while others are waited for, who do not say how they are.
    #[tokio::test(start_paused = true)]
    async fn what_was_looked_at_stays_as_it_was() {
        let observer = Observer {
            seen: Arc::default(),
            _listener: JoinSet::new(),
        };
        let node = NodeId::new("a").unwrap();
        let beat = Heartbeat {
            node: node.clone(),
            epoch: Epoch(1),
            sequence: 0,
            sent_at: NodeMicros(0),
            interval_ms: 250,
            state: NodeState::Serving,
            version: String::new(),
            labels: Vec::new(),
            replicas: Vec::new(),
        };
        observer.seen.hear(Beat::from(beat));
        let looked = observer.nodes();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(looked[&node].is_alive());
        assert!(!observer.nodes()[&node].is_alive());
    }
}
