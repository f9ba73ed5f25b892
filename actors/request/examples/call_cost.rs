//! Calls, and nothing else, for `cargo xtask cost`, which counts their instructions.
//!
//! `call_cost here|across off|sampled COUNT`: COUNT calls of a replica on the caller's node, or on another one
//! over the loopback; with nobody who wants spans, or with one trace of a hundred kept. Each call is the only one
//! of its trace, as a request that comes in is. Its link is looked for, as on a node.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use wrt_contract::{
    Authority, CallContext, EndedSpan, Gate, GateLimits, Interface, InterfaceError, LocalDirectory,
    NearEnd, Offer, Schema, SpanKind, SpanSink, Tracing, async_trait, interface, trace_by,
};
use wrt_membership::MembershipOptions;
use wrt_protocol::{
    ActorAddress, Epoch, Fault, InterfaceName, LatticeName, Name, NodeId, Origin,
    heartbeat::{ReplicaReport, ReplicaState},
};
use wrt_request::Seat;
use wrt_transport::Loopback;

/// As in `wrt-node`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is kept of spans that have ended.
const ENDED_MAX: usize = 512;
const RATIO: f64 = 0.01;

/// Counts.
#[interface(name = "cost:counter", error = CounterError)]
pub trait Counter {
    /// One more than `number`.
    #[operation(idempotent)]
    async fn next(&self, context: &CallContext, number: u64) -> Result<u64, CounterError>;
}

/// Why not.
#[derive(Debug, Serialize, Deserialize, Schema, InterfaceError)]
pub enum CounterError {
    /// The lattice's own.
    Fault(Fault),
}

struct Adder;

#[async_trait]
impl Counter for Adder {
    async fn next(&self, _: &CallContext, number: u64) -> Result<u64, CounterError> {
        Ok(number + 1)
    }
}

/// Knows the caller.
struct OneCaller(Origin);

impl Authority for OneCaller {
    fn state(&self) -> u64 {
        1
    }

    fn check(&self, origin: &Origin, _: &InterfaceName) -> Result<(), String> {
        match *origin == self.0 {
            true => Ok(()),
            false => Err(format!("{origin} has no link")),
        }
    }
}

/// Keeps the last spans: an exporter does its work on tasks of its own.
#[derive(Default)]
struct Queue(Mutex<VecDeque<EndedSpan>>);

impl SpanSink for Queue {
    fn ended(&self, span: EndedSpan) {
        let mut ended = self.0.lock();
        if ended.len() == ENDED_MAX {
            ended.pop_front();
        }
        ended.push_back(span);
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let [_, place, spans, count] = arguments[..] else {
        panic!("call_cost here|across off|sampled COUNT");
    };
    let count: u64 = count.parse().expect("a number of calls");
    if spans == "sampled" {
        trace_by(Tracing {
            sink: Box::<Queue>::default(),
            ratio: RATIO,
            follows_parent: true,
        });
    }
    // One thread and a clock that stands still while there is work: the same instructions each time.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let bus = Loopback::new();
        let (a, b) = (seat(&bus, "a", false).await, seat(&bus, "b", true).await);
        let gate = Gate::new(GateLimits::default());
        let name = |text| Name::new(text).expect("a legal name");
        let caller = Origin::from(ActorAddress::component(name("cost"), name("caller")));
        gate.obeys(Arc::new(OneCaller(caller.clone())));
        let offer = Offer::new::<CounterInterface>(Arc::new(Adder), &gate);
        let directory = LocalDirectory::default();
        match place {
            "here" => offer.install(&directory, &target()),
            "across" => {
                let hosted = b.exchange.host(target(), std::slice::from_ref(&offer));
                hosted.await.expect("the bus is there");
                b.membership.announce_now();
            }
            _ => panic!("`here` or `across`"),
        }
        let path = Arc::clone(&a.path) as _;
        let remote = CounterInterface::remote(path, target().into());
        let slot = directory.slot::<CounterInterface>(&target());
        let link = CounterInterface::linked(slot.called_by(NearEnd::of(caller)), remote);
        call(&*link, count).await;
    });
}

async fn call(link: &dyn Counter, count: u64) {
    let mut number = 0;
    for _ in 0..count {
        let mut context = CallContext::with_budget(Duration::from_secs(30));
        let mut span = context.begin_trace(SpanKind::Server, || "GET".to_owned());
        let answer = link.next(&context, number).await;
        span.judge(&answer);
        number = answer.expect("an answer");
    }
    assert_eq!(number, count);
}

fn target() -> ActorAddress {
    let name = |text| Name::new(text).expect("a legal name");
    ActorAddress::provider(name("cost"), name("counter"))
}

async fn seat(bus: &Loopback, name: &str, hosts: bool) -> Seat {
    let node = NodeId::new(name).expect("a legal name");
    let options = MembershipOptions {
        lattice: LatticeName::new("cost").expect("a legal name"),
        node: node.clone(),
        epoch: Epoch(1),
        labels: Vec::new(),
        version: "0".to_owned(),
    };
    let report = move || {
        let replica = ReplicaReport {
            actor: target(),
            state: ReplicaState::Ready,
            running: 0,
            waiting: 0,
            concurrency_max: 64,
            handled: 0,
            refused: 0,
        };
        Vec::from_iter(hosts.then_some(replica))
    };
    let seat = Seat::take(bus.transport(node), options, Arc::new(report)).await;
    seat.expect("nobody has the name")
}
