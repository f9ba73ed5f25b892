//! A bus, and nodes on it that each host a replica of the same actor.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wrt_membership::{Liveness, Membership, MembershipError, MembershipOptions, Report, View};
use wrt_protocol::{
    ActorAddress, Epoch, LatticeName, Name, NodeId, NodeMicros,
    heartbeat::{Beat, Heartbeat, NodeState, ReplicaReport, ReplicaState},
    subject::Subjects,
};
use wrt_transport::{Lane, Loopback, LoopbackTransport, Transport};

pub const MILLI: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

pub struct World {
    pub bus: Loopback,
    pub subjects: Subjects,
    memberships: BTreeMap<String, Arc<Membership>>,
    transports: BTreeMap<String, Arc<LoopbackTransport>>,
    reports: BTreeMap<String, Arc<Mutex<ReplicaReport>>>,
}

impl World {
    pub fn new() -> Self {
        Self {
            bus: Loopback::new(),
            subjects: Subjects::new(&lattice()),
            memberships: BTreeMap::new(),
            transports: BTreeMap::new(),
            reports: BTreeMap::new(),
        }
    }

    /// A world in which those named have joined and know each other.
    pub async fn of(nodes: &[&str]) -> Self {
        let mut world = Self::new();
        for node in nodes {
            world.join(node).await;
        }
        for node in nodes {
            let all = nodes.len();
            let known = |view: &View| view.candidates(&actor()).len() == all;
            world.until(node, Duration::from_secs(1), known).await;
        }
        world
    }

    pub async fn join(&mut self, node: &str) {
        let joined = self.try_join(node, 1).await;
        joined.expect("nobody has the name");
    }

    pub async fn try_join(&mut self, node: &str, epoch: u64) -> Result<(), MembershipError> {
        let transport = self.bus.transport(name(node));
        let report = Arc::new(Mutex::new(ready()));
        let said = Arc::clone(&report);
        let said: Report = Arc::new(move || vec![said.lock().clone()]);
        let on_bus = Arc::clone(&transport);
        let membership = Membership::start(options(node, epoch), on_bus, said).await?;
        self.memberships.insert(node.to_owned(), membership);
        self.transports.insert(node.to_owned(), transport);
        self.reports.insert(node.to_owned(), report);
        Ok(())
    }

    /// A node with so many replicas, with as long names as there are.
    pub async fn join_large(&mut self, node: &str, replicas: usize) {
        let transport = self.bus.transport(name(node));
        let replica = |at: usize| {
            let text = format!("{at:0>64}");
            let long = Name::new(&text).expect("a test's name is legal");
            ReplicaReport {
                actor: ActorAddress::component(long.clone(), long),
                ..ready()
            }
        };
        let all: Vec<_> = (0..replicas).map(replica).collect();
        let report: Report = Arc::new(move || all.clone());
        let joined = Membership::start(options(node, 1), transport, report).await;
        let membership = joined.expect("nobody has the name");
        self.memberships.insert(node.to_owned(), membership);
    }

    /// A node that the world does not know of yet, as two that join at once need.
    pub async fn joining(
        &self,
        node: &str,
        epoch: u64,
    ) -> Result<Arc<Membership>, MembershipError> {
        let transport = self.bus.transport(name(node));
        let report: Report = Arc::new(|| vec![ready()]);
        Membership::start(options(node, epoch), transport, report).await
    }

    /// A node on a bus of its own.
    pub async fn alone(node: &str) -> Result<Arc<Membership>, MembershipError> {
        let report: Report = Arc::new(|| vec![ready()]);
        Membership::start(options(node, 1), Loopback::alone(name(node)), report).await
    }

    pub fn adopt(&mut self, node: &str, membership: Arc<Membership>) {
        self.memberships.insert(node.to_owned(), membership);
    }

    /// Ends a node without a word.
    pub fn crash(&mut self, node: &str) {
        let ended = self.memberships.remove(node);
        drop(ended.expect("the node has joined"));
    }

    pub fn membership(&self, node: &str) -> &Arc<Membership> {
        &self.memberships[node]
    }

