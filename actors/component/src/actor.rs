//! A component as an actor.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;
use wasmtime::{Store, StoreLimits, UpdateDeadline, component::InstancePre};
use wasmtime_wasi::WasiCtx;
use wrt_contract::{CallContext, Gate, GateLimits, Links};
use wrt_host::{
    Allowance, InstanceState, InstanceStateParts, Instances, Leash, Lent, MakeWasi, Package,
    Prepared, SharedInstances, Sharing, WallTimeExceeded,
};
use wrt_protocol::{ActorAddress, ComponentLimits};

use crate::{
    CompiledComponent, ComponentError, EngineKind,
    kept::{Keeping, Shelf},
    limits, linker,
    output::GuestOutput,
    unserved_imports,
};

/// Epochs that a guest computes before it lets others run. The epoch of the instant at which it
/// starts is under way already, so that this is at most one period.
const EPOCHS_UNTIL_YIELD: u64 = 1;

/// What the calls of a guest leave it of its time, so that it hears of one that is not answered, and
/// can say so in its own words. Without it, a guest would be stopped at the instant at which its call
/// fails. More than a call may take beyond its budget.
const ANSWER_RESERVE_MAX: Duration = Duration::from_millis(200);
/// Of a short time a share: one part in so many.
const ANSWER_RESERVE_SHARE: u32 = 10;

/// What a component actor is made of.
#[derive(Debug)]
pub struct ComponentSpec {
    /// Its address.
    pub actor: ActorAddress,
    /// Its code.
    pub compiled: CompiledComponent,
    /// The whole environment that the guest sees.
    pub environment: Vec<(String, String)>,
    /// What it may take.
    pub limits: ComponentLimits,
    /// Who serves its imports.
    pub links: Arc<Links>,
}

/// What the program around a component says of it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Where what it prints goes, and what it reads.
    pub stdio: Stdio,
    /// What stands for all that it is made of.
    pub specification: Option<String>,
}

/// The standard streams of a guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stdio {
    /// What it prints goes to the log, and there is nothing to read.
    #[default]
    Log,
    /// Those of the process: for a program that somebody has started and sits in front of.
    OfProcess,
}

/// A component on this node, linked and ready: lends an instance for each invocation, which is fresh or
/// has served another one to its end, as its limits say. Admission is at its [`gate`](Self::gate), which whoever calls an export passes first; to drain the actor is
/// to drain that.
pub struct ComponentActor {
    actor: ActorAddress,
    compiled: CompiledComponent,
    instance_pre: InstancePre<InstanceState>,
    imports: Vec<String>,
    exports: Vec<String>,
    /// Those that it imports.
    packages: Vec<Package>,
    wasi: MakeWasi,
    wall_time_max: Duration,
    limits: ComponentLimits,
    specification: Option<String>,
    links: Arc<Links>,
    gate: Arc<Gate>,
    /// Where instances wait that serve more than one invocation.
    shelf: Option<Arc<Shelf>>,
}

impl ComponentActor {
    /// Links a component to what serves its imports. Nothing of it runs yet.
    ///
    /// # Errors
    /// When an import is served by nobody or in another shape.
    pub fn new(spec: ComponentSpec, packages: &[Package]) -> Result<Arc<Self>, ComponentError> {
        Self::in_surroundings(spec, packages, Surroundings::default())
    }

