//! Whole nodes in one process, and waiting with a deadline.

use std::{fmt::Debug, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    task::block_in_place,
    time::{Instant, sleep, timeout},
};
use wrt_contract::{
    Answer, Body, BodyError, CallContext, Caller, Gate, GateLimits, Interface, InterfaceError,
    Invocation, Offer,
};
use wrt_membership::{Membership, MembershipOptions, Report, View};
use wrt_protocol::{
    ActorAddress, CallId, Epoch, Fault, IdempotencyKey, LatticeName, Name, NodeId, NodeMicros,
    OperationName,
    envelope::{Reply, Request, RequestHead},
    heartbeat::{Heartbeat, NodeState, ReplicaReport, ReplicaState},
    limits::BUDGET_GRACE,
    subject::Subjects,
};
use wrt_request::{Exchange, RequestPath, Seat, Streams};
use wrt_test_servers::NatsServer;
use wrt_transport::{Lane, Loopback, Nats, NatsOptions, Transport};

use super::{
    holder::{Counters, HolderInterface},
    mirror::{FINGERPRINT, KEEP, MIRROR, Mirror, MirrorInterface},
    probe::{Actor, How, Probe, ProbeInterface, Record, Tag},
    wire::Wire,
};

/// Longer than anything honest takes, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What the nodes of a test meet on.
pub enum Bus {
    Loopback(Loopback),
    Nats(NatsServer),
}

impl Bus {
    pub fn loopback() -> Self {
        Self::Loopback(Loopback::new())
    }

    pub fn nats() -> Self {
        Self::Nats(block_in_place(NatsServer::start).expect("a NATS server"))
    }

    /// The plan of faults.
    pub fn faults(&self) -> &Loopback {
        match self {
            Self::Loopback(bus) => bus,
            Self::Nats(_) => panic!("only the loopback has a plan of faults"),
        }
    }

    async fn transport(&self, node: NodeId) -> Arc<dyn Transport> {
        match self {
            Self::Loopback(bus) => bus.transport(node),
            Self::Nats(server) => {
                let options = NatsOptions::new(node, vec![server.url()]);
                Nats::connect(options).await.expect("a connection")
            }
        }
    }

    /// A node that calls, and hosts nothing.
    pub async fn caller(&self) -> Node {
        self.join("caller", 1, None).await
    }

    /// A node that hosts the actor.
    pub async fn host(&self, name: &str) -> Node {
        self.join(name, 1, Some(GateLimits::default())).await
    }

    pub async fn join(&self, name: &str, epoch: u64, hosts: Option<GateLimits>) -> Node {
        let id = node_id(name);
        let wire = Wire::new(self.transport(id.clone()).await);
        let gate = Gate::new(hosts.unwrap_or_default());
        let said: Said = Arc::new(Mutex::new(None));
        let report = report(hosts.is_some(), &gate, &said);
        let seat = Seat::take(Arc::clone(&wire) as _, options(name, epoch), report);
        let Seat {
            membership,
            streams,
            exchange,
            path,
        } = seat.await.expect("nobody has the name");
        let record = Arc::new(Record::default());
        let mirror = Mirror::new(Arc::clone(&record));
        let actor = Arc::new(Actor {
            node: name.to_owned(),
            record: Arc::clone(&record),
        });
        let offers = [
            Offer::new::<ProbeInterface>(actor, &gate),
            Offer::new::<MirrorInterface>(Arc::clone(&mirror) as _, &gate),
            Offer::new::<HolderInterface>(Arc::new(Counters::new(name, &record, &gate)), &gate),
        ];
        if hosts.is_some() {
            let hosted = exchange.host(target(), &offers).await;
            hosted.expect("the link is up");
            membership.announce_now();
        }
        Node {
            id,
            wire,
            membership,
            subjects: Subjects::new(&lattice()),
            streams,
            exchange,
            path,
            gate,
            record,
            mirror,
            offers,
            said,
        }
    }
}

type Said = Arc<Mutex<Option<ReplicaReport>>>;

/// What a node says of its replica: what its gate shows, or what the test wants it to say.
fn report(hosts: bool, gate: &Arc<Gate>, said: &Said) -> Report {
    let (gate, said) = (Arc::clone(gate), Arc::clone(said));
    Arc::new(move || {
        if !hosts {
            return vec![];
        }
        let said = said.lock().clone();
        let load = gate.load();
        vec![said.unwrap_or(ReplicaReport {
            actor: target(),
            state: ReplicaState::Ready,
            running: load.running,
            waiting: load.waiting,
            concurrency_max: load.concurrency_max,
            handled: load.admitted,
            refused: load.refused,
        })]
    })
}

