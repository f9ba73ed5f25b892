//! Calls under a lease of the lattice: they carry its epoch, and who has seen a later one refuses them.

use std::{ops::Deref, sync::Arc, time::Duration};

use wrt_contract::{
    CallContext, Caller, Gate, GateLimits, Interface, InterfaceError, LocalSlot, NearEnd, Offer,
    async_trait, interface,
};
use wrt_protocol::{
    ActorAddress, Epoch, Execution, Fault, FaultKind, Fence, Hop, LeaseName, Name, Origin,
    envelope::BodyAnnounce,
};

use super::co_located::linked;
use super::lattice::{
    nodes::{Bus, Node, eventually},
    probe::{How, Probe, ProbeInterface, Tag},
    ways::{Pair, WAYS, Way},
};

const MILLIS: u64 = 20_000;

fn fence(lease: &str, epoch: u64) -> Fence {
    Fence::new(LeaseName::new(lease).unwrap(), Epoch(epoch))
}

fn under(fence: &Fence) -> CallContext {
    let context = CallContext::with_budget(Duration::from_millis(MILLIS));
    context.with_fence(Some(fence.clone()))
}

struct Scene {
    pair: Pair,
    near_end: Arc<NearEnd>,
}

impl Deref for Scene {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.pair
    }
}

impl Scene {
    async fn on(bus: &Bus) -> Self {
        Self {
            pair: Pair::on(bus).await,
            near_end: NearEnd::of(Origin::Operator),
        }
    }

    async fn call(&self, way: Way, context: &CallContext) -> Result<(), Fault> {
        self.pair.call(way, context, &self.near_end).await
    }

    /// Calls, and answers under which lease the callee has run it.
    async fn runs(&self, way: Way, context: &CallContext) -> Option<Fence> {
        let before = self.b.record.all_runs();
        self.call(way, context).await.unwrap();
        eventually("a run", || self.b.record.all_runs() == before + 1).await;
        self.b.record.fences.lock().pop().expect("it was seen")
    }

    /// Calls as somebody who has lost the lease.
    async fn is_refused(&self, way: Way, stale: &Fence) {
        let runs = self.b.record.all_runs();
        let (before, retries) = (self.b.gate.load(), self.caller.path.counts().retries);
        let answer = self.call(way, &under(stale)).await;
        if way == Way::Unanswered {
            answer.expect("nobody is told");
        } else {
            let fault = answer.unwrap_err();
            let what = (fault.kind(), fault.execution(), fault.hop());
            let expected = (FaultKind::Fenced, Execution::NotExecuted, Hop::Gate);
            assert_eq!(what, expected, "{way:?}: {fault}");
            assert!(fault.detail().contains("has lost the lease"), "{fault}");
        }
        eventually("the count", || {
            self.b.gate.load().fenced == before.fenced + 1
        })
        .await;
        assert_eq!(self.b.gate.load().refused, before.refused + 1, "{way:?}");
        assert_eq!(self.b.record.all_runs(), runs, "{way:?}");
        assert_eq!(self.caller.path.counts().retries, retries, "{way:?}");
        self.b.is_idle().await;
    }

    /// How the last call's body, or its arguments, went.
    fn announced(&self) -> Option<BodyAnnounce> {
        let (request, _) = self.caller.wire.requests().pop()?;
        request.head.body
    }
}

pub async fn refused_on_every_way(bus: &Bus) {
    let scene = Scene::on(bus).await;
    for way in WAYS {
        let [old, new] = [7, 8].map(|epoch| fence(&format!("{way:?}"), epoch));
        assert_eq!(scene.runs(way, &under(&old)).await.as_ref(), Some(&old));
        let is_as_meant = matches!(
            (way, scene.announced()),
            (Way::CoLocated, _)
                | (Way::Inline | Way::Pinned | Way::Unanswered, None)
                | (Way::SmallBody, Some(BodyAnnounce::Inline { .. }))
                | (Way::StreamedBody, Some(BodyAnnounce::Stream { .. }))
                | (Way::StreamedArguments, Some(BodyAnnounce::Arguments { .. }))
        );
        assert!(is_as_meant, "{way:?}: {:?}", scene.announced());
        assert_eq!(scene.runs(way, &under(&new)).await.as_ref(), Some(&new));
        // Whatever way it comes on.
        for late in WAYS {
            scene.is_refused(late, &old).await;
        }
        assert_eq!(scene.runs(way, &under(&new)).await.as_ref(), Some(&new));
        assert_eq!(scene.runs(way, &CallContext::default()).await, None);
    }
}

/// Fails when a way loses the fence, looks at it too late, or tries a call again that is fenced off.
#[tokio::test(start_paused = true)]
async fn what_comes_from_an_earlier_holder_is_refused_on_every_way() {
    refused_on_every_way(&Bus::loopback()).await;
}

/// Somebody who calls the actor while he is called.
#[interface(name = "test:front", error = Fault)]
trait Front {
    async fn pass_on(&self, context: &CallContext) -> Result<String, Fault>;
}

struct Passes(Arc<dyn Probe>);

#[async_trait]
impl Front for Passes {
    async fn pass_on(&self, context: &CallContext) -> Result<String, Fault> {
        let answer = self.0.act(context, Tag(0), How::AtOnce).await;
        answer.map_err(|error| error.into_fault().expect("a fault"))
    }
}

fn front() -> ActorAddress {
    let name = |text| Name::new(text).expect("a legal name");
    ActorAddress::component(name("shop"), name("front"))
}

/// Hosts the front on `node`, before the actor behind `link`.
async fn host_front(node: &Node, link: Arc<dyn Probe>) {
    let gate = Gate::new(GateLimits::default());
    let offer = Offer::new::<FrontInterface>(Arc::new(Passes(link)), &gate);
    node.exchange.host(front(), &[offer]).await.unwrap();
}

pub async fn carried_on(bus: &Bus) {
    let (caller, b, c) = (
        bus.caller().await,
        bus.join("b", 1, None).await,
        bus.host("c").await,
    );
    caller.knows(1).await;
    b.knows(1).await;
    let path = Arc::clone(&caller.path) as Arc<dyn Caller>;
    let client = FrontInterface::remote(path, front().into());
    for is_far in [true, false] {
        match is_far {
            true => {
                let link = ProbeInterface::linked(LocalSlot::empty(), b.probe());
                host_front(&b, link).await;
            }
            false => {
                b.exchange.unhost(&front());
                host_front(&c, linked(&c)).await;
            }
        }
        let [old, new] = [7, 8].map(|epoch| fence(&format!("work-{is_far}"), epoch));
        for (context, expected) in [
            (under(&old), Some(old.clone())),
            (CallContext::default(), None),
        ] {
            assert_eq!(client.pass_on(&context).await, Ok("c".to_owned()));
            assert_eq!(c.record.fences.lock().pop(), Some(expected));
        }
        // The next holder has called the actor, and not the one before it.
        let runs = c.record.all_runs();
        let answer = caller.probe().act(&under(&new), Tag(0), How::AtOnce).await;
        answer.unwrap();
        let fault = client.pass_on(&under(&old)).await.unwrap_err();
        let what = (fault.kind(), fault.execution(), fault.node());
        let expected = (FaultKind::Fenced, Execution::NotExecuted, Some(&c.id));
        assert_eq!(what, expected, "{fault}");
        assert_eq!(c.record.all_runs(), runs + 1);
    }
}

/// Fails when the context of a call that is made while another is served loses the fence of that.
#[tokio::test(start_paused = true)]
async fn what_a_callee_calls_is_under_its_callers_lease() {
    carried_on(&Bus::loopback()).await;
}