    /// The same, in a program that says more of it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn in_surroundings(
        spec: ComponentSpec,
        packages: &[Package],
        surroundings: Surroundings,
    ) -> Result<Arc<Self>, ComponentError> {
        let Surroundings {
            stdio,
            specification,
        } = surroundings;
        let ComponentSpec {
            actor,
            compiled,
            environment,
            limits,
            links,
        } = spec;
        let shortages = limits.shortages(&compiled.needs());
        if let Some(shortage) = shortages.into_iter().next() {
            return Err(ComponentError::LimitTooLow { actor, shortage });
        }
        if limits.invocations_at_once_max() > 1 && compiled.kind() != EngineKind::Concurrent {
            return Err(ComponentError::OneAtATime { actor });
        }
        let imports = compiled.imports();
        if let Some(unserved) = unserved_imports(&imports, packages).into_iter().next() {
            return Err(ComponentError::UnservedImport { actor, unserved });
        }
        let engine = compiled.component().engine();
        let linked = linker::linker(engine, compiled.kind(), &imports, packages)
            .and_then(|linker| linker.instantiate_pre(compiled.component()));
        let instance_pre = match linked {
            Ok(instance_pre) => instance_pre,
            Err(source) => return Err(ComponentError::Link { actor, source }),
        };
        let wasi = make_wasi(environment, stdio);
        let shelf = Shelf::new(Keeping::of(&limits, compiled.kind()));
        if let Some(shelf) = &shelf {
            compiled.shelves().add(shelf);
        }
        Ok(Arc::new(Self {
            gate: Gate::of_actor(&actor, GateLimits::from(&limits)),
            exports: compiled.exports(),
            packages: linker::imported(packages, &imports).cloned().collect(),
            imports,
            actor,
            compiled,
            instance_pre,
            wasi,
            wall_time_max: limits.wall_time_max(),
            limits,
            specification,
            links,
            shelf,
        }))
    }

    /// The gate in front of its exports.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> &ComponentLimits {
        &self.limits
    }

    /// The WIT interfaces that it imports.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The WIT interfaces that it exports.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// The engine that it runs on: export glue calls a [`EngineKind::Concurrent`] one otherwise.
    #[must_use]
    pub fn engine_kind(&self) -> EngineKind {
        self.compiled.kind()
    }

    fn store_limits(&self) -> StoreLimits {
        limits::of_store(&self.limits)
    }

    /// An instance that has served, for its next invocation.
    fn kept(&self, context: &CallContext, leash: &Arc<Leash>) -> Option<Lent> {
        let mut lent = self.shelf.as_ref()?.take()?;
        lent.data_mut()
            .change_over(context.clone(), Arc::clone(leash));
        self.ready(lent.data_mut());
        lent.set_epoch_deadline(EPOCHS_UNTIL_YIELD);
        Some(lent)
    }

    fn fresh(&self, context: &CallContext, leash: &Arc<Leash>) -> Lent {
        let mut lent = self.empty(context, leash);
        self.ready(lent.data_mut());
        match &self.shelf {
            Some(shelf) => lent.of(shelf.home()),
            None => lent,
        }
    }

    /// An instance that no interface has been readied for.
    fn empty(&self, context: &CallContext, leash: &Arc<Leash>) -> Lent {
        self.compiled.make_room();
        let parts = InstanceStateParts {
            context: context.clone(),
            links: Arc::clone(&self.links),
            limits: self.store_limits(),
            leash: Arc::clone(leash),
        };
        let state = InstanceState::with_wasi_on_demand(Arc::clone(&self.wasi), parts)
            .of_actor(self.actor.clone());
        let mut store = Store::new(self.compiled.component().engine(), state);
        store.limiter(|state| state.limits());
        store.set_epoch_deadline(EPOCHS_UNTIL_YIELD);
        store.epoch_deadline_callback(|store| {
            if store.data().leash().is_over() {
                return Err(WallTimeExceeded.into());
            }
            // The runtime's own yield looks at timers and sockets before it goes on with the guest; a
            // mere wake-up of the guest would let it look only once in 61 turns, each an epoch long.
            let rest = Box::pin(tokio::task::yield_now());
            Ok(UpdateDeadline::YieldCustom(EPOCHS_UNTIL_YIELD, rest))
        });
        Lent::new(store, self.compiled.kind() == EngineKind::Concurrent)
    }
}

impl Instances for ComponentActor {
    fn actor(&self) -> &ActorAddress {
        &self.actor
    }

    fn instance_pre(&self) -> &InstancePre<InstanceState> {
        &self.instance_pre
    }

    fn prepare(&self, context: &CallContext) -> Prepared {
        let Allowance { context, leash } = self.allowance(context);
        let kept = self.kept(&context, &leash);
        let lent = kept.unwrap_or_else(|| self.fresh(&context, &leash));
        Prepared::new(lent, leash)
    }

    fn prepare_new(&self, context: &CallContext) -> Prepared {
        let Allowance { context, leash } = self.allowance(context);
        Prepared::new(self.fresh(&context, &leash), leash)
    }

    fn specification(&self) -> Option<&str> {
        self.specification.as_deref()
    }

    fn shared(&self) -> Option<&dyn SharedInstances> {
        (self.limits.invocations_at_once_max() > 1).then_some(self as &dyn SharedInstances)
    }
}

impl SharedInstances for ComponentActor {
    fn sharing(&self) -> Sharing {
        Sharing {
            at_once_max: self.limits.invocations_at_once_max(),
            invocations_max: self.limits.invocations_per_instance_max(true),
            idle_max: self.limits.instance_idle_max(),
            idle_instances_max: self.limits.instances_kept_max() as usize,
        }
    }

    fn allowance(&self, context: &CallContext) -> Allowance {
        // Each invocation comes by here: the clock is looked at once.
        let now = Instant::now();
        let left = context.deadline().saturating_duration_since(now);
        let time = left.min(self.wall_time_max);
        let reserve = ANSWER_RESERVE_MAX.min(time / ANSWER_RESERVE_SHARE);
        Allowance {
            context: context.until(now + (time - reserve)),
            leash: Arc::new(Leash::until(now + time)),
        }
    }

    fn prepare_shared(&self, first: &Allowance) -> Prepared {
        let Allowance { context, leash } = first;
        let lent = self.empty(context, leash).shared();
        Prepared::new(lent, Arc::clone(leash))
    }

    fn ready(&self, state: &mut InstanceState) {
        for package in &self.packages {
            package.prepare(state);
        }
    }
}

impl fmt::Debug for ComponentActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentActor")
            .field("actor", &self.actor)
            .field("compiled", &self.compiled)
            .finish_non_exhaustive()
    }
}

/// Standard input is empty, there is no folder and no address that a socket may use: those are the
/// builder's defaults, and tests hold it to them.
fn make_wasi(environment: Vec<(String, String)>, stdio: Stdio) -> MakeWasi {
    Arc::new(move |log, arguments| {
        let mut wasi = WasiCtx::builder();
        wasi.envs(&environment).args(arguments);
        match stdio {
            Stdio::Log => wasi
                .stdout(GuestOutput::stdout(log.clone()))
                .stderr(GuestOutput::stderr(log)),
            Stdio::OfProcess => wasi.inherit_stdio(),
        };
        wasi.build()
    })
}