    pub fn transport(&self, node: &str) -> Arc<LoopbackTransport> {
        Arc::clone(&self.transports[node])
    }

    /// Changes what a node says of its replica, from its next heartbeat on.
    pub fn report(&self, node: &str, change: impl FnOnce(&mut ReplicaReport)) {
        change(&mut self.reports[node].lock());
    }

    /// Puts a heartbeat on the bus that no node of this world sent, as an earlier build does.
    pub async fn say(&self, heartbeat: &Heartbeat) {
        self.say_beat(&Beat::from(heartbeat.clone())).await;
    }

    /// The same of any build.
    pub async fn say_beat(&self, beat: &Beat) {
        let stranger = self.bus.transport(name("stranger"));
        let subject = self.subjects.heartbeat(&beat.pulse.node);
        let payload = beat.encode().expect("a test's heartbeat is small");
        let published = stranger.publish(Lane::Control, subject, payload).await;
        published.expect("the stranger is connected");
    }

    /// Waits until the view of `node` is as it should be.
    pub async fn until(
        &self,
        node: &str,
        within: Duration,
        mut holds: impl FnMut(&View) -> bool,
    ) -> Arc<View> {
        let membership = self.membership(node);
        let mut changes = membership.changes();
        let reached = async {
            loop {
                let view = membership.view();
                if holds(&view) {
                    return view;
                }
                changes.changed().await.expect("the node has not stopped");
            }
        };
        match timeout(within, reached).await {
            Ok(view) => view,
            Err(_) => panic!(
                "not within {within:?}; {node} sees {:#?}",
                membership.view()
            ),
        }
    }

    pub async fn until_liveness(
        &self,
        node: &str,
        other: &str,
        within: Duration,
        liveness: Liveness,
    ) {
        let other = name(other);
        let reached = |view: &View| view.member(&other).is_some_and(|m| m.liveness == liveness);
        self.until(node, within, reached).await;
    }

    pub fn liveness(&self, node: &str, other: &str) -> Liveness {
        let view = self.membership(node).view();
        let member = view.member(&name(other));
        member.expect("the other has joined").liveness
    }

    /// The token that `node` has for calls to `other`.
    pub fn lost(&self, node: &str, other: &str) -> CancellationToken {
        let view = self.membership(node).view();
        let member = view.member(&name(other));
        member.expect("the other has joined").lost.clone()
    }
}

pub fn name(node: &str) -> NodeId {
    NodeId::new(node).expect("a test's name is legal")
}

pub fn actor() -> ActorAddress {
    let name = |text| Name::new(text).expect("a test's name is legal");
    ActorAddress::component(name("shop"), name("cart"))
}

/// What an honest node says.
pub fn heartbeat(node: &str, epoch: u64, sequence: u64) -> Heartbeat {
    Heartbeat {
        node: name(node),
        epoch: Epoch(epoch),
        sequence,
        sent_at: NodeMicros(0),
        interval_ms: 250,
        state: NodeState::Serving,
        version: "1".into(),
        labels: vec![],
        replicas: vec![ready()],
    }
}

fn ready() -> ReplicaReport {
    ReplicaReport {
        actor: actor(),
        state: ReplicaState::Ready,
        running: 0,
        waiting: 0,
        concurrency_max: 8,
        handled: 0,
        refused: 0,
    }
}

fn options(node: &str, epoch: u64) -> MembershipOptions {
    MembershipOptions {
        lattice: lattice(),
        node: name(node),
        epoch: Epoch(epoch),
        labels: vec![("zone".into(), node.into())],
        version: "0.1.0".into(),
    }
}

fn lattice() -> LatticeName {
    LatticeName::new("test").expect("a test's name is legal")
}

/// Lets time pass in steps that no node takes for a stop of its own.
pub async fn advance_slowly(duration: Duration) {
    tokio::time::sleep(duration).await;
}

pub fn pairs<'a>(nodes: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let others = |node: &'a str| nodes.iter().map(move |other| (node, *other));
    let all = nodes.iter().flat_map(move |node| others(node));
    all.filter(|(node, other)| node != other)
}
