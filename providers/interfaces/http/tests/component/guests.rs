//! Guests of `examples/`, with the least that an instance needs.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, LazyLock, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use wasmtime::{
    Config, Engine, Store, StoreLimits, UpdateDeadline,
    component::{Component, InstancePre, Linker},
};
use wasmtime_wasi::WasiCtx;
use wrt_contract::{Body, CallContext, Links};
use wrt_host::{
    Allowance, Home, Host as _, InstanceState, InstanceStateParts, Instances, Leash, Lent, Package,
    Prepared, SharedInstances, Sharing, WallTimeExceeded,
};
use wrt_http::{
    HttpClient, HttpClientInterface, HttpComponent, HttpHandler, HttpHandlerInterface, WasiHttp,
};
use wrt_protocol::{ActorAddress, Name};

/// Whom the guests that send requests send them to.
pub const UPSTREAM: &str = "http://up.test:9";

/// Whoever brings it gets through the gate.
pub const TOKEN: &str = "open-sesame";

const TICK: Duration = Duration::from_millis(5);

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .wasm_component_model_async(true);
    let engine = Engine::new(&config).unwrap();
    let ticked = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = ticked.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::park_timeout(TICK);
        }
    });
    engine
});

/// Compiled once for all tests of this binary.
static GUESTS: LazyLock<Mutex<HashMap<&str, InstancePre<InstanceState>>>> =
    LazyLock::new(Mutex::default);

/// Instances of one guest.
#[derive(Clone)]
pub struct Bench(Arc<Inner>);

struct Inner {
    actor: ActorAddress,
    pre: InstancePre<InstanceState>,
    links: Arc<Links>,
    /// Instances that serve on; none does without it.
    kept: Option<Arc<Kept>>,
    /// How instances serve several requests at once; none does without it.
    sharing: Option<Sharing>,
}

/// Instances that have served.
#[derive(Default)]
struct Kept(Mutex<Vec<Lent>>);

impl Home for Kept {
    fn take_back(&self, lent: Lent) {
        self.0.lock().push(lent);
    }
}

impl Bench {
    pub fn new(guest: &'static str) -> Self {
        Self::with_links(guest, Links::default())
    }

    /// Instances whose requests go to `client`.
    pub fn with_client(guest: &'static str, client: Arc<dyn HttpClient>) -> Self {
        let mut links = Links::default();
        links.insert::<HttpClientInterface>(Name::new("default").unwrap(), client);
        Self::with_links(guest, links)
    }

    /// Instances in front of `next`.
    pub fn in_front_of(guest: &'static str, next: Arc<dyn HttpHandler>) -> Self {
        let mut links = Links::default();
        links.insert::<HttpHandlerInterface>(Name::new("default").unwrap(), next);
        Self::with_links(guest, links)
    }

    fn with_links(guest: &'static str, links: Links) -> Self {
        let mut guests = GUESTS.lock();
        let pre = guests.entry(guest).or_insert_with(|| link(guest)).clone();
        let name = |text| Name::new(text).unwrap();
        let actor = ActorAddress::component(name("test"), name(guest));
        Self(Arc::new(Inner {
            actor,
            pre,
            links: Arc::new(links),
            kept: None,
            sharing: None,
        }))
    }

    /// The same, with instances that serve one request after another.
    pub fn that_keeps(self) -> Self {
        let Inner {
            actor, pre, links, ..
        } = &*self.0;
        Self(Arc::new(Inner {
            actor: actor.clone(),
            pre: pre.clone(),
            links: Arc::clone(links),
            kept: Some(Arc::default()),
            sharing: None,
        }))
    }

    /// The same, with instances that serve several requests at once.
    pub fn that_shares(self, sharing: Sharing) -> Self {
        let Inner {
            actor, pre, links, ..
        } = &*self.0;
        Self(Arc::new(Inner {
            actor: actor.clone(),
            pre: pre.clone(),
            links: Arc::clone(links),
            kept: None,
            sharing: Some(sharing),
        }))
    }

    /// How many requests each of the instances that wait has served.
    pub fn kept(&self) -> Vec<u32> {
        let kept = self.0.kept.iter();
        kept.flat_map(|kept| kept.0.lock().iter().map(Lent::served).collect::<Vec<_>>())
            .collect()
    }

