//! The data of an instance's store.

use std::sync::Arc;

use wasmtime::{
    StoreLimits,
    component::{GuestTaskId, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wrt_contract::{CallContext, Interface, Links};
use wrt_protocol::{ActorAddress, Fault, FaultKind, Hop, TraceContext};

use crate::{
    GuestLog, Leash,
    turns::{Own, Turns},
};

/// What an instance has: its resources, its place in a call, its links and its limits, and whatever
/// interfaces keep for it.
pub struct InstanceState {
    table: ResourceTable,
    wasi: Wasi,
    actor: Option<ActorAddress>,
    arguments: Vec<String>,
    links: Arc<Links>,
    limits: StoreLimits,
    /// Of the invocation that it serves, or of the one whose turn it is.
    own: Own,
    /// Where it serves several at once.
    turns: Option<Box<Turns>>,
}

/// Makes what an instance needs of WASI, with these arguments; what it prints may go to the log that is given.
pub type MakeWasi = Arc<dyn Fn(GuestLog, &[String]) -> WasiCtx + Send + Sync>;

/// Most invocations print nothing, draw no random number and read neither clock nor environment. So
/// the state of all that, a dozen allocations, is made for the first one that does.
enum Wasi {
    Made(Box<WasiCtx>, Option<GuestLog>),
    OnDemand(MakeWasi),
}

impl Wasi {
    fn get(&mut self, log: impl FnOnce() -> GuestLog, arguments: &[String]) -> &mut WasiCtx {
        if let Self::OnDemand(make) = self {
            let log = log();
            *self = Self::Made(Box::new(make(log.clone(), arguments)), Some(log));
        }
        match self {
            Self::Made(wasi, _) => wasi,
            Self::OnDemand(_) => unreachable!("it was made just now"),
        }
    }
}

/// What a component actor gives to an instance.
pub struct InstanceStateParts {
    /// The call that the instance serves. The operations that it calls get the rest of this budget,
    /// which ends a little before the instance is stopped.
    pub context: CallContext,
    /// Who serves the imports.
    pub links: Arc<Links>,
    /// Memory, tables and instances.
    pub limits: StoreLimits,
    /// When it is stopped.
    pub leash: Arc<Leash>,
}

impl InstanceState {
    /// The state of a new instance.
    #[must_use]
    pub fn new(wasi: WasiCtx, parts: InstanceStateParts) -> Self {
        Self::with(Wasi::Made(Box::new(wasi), None), parts)
    }

    /// The state of a new instance, which calls `wasi` when the guest first needs it.
    #[must_use]
    pub fn with_wasi_on_demand(wasi: MakeWasi, parts: InstanceStateParts) -> Self {
        Self::with(Wasi::OnDemand(wasi), parts)
    }

    /// As an instance of `actor`.
    #[must_use]
    pub fn of_actor(mut self, actor: ActorAddress) -> Self {
        self.actor = Some(actor);
        self
    }

    fn with(wasi: Wasi, parts: InstanceStateParts) -> Self {
        let InstanceStateParts {
            context,
            links,
            limits,
            leash,
        } = parts;
        Self {
            table: ResourceTable::new(),
            wasi,
            actor: None,
            arguments: Vec::new(),
            links,
            limits,
            own: Own::new(context, leash),
            turns: None,
        }
    }

    /// What the guest is told as its arguments, its own name among them as the first. For an instance that has
    /// not run yet: what one was told before it is not told anew.
    pub fn set_arguments(&mut self, arguments: Vec<String>) {
        self.arguments = arguments;
    }

    /// Changes over to the next call that the instance serves, which is stopped at the end of `leash`.
    /// What interfaces have kept for the call before is gone: whoever calls this readies the instance
    /// anew. The resources that the guest holds stay, as its memory does.
    pub fn change_over(&mut self, context: CallContext, leash: Arc<Leash>) {
        if let Wasi::Made(_, Some(log)) = &self.wasi {
            log.change_over(context.trace().cloned());
        }
        self.own = Own::new(context, leash);
    }

    /// Begins one of the invocations that the instance serves at once, as `task` of the guest. Its turn
    /// it is then: whoever calls this readies the instance for it.
    pub fn begin(&mut self, task: GuestTaskId, context: CallContext, leash: Arc<Leash>) {
        let turns = self.turns.get_or_insert_default();
        turns.begin(task, context, leash, &mut self.own);
        self.log_the_turn();
    }

    /// Nobody has the turn until an invocation has [begun](Self::begin): what served to start the
    /// instance is over.
    pub fn rest(&mut self) {
        self.turns.get_or_insert_default().rest(&mut self.own);
    }

    /// Whose turn it is.
    #[must_use]
    pub fn whose_turn(&self) -> Option<GuestTaskId> {
        self.turns.as_ref()?.current()
    }

    /// The guest goes on with `task`.
    pub(crate) fn turn_to(&mut self, task: Option<GuestTaskId>) {
        let Some(turns) = &mut self.turns else {
            return;
        };
        if turns.turn_to(task, &mut self.own) {
            self.log_the_turn();
        }
    }

    fn log_the_turn(&self) {
        if let Wasi::Made(_, Some(log)) = &self.wasi {
            log.turn_to(self.own.number, self.own.context.trace());
        }
    }

    /// The resources that the guest holds.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// What an interface keeps for the instance: one value of each type, made when it is first asked
    /// for. It belongs to the invocation and goes with it.
    pub fn extension<T: Default + Send + 'static>(&mut self) -> &mut T {
        self.own.extensions.get()
    }

    /// The same, and the resources beside it.
    pub fn extension_and_table<T: Default + Send + 'static>(
        &mut self,
    ) -> (&mut T, &mut ResourceTable) {
        (self.own.extensions.get(), &mut self.table)
    }

    /// The call that the instance serves.
    #[must_use]
    pub fn context(&self) -> &CallContext {
        &self.own.context
    }

    /// From now on what the guest calls is a part of `trace`: of a span that the guest has begun, or of the
    /// call again when that has ended.
    pub fn go_on_in_trace(&mut self, trace: Option<TraceContext>) {
        let context = self.own.context.clone();
        self.own.context = context.with_trace(trace);
    }

    /// The component that it is an instance of; none outside of a component actor.
    #[must_use]
    pub fn actor(&self) -> Option<&ActorAddress> {
        self.actor.as_ref()
    }

    /// Where what the guest says goes.
    #[must_use]
    pub fn guest_log(&self) -> GuestLog {
        guest_log(self.actor.as_ref(), &self.own.context)
    }

    /// What serves `I` under the link `name`, or under `default`.
    #[must_use]
    pub fn link<I: Interface>(&self, name: &str) -> Option<Arc<I::Object>> {
        self.links.get::<I>(name)
    }

    /// What serves `I` under the link of exactly that name: for interfaces where another one would be
    /// another service.
    #[must_use]
    pub fn link_named<I: Interface>(&self, name: &str) -> Option<Arc<I::Object>> {
        self.links.named::<I>(name)
    }

    /// As [`link`](Self::link), for an interface whose errors have room for a fault.
    ///
    /// # Errors
    /// Where nothing is linked: *denied*, and nothing was executed.
    pub fn linked<I: Interface>(&self, name: &str) -> Result<Arc<I::Object>, Fault> {
        self.link::<I>(name).ok_or_else(|| {
            let detail = format!("{} is not linked", I::NAME);
            Fault::not_executed(FaultKind::Denied, Hop::Caller, detail)
        })
    }

    /// The limits, in the form that the store asks for.
    pub fn limits(&mut self) -> &mut StoreLimits {
        &mut self.limits
    }

    /// When the instance is stopped.
    #[must_use]
    pub fn leash(&self) -> &Arc<Leash> {
        &self.own.leash
    }
}

fn guest_log(actor: Option<&ActorAddress>, context: &CallContext) -> GuestLog {
    GuestLog::new(actor.cloned(), context.trace().cloned())
}

impl WasiView for InstanceState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.wasi.get(
                || guest_log(self.actor.as_ref(), &self.own.context),
                &self.arguments,
            ),
            table: &mut self.table,
        }
    }
}
