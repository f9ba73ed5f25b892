//! A link is what lets a call in: who has none is refused, on whichever way it comes.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use futures::StreamExt as _;
use wrt_contract::{Authority, NearEnd};
use wrt_protocol::{
    ActorAddress, CallId, Execution, Fault, FaultKind, Hop, InterfaceName, Name, Origin,
    PROTOCOL_VERSION, PROTOCOL_VERSION_MAX,
    envelope::{Reply, ReplyHead, Request},
};
use wrt_transport::{Lane, Transport as _};

use super::bodies::pair;
use super::lattice::{
    nodes::{Bus, Node, budget, eventually, node_id, target},
    probe::{How, ProbeInterface, Tag},
    ways::{Pair, WAYS, Way, answered, link},
};

const MILLIS: u64 = 20_000;

/// Who knows one caller that has links, and how often it was asked.
struct OneCaller {
    state: AtomicU64,
    asked: AtomicUsize,
}

impl OneCaller {
    fn of(node: &Node) -> Arc<Self> {
        let links = Arc::new(Self {
            state: AtomicU64::new(1),
            asked: AtomicUsize::new(0),
        });
        node.gate.obeys(Arc::clone(&links) as _);
        links
    }
}

impl Authority for OneCaller {
    fn state(&self) -> u64 {
        self.state.load(Relaxed)
    }

    fn check(&self, origin: &Origin, interface: &InterfaceName) -> Result<(), String> {
        self.asked.fetch_add(1, Relaxed);
        match *origin == linked() {
            true => Ok(()),
            false => Err(format!(
                "{origin} has no link to {} by {interface}",
                target()
            )),
        }
    }
}

struct Scene(Pair);

impl Deref for Scene {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.0
    }
}

impl Scene {
    async fn on(bus: &Bus) -> Self {
        Self(Pair::on(bus).await)
    }

    async fn call(&self, way: Way, near_end: &Arc<NearEnd>) -> Result<(), Fault> {
        self.0.call(way, &budget(MILLIS), near_end).await
    }

    async fn is_let_in(&self, way: Way, near_end: &Arc<NearEnd>) {
        let before = self.b.record.all_runs();
        self.call(way, near_end).await.unwrap();
        eventually("a run", || self.b.record.all_runs() == before + 1).await;
    }

    async fn is_refused(&self, way: Way, near_end: &Arc<NearEnd>) {
        let (runs, before) = (self.b.record.all_runs(), self.b.gate.load());
        let answer = self.call(way, near_end).await;
        if way == Way::Unanswered {
            answer.expect("nobody is told");
        } else {
            let fault = answer.unwrap_err();
            let what = (fault.kind(), fault.execution(), fault.hop());
            let expected = (FaultKind::Denied, Execution::NotExecuted, Hop::Gate);
            assert_eq!(what, expected, "{way:?}: {fault}");
            let names = "component/shop/stranger has no link to provider/shop/cart by test:";
            assert!(fault.detail().starts_with(names), "{way:?}: {fault}");
        }
        eventually("the count", || self.b.gate.load().denied > before.denied).await;
        self.b.is_idle().await;
        let after = self.b.gate.load();
        let (denied, refused) = (after.denied - before.denied, after.refused - before.refused);
        assert_eq!(denied, refused, "{way:?}");
        assert_eq!(
            after.admitted, before.admitted,
            "{way:?}: before it is admitted"
        );
        assert_eq!(self.b.record.all_runs(), runs, "{way:?}");
    }
}

fn linked() -> Origin {
    origin("front")
}

fn origin(component: &str) -> Origin {
    let name = |text| Name::new(text).expect("a legal name");
    ActorAddress::component(name("shop"), name(component)).into()
}

pub async fn only_who_is_linked_is_let_in(bus: &Bus) {
    let scene = Scene::on(bus).await;
    let _links = OneCaller::of(&scene.b);
    for way in WAYS {
        scene.is_let_in(way, &NearEnd::of(linked())).await;
        scene
            .is_refused(way, &NearEnd::of(origin("stranger")))
            .await;
    }
}

/// Fails when a way loses who calls, or does not look for a link, or looks for it behind the admission.
#[tokio::test(start_paused = true)]
async fn who_has_no_link_is_refused_on_every_way() {
    only_who_is_linked_is_let_in(&Bus::loopback()).await;
}

/// Fails when each call of a link on its callee's node costs a look, or when a link that was taken away goes on to
/// let calls in.
#[tokio::test(start_paused = true)]
async fn a_co_located_link_is_looked_for_once_in_each_state_of_the_links() {
    let scene = Scene::on(&Bus::loopback()).await;
    let links = OneCaller::of(&scene.b);
    let near_end = NearEnd::of(linked());
    let probe = link::<ProbeInterface>(&scene.b, &near_end, true);
    for state in 2..5 {
        for _ in 0..100 {
            let answer = probe.look(&budget(MILLIS), Tag(1), How::AtOnce).await;
            answer.unwrap();
        }
        assert_eq!(links.asked.load(Relaxed), state - 1);
        links.state.store(state as u64, Relaxed);
    }
}