    pub fn handler(&self) -> Arc<dyn HttpHandler> {
        let instances: Arc<dyn Instances> = Arc::new(self.clone());
        Arc::new(
            HttpComponent::new(instances)
                .unwrap()
                .expect("the guest exports a handler"),
        )
    }

    pub fn stores_alive(&self) -> usize {
        Arc::strong_count(&self.0.links) - 1
    }
}

fn link(guest: &str) -> InstancePre<InstanceState> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/target");
    let file = folder.join(format!("wasm32-wasip2/release/{guest}.wasm"));
    assert!(
        file.exists(),
        "no {}: run `cargo xtask guests`",
        file.display()
    );
    let component = Component::from_file(&ENGINE, file).unwrap();
    let mut linker = Linker::new(&ENGINE);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
    wasmtime_wasi::p3::add_to_linker(&mut linker).unwrap();
    let package = Package::of::<WasiHttp>();
    let imports = component.component_type();
    let imports: Vec<&str> = imports.imports(&ENGINE).map(|(name, _)| name).collect();
    // Versions go together; `wrt-component` has the rule for all.
    let start = |name: &str| name.rsplit_once('.').map(|(start, _)| start.to_owned());
    let is_imported = |wit: &str| imports.iter().any(|import| start(import) == start(wit));
    package.add_to_linker(&mut linker, is_imported).unwrap();
    linker.instantiate_pre(&component).unwrap()
}

impl Instances for Bench {
    fn actor(&self) -> &ActorAddress {
        &self.0.actor
    }

    fn instance_pre(&self) -> &InstancePre<InstanceState> {
        &self.0.pre
    }

    fn prepare(&self, context: &CallContext) -> Prepared {
        let leash = Arc::new(Leash::until(context.deadline()));
        let kept = self.0.kept.as_ref();
        if let Some(mut lent) = kept.and_then(|kept| kept.0.lock().pop()) {
            lent.data_mut()
                .change_over(context.clone(), Arc::clone(&leash));
            WasiHttp::prepare(lent.data_mut());
            lent.set_epoch_deadline(1);
            return Prepared::new(lent, leash);
        }
        let lent = self.fresh(context, &leash);
        let lent = match kept {
            Some(kept) => {
                let home: Weak<dyn Home> = Arc::downgrade(kept) as Weak<dyn Home>;
                lent.of(home)
            }
            None => lent,
        };
        Prepared::new(lent, leash)
    }

    fn prepare_new(&self, context: &CallContext) -> Prepared {
        let leash = Arc::new(Leash::until(context.deadline()));
        Prepared::new(self.fresh(context, &leash), leash)
    }

    fn shared(&self) -> Option<&dyn SharedInstances> {
        self.0
            .sharing
            .as_ref()
            .map(|_| self as &dyn SharedInstances)
    }
}

impl SharedInstances for Bench {
    fn sharing(&self) -> Sharing {
        self.0.sharing.unwrap()
    }

    fn allowance(&self, context: &CallContext) -> Allowance {
        Allowance {
            context: context.clone(),
            leash: Arc::new(Leash::until(context.deadline())),
        }
    }

    fn prepare_shared(&self, first: &Allowance) -> Prepared {
        let lent = self.fresh(&first.context, &first.leash).shared();
        Prepared::new(lent, Arc::clone(&first.leash))
    }

    fn ready(&self, state: &mut InstanceState) {
        WasiHttp::prepare(state);
    }
}

impl Bench {
    fn fresh(&self, context: &CallContext, leash: &Arc<Leash>) -> Lent {
        let parts = InstanceStateParts {
            context: context.clone(),
            links: Arc::clone(&self.0.links),
            limits: StoreLimits::default(),
            leash: Arc::clone(leash),
        };
        let wasi = WasiCtx::builder()
            .env("UPSTREAM", UPSTREAM)
            .env("TOKEN", TOKEN)
            .build();
        let mut state = InstanceState::new(wasi, parts);
        WasiHttp::prepare(&mut state);
        let mut store = Store::new(&ENGINE, state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            if store.data().leash().is_over() {
                return Err(WallTimeExceeded.into());
            }
            Ok(UpdateDeadline::Yield(1))
        });
        Lent::new(store, true)
    }
}

/// A request without a body.
pub fn request(method: &str, path: &str) -> http::Request<Body> {
    http::Request::builder()
        .method(method)
        .uri(format!("http://test{path}"))
        .body(Body::whole("".into()))
        .unwrap()
}
