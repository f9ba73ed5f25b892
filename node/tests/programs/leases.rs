//! A backend that gives leases, in two nodes of a program of one's own: it gets the gate that its
//! leases hold from nowhere but its registration.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};
use wasmtime::component::Linker;
use wrt_component::{EngineOptions, Engines, Stdio};
use wrt_contract::{CallContext, Lease, LeaseLimits, Leases, async_trait, interface};
use wrt_deployment::{
    Config, DESIRED_VERSION, DesiredApp, DesiredProvider, PlacementRule, Revision, Snapshot,
    StoredApp,
};
use wrt_host::{Host, InstanceState, Package};
use wrt_node::{AppEnvironment, Code, Node, NodeOptions, Runtime};
use wrt_protocol::{
    ActorAddress, Epoch, Execution, Fault, LatticeName, Name, NodeId, ProviderLimits,
};
use wrt_runtime::{Backend, Entry, Serves};
use wrt_transport::Loopback;

const PATIENCE: Duration = Duration::from_secs(20);

#[interface(name = "test:counters", error = Fault)]
trait Counters {
    /// Starts to count.
    async fn open(&self, context: &CallContext) -> Result<Lease, Fault>;
    /// Counts on.
    async fn count(&self, context: &CallContext, #[lease] lease: &Lease) -> Result<u64, Fault>;
    /// Ends the lease.
    async fn close(&self, context: &CallContext, #[lease] lease: &Lease) -> Result<(), Fault>;
}

#[derive(Debug)]
struct TestCounters;

impl Host for TestCounters {
    fn describe(package: &mut Package) {
        package.imports::<CountersInterface>(&["test:counters/counters@1.0.0"]);
    }

    fn add_to_linker(_: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        Ok(())
    }
}

struct Counting;

#[derive(confique::Config)]
struct NoOptions {}

impl Backend for Counting {
    const NAME: &'static str = "counting";
    type ConnectOptions = NoOptions;
    type ConnectError = Infallible;

    async fn connect_with(_: NoOptions) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl Serves<TestCounters> for Counting {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers_leases::<CountersInterface>(|_, gate| {
            let limits = LeaseLimits {
                leases_max: 8,
                lasts: 10 * PATIENCE,
            };
            Arc::new(Opened(Leases::new(gate, limits)))
        });
    }
}

struct Opened(Leases<AtomicU64>);

#[async_trait]
impl Counters for Opened {
    async fn open(&self, context: &CallContext) -> Result<Lease, Fault> {
        self.0.give(context, AtomicU64::new(0))
    }

    async fn count(&self, _: &CallContext, lease: &Lease) -> Result<u64, Fault> {
        Ok(self.0.get(lease)?.fetch_add(1, Relaxed) + 1)
    }

    async fn close(&self, _: &CallContext, lease: &Lease) -> Result<(), Fault> {
        self.0.release(lease);
        Ok(())
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a legal name")
}

async fn node(bus: &Loopback, id: &str, engines: &Engines) -> Node {
    let id = NodeId::new(id).unwrap();
    let runtime = Runtime::builder().with::<TestCounters, Counting>().build();
    let options = NodeOptions {
        lattice: LatticeName::new("test").unwrap(),
        node: id.clone(),
        epoch: Epoch(1),
        labels: Vec::new(),
        patience: PATIENCE,
        environment: AppEnvironment::nothing(),
        stdio: Stdio::Log,
    };
    let code = Code::Local(Arc::default());
    let started = Node::start(
        options,
        runtime.unwrap(),
        bus.transport(id),
        engines.clone(),
        code,
    );
    started.await.unwrap()
}

/// An app whose provider is on the node `b`.
fn desired() -> Arc<Snapshot> {
    let provider = DesiredProvider {
        backend: "counting".to_owned(),
        config: Config::default(),
        calls: Vec::new(),
        address: None,
        deduplicates_for_ms: None,
        placement: PlacementRule {
            nodes: vec![NodeId::new("b").unwrap()],
            ..PlacementRule::default()
        },
        limits: ProviderLimits {
            concurrency_max: 8,
            queue_max: 8,
        },
    };
    let app = DesiredApp {
        version: DESIRED_VERSION,
        app: name("app"),
        components: BTreeMap::new(),
        providers: BTreeMap::from([(name("counters"), provider)]),
    };
    let revision = Revision(1);
    Arc::new(Snapshot {
        apps: BTreeMap::from([(name("app"), StoredApp { revision, app })]),
        ..Snapshot::default()
    })
}

/// Fails when a registered backend cannot give leases, or when its node drains without waiting for
/// them.
#[tokio::test(start_paused = true)]
async fn a_pinned_call_reaches_the_lease_on_another_node_until_that_is_released() {
    let engines = Engines::new(EngineOptions {
        instances_max: 1,
        compile_jobs_max: 1,
        ..EngineOptions::default()
    });
    let (bus, engines) = (Loopback::new(), engines.unwrap());
    let (a, b) = (
        node(&bus, "a", &engines).await,
        node(&bus, "b", &engines).await,
    );
    a.desire(desired());
    b.desire(desired());
    let target = ActorAddress::provider(name("app"), name("counters"));
    let appears = async {
        while a
            .seat()
            .membership
            .view()
            .remote_candidates(&target)
            .is_empty()
        {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, appears).await.expect("b serves");
    let counters = a.client::<CountersInterface>(target.clone());
    let second = || CallContext::with_budget(Duration::from_secs(1));
    let lease = counters.open(&second()).await.unwrap();
    assert_eq!(lease.home().map(|home| home.node.as_str()), Some("b"));
    assert_eq!(counters.count(&second(), &lease).await, Ok(1));

    let stopping = Instant::now();
    let drained = tokio::spawn(b.drain());
    // Until it has handed its share over, or has given that up.
    sleep(PATIENCE / 2 + Duration::from_secs(1)).await;
    let refused = counters.open(&second()).await.unwrap_err();
    assert_eq!(refused.execution(), Execution::NotExecuted, "{refused}");
    assert_eq!(counters.count(&second(), &lease).await, Ok(2));
    counters.close(&second(), &lease).await.unwrap();
    drained.await.unwrap();
    assert!(
        stopping.elapsed() < PATIENCE * 3 / 4,
        "{:?}",
        stopping.elapsed()
    );
    let gone = counters.count(&second(), &lease).await.unwrap_err();
    assert_eq!(gone.execution(), Execution::NotExecuted, "{gone}");
}
