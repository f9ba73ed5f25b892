//! The data of an instance's store.

use std::sync::Arc;

use wasmtime::{StoreLimits, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};
use wrt_contract::{CallContext, Interface, Links};
use wrt_protocol::ActorAddress;

use crate::{GuestLog, Leash, extensions::Extensions, outgoing::OutgoingHttp};

/// What an instance has: its resources, its place in a call, its links and its limits, and whatever
/// interfaces keep for it.
pub struct InstanceState {
    table: ResourceTable,
    wasi: Wasi,
    http: WasiHttpCtx,
    outgoing: OutgoingHttp,
    extensions: Extensions,
    actor: Option<ActorAddress>,
    parts: InstanceStateParts,
}

/// Makes what an instance needs of WASI; what it prints goes to the log that is given.
pub type MakeWasi = Arc<dyn Fn(GuestLog) -> WasiCtx + Send + Sync>;

/// Most invocations print nothing, draw no random number and read neither clock nor environment. So
/// the state of all that, a dozen allocations, is made for the first one that does.
enum Wasi {
    Made(Box<WasiCtx>),
    OnDemand(MakeWasi),
}

impl Wasi {
    fn get(&mut self, log: impl FnOnce() -> GuestLog) -> &mut WasiCtx {
        if let Self::OnDemand(make) = self {
            *self = Self::Made(Box::new(make(log())));
        }
        match self {
            Self::Made(wasi) => wasi,
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
        Self::with(Wasi::Made(Box::new(wasi)), parts)
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
        Self {
            table: ResourceTable::new(),
            wasi,
            http: WasiHttpCtx::new(),
            outgoing: OutgoingHttp::default(),
            extensions: Extensions::default(),
            actor: None,
            parts,
        }
    }

    /// The resources that the guest holds.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// What an interface keeps for the instance: one value of each type, made when it is first asked
    /// for. It belongs to the invocation and goes with it.
    pub fn extension<T: Default + Send + 'static>(&mut self) -> &mut T {
        self.extensions.get()
    }

    /// Lets the guest send HTTP requests, which it may not otherwise. An interface does so when it
    /// [prepares](crate::Host::prepare) the instance; the last one counts. How large the
    /// pieces of a body are stays with the host, whatever the hooks say.
    pub fn set_outgoing_http(&mut self, hooks: Box<dyn WasiHttpHooks>) {
        self.outgoing.set(hooks);
    }

    /// The call that the instance serves.
    #[must_use]
    pub fn context(&self) -> &CallContext {
        &self.parts.context
    }

    /// The component that it is an instance of; none outside of a component actor.
    #[must_use]
    pub fn actor(&self) -> Option<&ActorAddress> {
        self.actor.as_ref()
    }

    /// Where what the guest says goes.
    #[must_use]
    pub fn guest_log(&self) -> GuestLog {
        guest_log(self.actor.as_ref(), &self.parts.context)
    }

    /// What serves `I` under the link `name`, or under `default`.
    #[must_use]
    pub fn link<I: Interface>(&self, name: &str) -> Option<Arc<I::Object>> {
        self.parts.links.get::<I>(name)
    }

    /// The limits, in the form that the store asks for.
    pub fn limits(&mut self) -> &mut StoreLimits {
        &mut self.parts.limits
    }

    /// When the instance is stopped.
    #[must_use]
    pub fn leash(&self) -> &Arc<Leash> {
        &self.parts.leash
    }
}

fn guest_log(actor: Option<&ActorAddress>, context: &CallContext) -> GuestLog {
    GuestLog::new(actor.cloned(), context.trace().cloned())
}

impl WasiView for InstanceState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self
                .wasi
                .get(|| guest_log(self.actor.as_ref(), &self.parts.context)),
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for InstanceState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.outgoing,
        }
    }
}