pub struct Node {
    pub id: NodeId,
    pub wire: Arc<Wire>,
    pub membership: Arc<Membership>,
    pub subjects: Subjects,
    pub streams: Arc<Streams>,
    pub exchange: Arc<Exchange>,
    pub path: Arc<RequestPath>,
    pub gate: Arc<Gate>,
    pub record: Arc<Record>,
    pub mirror: Arc<Mirror>,
    pub offers: [Offer; 3],
    said: Said,
}

impl Node {
    /// A client of the actor, wherever that runs.
    pub fn probe(&self) -> Arc<dyn Probe> {
        ProbeInterface::remote(Arc::clone(&self.path) as _, target().into())
    }

    /// Calls an operation that is not idempotent, and checks [`in_budget`].
    pub async fn act(&self, millis: u64, tag: u64, how: How) -> Result<String, Fault> {
        let context = budget(millis);
        let probe = self.probe();
        in_budget(millis, probe.act(&context, Tag(tag), how)).await
    }

    /// Calls an idempotent operation, and checks [`in_budget`].
    pub async fn look(&self, millis: u64, tag: u64, how: How) -> Result<String, Fault> {
        let context = budget(millis);
        let probe = self.probe();
        in_budget(millis, probe.look(&context, Tag(tag), how)).await
    }

    /// Calls without an answer, and checks [`in_budget`].
    pub async fn note(&self, millis: u64, tag: u64, bytes: Bytes) -> Result<(), Fault> {
        let context = budget(millis);
        let probe = self.probe();
        in_budget(millis, probe.note(&context, Tag(tag), bytes)).await
    }

    /// Calls an operation whose answer may be slow to encode, and checks [`in_budget`].
    pub async fn slow_answer(&self, millis: u64, tag: u64) -> Result<(), Fault> {
        let context = budget(millis);
        let probe = self.probe();
        let answer = in_budget(millis, probe.slow_answer(&context, Tag(tag))).await;
        answer.map(drop)
    }

    /// Sends bytes to be sent back, and checks [`in_budget`].
    pub async fn mirror(&self, millis: u64, tag: u64, bytes: Bytes) -> Result<Bytes, Fault> {
        let context = budget(millis);
        let probe = self.probe();
        let answer = in_budget(millis, probe.mirror(&context, Tag(tag), bytes)).await;
        answer.map(|blob| blob.0)
    }

    /// Calls the mirror, and checks [`in_budget`].
    pub async fn reflect(
        &self,
        millis: u64,
        operation: OperationName,
        body: Option<Body<BodyError>>,
    ) -> Result<Answer, Fault> {
        let invocation = invocation(operation, body);
        let context = budget(millis);
        in_budget(millis, self.path.call(&context, invocation)).await
    }

    /// Says from now on that the replica has so much to do, and in what state it is.
    pub fn say(&self, running: u32, state: ReplicaState) {
        let said = ReplicaReport {
            actor: target(),
            state,
            running,
            waiting: 0,
            concurrency_max: 256,
            handled: 0,
            refused: 0,
        };
        *self.said.lock() = Some(said);
        self.membership.announce_now();
    }

    /// Says nothing of its replica, as before its first heartbeat.
    pub fn say_nothing(&self) {
        self.say(0, ReplicaState::Starting);
    }

    /// Ends as a node does that drains: its actors are gone, then its seat, then its connections.
    pub async fn leave(&self) {
        self.exchange.unhost(&target());
        let seat = Seat {
            membership: Arc::clone(&self.membership),
            streams: Arc::clone(&self.streams),
            exchange: Arc::clone(&self.exchange),
            path: Arc::clone(&self.path),
        };
        seat.leave(Instant::now() + PATIENCE).await;
        self.disconnect().await;
    }

    /// Closes its connections, as its end does.
    pub async fn disconnect(&self) {
        self.wire.close().await;
    }

    /// Calls an incarnation of `to` by hand; none when it stays silent.
    pub async fn ask_incarnation(&self, to: &Node, epoch: u64) -> Option<Reply> {
        let head = RequestHead {
            call: CallId::mint(),
            key: IdempotencyKey::mint(),
            caller: self.id.clone(),
            target: target(),
            epoch: Some(Epoch(epoch)),
            interface: MIRROR,
            fingerprint: FINGERPRINT,
            operation: KEEP,
            budget_micros: 1_000_000,
            expires_at: None,
            attempt: 1,
            trace: None,
            origin: None,
            fence: None,
            body: None,
        };
        let subject = self.subjects.call(&to.id, &target(), &MIRROR, &KEEP);
        let request = Request {
            head,
            arguments: Bytes::new(),
            bulk: Bytes::new(),
            body: Bytes::new(),
        };
        let asked = self.wire.request(subject, request.encode().unwrap());
        let reply = timeout(Duration::from_secs(2), asked).await.ok()?;
        Some(Reply::decode(&reply.unwrap()).unwrap())
    }

