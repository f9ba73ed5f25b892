//! An interface for the tests: it counts for each instance, and knows no error.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wasmtime::component::Linker;
use wrt_host::{HostInterface, InstanceState, LinkNeed};
use wrt_protocol::{Fault, FaultKind, Hop, InterfaceName};

/// `test:table/rows`, under the WIT name that it is made with.
pub struct Rows {
    pub import: &'static [&'static str],
    /// Whether each look-up fails, as if nobody served it.
    pub is_lost: bool,
}

/// What it keeps for an instance.
#[derive(Default)]
struct Seen {
    prepared: u32,
    looked_up: u32,
}

impl Rows {
    pub fn new(is_lost: bool) -> Self {
        Self {
            import: &["test:table/rows"],
            is_lost,
        }
    }
}

impl HostInterface for Rows {
    fn name(&self) -> InterfaceName {
        InterfaceName::from_static("test:table")
    }

    fn imports(&self) -> &'static [&'static str] {
        self.import
    }

    fn add_to_linker(&self, linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        let is_lost = self.is_lost;
        linker
            .instance("test:table/rows")?
            .func_wrap_async("look-up", move |mut store, (): ()| {
                Box::new(async move {
                    if is_lost {
                        let detail = "nobody is there";
                        let fault = Fault::not_executed(FaultKind::Unavailable, Hop::Route, detail);
                        return Err(wasmtime::Error::new(fault));
                    }
                    let seen = store.data_mut().extension::<Seen>();
                    seen.looked_up += 1;
                    Ok((seen.prepared * 100 + seen.looked_up,))
                })
            })
    }

    fn link_need(&self) -> LinkNeed {
        LinkNeed::Never
    }

    fn prepare(&self, state: &mut InstanceState) {
        state.extension::<Seen>().prepared += 1;
    }
}
