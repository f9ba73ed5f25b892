//! The data of an instance's store.

use std::sync::Arc;

use wasmtime::{StoreLimits, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wrt_contract::{CallContext, Interface, Links};

use crate::{Leash, outgoing::DenyOutgoing};

/// What an instance has: its resources, its place in a call, its links and its limits.
pub struct InstanceState {
    table: ResourceTable,
    wasi: Wasi,
    http: WasiHttpCtx,
    outgoing: DenyOutgoing,
    parts: InstanceStateParts,
}

/// Makes what an instance needs of WASI.
pub type MakeWasi = Arc<dyn Fn() -> WasiCtx + Send + Sync>;

/// Most invocations print nothing, draw no random number and read neither clock nor environment. So
/// the state of all that, a dozen allocations, is made for the first one that does.
enum Wasi {
    Made(Box<WasiCtx>),
    OnDemand(MakeWasi),
}

impl Wasi {
    fn get(&mut self) -> &mut WasiCtx {
        if let Self::OnDemand(make) = self {
            *self = Self::Made(Box::new(make()));
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

    fn with(wasi: Wasi, parts: InstanceStateParts) -> Self {
        Self {
            table: ResourceTable::new(),
            wasi,
            http: WasiHttpCtx::new(),
            outgoing: DenyOutgoing,
            parts,
        }
    }

    /// The resources that the guest holds.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// The call that the instance serves.
    #[must_use]
    pub fn context(&self) -> &CallContext {
        &self.parts.context
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

impl WasiView for InstanceState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.wasi.get(),
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
