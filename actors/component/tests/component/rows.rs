//! An interface for the tests: it counts for each instance, and knows no error.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wasmtime::component::Linker;
use wrt_host::{Host, InstanceState, Package};
use wrt_protocol::{Fault, FaultKind, Hop};

/// `test:table/rows`, whose one function has no error type; with `IS_LOST`, nobody is there to serve it.
#[derive(Debug)]
pub struct Rows<const IS_LOST: bool>;

/// An interface that no guest of these tests imports.
#[derive(Debug)]
pub struct OtherRows;

/// What it keeps for an instance.
#[derive(Default)]
struct Seen {
    prepared: u32,
    looked_up: u32,
}

impl<const IS_LOST: bool> Host for Rows<IS_LOST> {
    fn describe(package: &mut Package) {
        package.answers(&["test:table/rows"]);
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        linker
            .instance("test:table/rows")?
            .func_wrap_async("look-up", move |mut store, (): ()| {
                Box::new(async move {
                    if IS_LOST {
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

    fn prepare(state: &mut InstanceState) {
        state.extension::<Seen>().prepared += 1;
    }
}

impl Host for OtherRows {
    fn describe(package: &mut Package) {
        package.answers(&["test:other/rows"]);
    }

    fn add_to_linker(_: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        Ok(())
    }

    fn prepare(state: &mut InstanceState) {
        state.extension::<Seen>().prepared += 1;
    }
}
