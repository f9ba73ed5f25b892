//! The store of an instance, without a guest.

use std::sync::Arc;

use wasmtime::StoreLimitsBuilder;
use wasmtime_wasi::WasiCtx;
use wrt_contract::{CallContext, Interface, Links};
use wrt_host::{InstanceState, InstanceStateParts, Leash};

use crate::name;

/// The state of an instance that serves a call with the default budget: what host glue is given. It has
/// nothing of WASI but the clocks.
#[must_use]
pub fn instance(links: Links) -> InstanceState {
    instance_in(CallContext::default(), links)
}

/// The same, in that call.
#[must_use]
pub fn instance_in(context: CallContext, links: Links) -> InstanceState {
    let leash = Arc::new(Leash::until(context.deadline()));
    let parts = InstanceStateParts {
        context,
        links: Arc::new(links),
        limits: StoreLimitsBuilder::new().build(),
        leash,
    };
    InstanceState::new(WasiCtx::builder().build(), parts)
}

/// The same, with a link to each of `objects` under its name.
#[must_use]
pub fn linked_instance<I: Interface>(objects: &[(&str, &Arc<I::Object>)]) -> InstanceState {
    let mut links = Links::default();
    for (link, object) in objects {
        links.insert::<I>(name(link), Arc::clone(object));
    }
    instance(links)
}