    /// Lets a newer incarnation of this node be heard.
    pub async fn pretend_newer(&self, stranger: &Node) {
        let heartbeat = Heartbeat {
            node: self.id.clone(),
            epoch: Epoch(self.membership.epoch().0 + 1),
            sequence: 1,
            sent_at: NodeMicros(0),
            interval_ms: 250,
            state: NodeState::Serving,
            version: "0.1.0".into(),
            labels: vec![],
            replicas: vec![],
        };
        let subject = self.subjects.heartbeat(&self.id);
        let payload = heartbeat.encode().unwrap();
        let said = stranger.wire.publish(Lane::Control, subject, payload);
        said.await.unwrap();
    }

    /// Waits until this node knows `count` replicas of the actor on other nodes.
    pub async fn knows(&self, count: usize) {
        self.sees("the replicas", |view| {
            view.remote_candidates(&target()).len() == count
        })
        .await;
    }

    pub async fn sees(&self, what: &str, holds: impl Fn(&View) -> bool) {
        eventually(what, || holds(&self.membership.view())).await;
    }

    /// Waits until the two hosts are known, and the first of them is the less busy: it is chosen.
    pub async fn prefers(&self, first: &Node, second: &Node) {
        first.say(0, ReplicaState::Ready);
        second.say(200, ReplicaState::Ready);
        self.sees("their loads", |view| {
            let candidates = view.remote_candidates(&target());
            let load = |node: &Node| {
                let of = candidates.iter().find(|c| c.member.id == node.id);
                of.map(|candidate| candidate.report.running)
            };
            load(first) == Some(0) && load(second) == Some(200)
        })
        .await;
    }

    /// Waits until nothing is left of any call or body.
    pub async fn is_idle(&self) {
        eventually("an idle node", || {
            self.exchange.in_hand() == 0
                && self.streams.open_count() == 0
                && self.gate.load().running == 0
                && self.gate.load().waiting == 0
        })
        .await;
    }
}

/// Runs a call and checks that it ends in time and, if it fails, that its fault names link and
/// elapsed time.
async fn in_budget<T, E: InterfaceError + Debug>(
    millis: u64,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    let started = Instant::now();
    let answer = timeout(PATIENCE, call).await.expect("a call that ends");
    let elapsed = started.elapsed();
    let budget = Duration::from_millis(millis);
    assert!(elapsed <= budget + BUDGET_GRACE, "it took {elapsed:?}");
    answer.map_err(|error| {
        let fault = error
            .into_fault()
            .unwrap_or_else(|error| panic!("{error:?}"));
        let link = fault.link().expect("a fault names its link");
        assert!(link.starts_with(&target().to_string()), "{link}");
        let off = fault.elapsed().abs_diff(elapsed);
        assert!(off < BUDGET_GRACE / 2, "{fault} after {elapsed:?}");
        fault
    })
}

/// Polls until it holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let poll = async {
        while !holds() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let in_time = timeout(PATIENCE, poll).await;
    in_time.unwrap_or_else(|_| panic!("in vain: {what}"));
}

pub fn budget(millis: u64) -> CallContext {
    CallContext::with_budget(Duration::from_millis(millis))
}

pub fn target() -> ActorAddress {
    let name = |text| Name::new(text).expect("a legal name");
    ActorAddress::provider(name("shop"), name("cart"))
}

pub fn node_id(name: &str) -> NodeId {
    NodeId::new(name).expect("a legal name")
}

fn options(name: &str, epoch: u64) -> MembershipOptions {
    MembershipOptions {
        lattice: lattice(),
        node: node_id(name),
        epoch: Epoch(epoch),
        labels: vec![],
        version: "0.1.0".to_owned(),
    }
}

fn lattice() -> LatticeName {
    LatticeName::new("test").expect("a legal name")
}

/// A call of the mirror.
pub fn invocation(operation: OperationName, body: Option<Body<BodyError>>) -> Invocation {
    Invocation {
        target: target(),
        interface: MIRROR,
        fingerprint: FINGERPRINT,
        operation,
        idempotent: false,
        one_way: false,
        pinned_to: None,
        arguments: Bytes::new(),
        bulk: Bytes::new(),
        body,
    }
}
