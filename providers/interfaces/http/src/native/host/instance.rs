//! What an instance has of `wasi:http`, and what a linker has of it.

use wasmtime::component::Linker;
use wasmtime_wasi_http::{WasiHttp as View, WasiHttpCtx, WasiHttpCtxView, p2, p3};
use wrt_host::InstanceState;

use super::{body::Fed, body_error, outgoing::Outgoing};

/// What the runtime's own part of `wasi:http` keeps for an instance.
#[derive(Default)]
struct InstanceHttp {
    context: WasiHttpCtx,
    outgoing: Outgoing,
    fed: Fed,
}

/// The part of an instance's state that the runtime's functions work on.
pub(super) fn view(state: &mut InstanceState) -> WasiHttpCtxView<'_> {
    let (http, table) = state.extension_and_table::<InstanceHttp>();
    WasiHttpCtxView {
        ctx: &mut http.context,
        table,
        hooks: &mut http.outgoing,
    }
}

/// The bodies on their way into the instance.
pub(super) fn fed(state: &mut InstanceState) -> Fed {
    state.extension::<InstanceHttp>().fed.clone()
}

/// Whether there is any.
pub(super) fn is_fed(state: &mut InstanceState) -> bool {
    state.extension::<InstanceHttp>().fed.has_any()
}

/// Lets a guest send what its manifest lets it send.
pub(super) fn prepare(state: &mut InstanceState) {
    let fed = fed(state);
    let outgoing = Outgoing::linked_to(state, fed);
    state.extension::<InstanceHttp>().outgoing = outgoing;
}

pub(super) const TYPES_0_2: &str = "wasi:http/types@0.2.0";
pub(super) const OUTGOING_HANDLER_0_2: &str = "wasi:http/outgoing-handler@0.2.0";
pub(super) const TYPES_0_3: &str = "wasi:http/types@0.3.0";
pub(super) const CLIENT_0_3: &str = "wasi:http/client@0.3.0";

type Linked = wasmtime::Result<()>;

/// [`TYPES_0_2`] and [`OUTGOING_HANDLER_0_2`].
pub(super) fn add_0_2(linker: &mut Linker<InstanceState>) -> Linked {
    let options = p2::bindings::LinkOptions::default();
    p2::bindings::http::types::add_to_linker::<_, View>(linker, &options.into(), view)?;
    p2::bindings::http::outgoing_handler::add_to_linker::<_, View>(linker, view)?;
    body_error::add_to_linker(linker)
}

/// [`TYPES_0_3`]; only an engine with async functions has it.
pub(super) fn add_types_0_3(linker: &mut Linker<InstanceState>) -> Linked {
    p3::bindings::http::types::add_to_linker::<_, View>(linker, view)
}

/// [`CLIENT_0_3`]; only an engine with async functions has it.
pub(super) fn add_client_0_3(linker: &mut Linker<InstanceState>) -> Linked {
    p3::bindings::http::client::add_to_linker::<_, View>(linker, view)
}
