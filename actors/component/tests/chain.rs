//! Guests that call guests of the same node, by an interface of somebody else's crate: one that knows
//! nothing of engines and of tasks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "component/guest.rs"]
mod guest;
#[path = "component/table.rs"]
mod table;
#[path = "component/world.rs"]
mod world;

use std::{
    future,
    sync::Arc,
    time::{Duration, Instant},
};

use table::{Answers, Table, TableInterface, TestTable};
use world::{engines, spec};
use wrt_component::{ComponentActor, ComponentSpec, EngineKind, Engines};
use wrt_contract::{CallContext, Gate, Links, async_trait};
use wrt_host::{Instances, Package};
use wrt_protocol::{Fault, FaultKind, Name};

use EngineKind::{Concurrent, Plain};

/// A component that adds one to what `next` answers, as others on its node see it.
async fn in_front_of(
    next: Arc<dyn Table>,
    kind: EngineKind,
    engines: &Engines,
) -> (Arc<dyn Table>, Arc<Gate>) {
    let bytes = guest::adds_one(kind == Concurrent);
    let mut links = Links::default();
    links.insert::<TableInterface>(Name::new("default").unwrap(), next);
    let spec = ComponentSpec {
        links: Arc::new(links),
        ..spec(engines, bytes).await
    };
    let packages = [Package::of::<TestTable>()];
    let actor = ComponentActor::new(spec, &packages).unwrap();
    assert_eq!(actor.engine_kind(), kind);
    let gate = Arc::clone(actor.gate());
    let instances: Arc<dyn Instances> = actor;
    (table::offered(&packages[0], instances, &gate), gate)
}

#[tokio::test]
async fn a_link_ends_at_a_component_whatever_the_engines_are() {
    let engines = engines();
    for kinds in [
        vec![Plain, Plain],
        vec![Plain, Concurrent],
        vec![Concurrent, Plain],
        vec![Concurrent, Concurrent],
        // What is called inside an event loop need not be called by the one whose loop it is.
        vec![Concurrent, Plain, Concurrent],
        vec![Concurrent, Concurrent, Plain, Plain, Concurrent],
    ] {
        let mut table: Arc<dyn Table> = Arc::new(Answers(40));
        for kind in kinds.iter().rev() {
            (table, _) = in_front_of(table, *kind, &engines).await;
        }
        let answer = table.look_up(&CallContext::default()).await;
        assert_eq!(
            answer,
            Ok(40 + u32::try_from(kinds.len()).unwrap()),
            "{kinds:?}"
        );
    }
}

/// Never answers, and tells by its count whether somebody still waits.
struct Silent(Arc<()>);

#[async_trait]
impl Table for Silent {
    async fn look_up(&self, _: &CallContext) -> Result<u32, Fault> {
        let _waits = Arc::clone(&self.0);
        future::pending().await
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn whoever_leaves_stops_the_whole_chain() {
    let engines = engines();
    for kinds in [
        [Plain, Plain],
        [Plain, Concurrent],
        [Concurrent, Concurrent],
    ] {
        let waiting = Arc::new(());
        let silent: Arc<dyn Table> = Arc::new(Silent(Arc::clone(&waiting)));
        let (second, far_gate) = in_front_of(silent, kinds[1], &engines).await;
        let (first, gate) = in_front_of(second, kinds[0], &engines).await;
        let call = tokio::spawn(async move { first.look_up(&CallContext::default()).await });
        until("the call has come to its end", || {
            Arc::strong_count(&waiting) == 3
        })
        .await;
        assert_eq!((gate.load().running, far_gate.load().running), (1, 1));
        call.abort();
        until("all of it is gone", || {
            Arc::strong_count(&waiting) == 1
                && (gate.load().running, far_gate.load().running) == (0, 0)
        })
        .await;
    }
}

/// The budget's end is told by the far guest's actor, and the guests in front of it hear of it.
#[tokio::test]
async fn a_deadline_ends_the_whole_chain_in_time() {
    let engines = engines();
    let waiting = Arc::new(());
    let silent: Arc<dyn Table> = Arc::new(Silent(Arc::clone(&waiting)));
    let (second, _) = in_front_of(silent, Concurrent, &engines).await;
    let (first, _) = in_front_of(second, Concurrent, &engines).await;
    let started = Instant::now();
    let context = CallContext::with_budget(Duration::from_millis(300));
    let fault = first.look_up(&context).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded, "{fault}");
    assert!(started.elapsed() < Duration::from_millis(400));
    drop(first);
    until("nobody waits", || Arc::strong_count(&waiting) == 1).await;
}