/// Fails when a callee calls in the name of its caller.
#[tokio::test(start_paused = true)]
async fn an_operation_is_its_links_and_not_its_callers() {
    let scene = Scene::on(&Bus::loopback()).await;
    let _links = OneCaller::of(&scene.b);
    for is_home in [true, false] {
        let node = if is_home { &scene.b } else { &scene.caller };
        let probe = link::<ProbeInterface>(node, &NearEnd::of(origin("stranger")), is_home);
        let context = budget(MILLIS).made_by(Some(NearEnd::of(linked())));
        let answer = probe.act(&context, Tag(0), How::AtOnce).await;
        let fault = answered(answer).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Denied, "{fault}");
    }
}

/// What the last call said that `node` has sent, and in which version.
fn last_call(node: &Node) -> (u8, Option<Origin>) {
    let sent = node.wire.sent();
    let calls = sent.iter().filter_map(|sent| {
        let request = Request::decode(&sent.payload).ok()?;
        Some((sent.payload[0], request.head.origin))
    });
    calls.last().expect("it has called")
}

/// Fails when a node of the build before gets a call that it cannot read.
#[tokio::test(start_paused = true)]
async fn who_does_not_read_origins_is_told_none() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let near_end = NearEnd::of(linked());
    let probe = link::<ProbeInterface>(&caller, &near_end, false);
    let act = async || answered(probe.act(&budget(MILLIS), Tag(0), How::AtOnce).await).unwrap();
    act().await;
    assert_eq!(last_call(&caller), (PROTOCOL_VERSION_MAX, Some(linked())));
    // Whoever joins now hears all that it says of itself.
    b.wire.plan().is_of_the_build_before = true;
    let late = bus.join("late", 1, None).await;
    late.knows(1).await;
    let probe = link::<ProbeInterface>(&late, &near_end, false);
    answered(probe.act(&budget(MILLIS), Tag(0), How::AtOnce).await).unwrap();
    assert_eq!(last_call(&late), (PROTOCOL_VERSION, None));
}

/// The same where nobody is known, and the bus picks somebody: the question was not read, and says so.
#[tokio::test(start_paused = true)]
async fn whom_the_bus_picks_is_told_none_if_it_has_not_read_the_question() {
    let bus = Bus::loopback();
    let b = bus.host("b").await;
    b.wire.plan().is_of_the_build_before = true;
    b.say_nothing();
    b.exchange.leave_queue_group(&target());
    let group = b.subjects.queue_group(&target());
    let subject = b.subjects.any_inbound(&target());
    let mut asked = b
        .wire
        .subscribe(Lane::Calls, subject, Some(group))
        .await
        .unwrap();
    let caller = bus.caller().await;
    caller.knows(0).await;
    let probe = link::<ProbeInterface>(&caller, &NearEnd::of(linked()), false);
    let context = budget(MILLIS);
    let call = probe.act(&context, Tag(0), How::AtOnce);
    // As the build before answers.
    let answer = async {
        let question = asked.next().await.unwrap();
        assert_eq!(question.payload[0], PROTOCOL_VERSION_MAX);
        let (kind, detail) = (
            FaultKind::VersionMismatch,
            "protocol version 4, this node speaks 3",
        );
        let reply = Reply {
            head: ReplyHead {
                call: CallId(0),
                node: b.id.clone(),
                epoch: b.membership.epoch(),
                outcome: Err(Fault::not_executed(kind, Hop::Gate, detail)),
                body: None,
            },
            result: Bytes::new(),
            bulk: Bytes::new(),
            body: Bytes::new(),
        };
        let (to, reply) = (question.reply.unwrap(), reply.encode().unwrap());
        b.wire.publish(Lane::Calls, to.0, reply).await.unwrap();
    };
    let (called, ()) = tokio::join!(call, answer);
    assert_eq!(called.unwrap(), "b");
    assert_eq!(last_call(&caller), (PROTOCOL_VERSION, None));
}

/// Fails when a call of the build before is refused, is not counted, or when who says its origins may leave
/// one out.
#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_say_who_makes_it_is_of_the_build_before_or_refused() {
    let bus = Bus::loopback();
    let (caller, b) = pair(&bus).await;
    let _links = OneCaller::of(&b);
    let probe = link::<ProbeInterface>(&caller, &NearEnd::of(linked()), false);
    let answer = probe.look(&budget(MILLIS), Tag(0), How::AtOnce).await;
    answer.unwrap();
    let (request, _) = caller.wire.requests().pop().unwrap();
    let head = &request.head;
    let subject = caller
        .subjects
        .call(&b.id, &head.target, &head.interface, &head.operation);
    for (of, expected, unnamed) in [
        ("stranger", Ok(()), 1),
        ("caller", Err(FaultKind::Denied), 0),
    ] {
        let mut request = request.clone();
        request.head.call = CallId::mint();
        request.head.caller = node_id(of);
        request.head.origin = None;
        let before = b.exchange.counts().unnamed;
        let bytes = request.encode().unwrap();
        assert_eq!(bytes[0], PROTOCOL_VERSION, "as the build before says it");
        let reply = caller.wire.request(subject.clone(), bytes).await.unwrap();
        let outcome = Reply::decode(&reply).unwrap().head.outcome;
        assert_eq!(outcome.map_err(|fault| fault.kind()), expected, "{of}");
        assert_eq!(b.exchange.counts().unnamed - before, unnamed, "{of}");
    }
}
