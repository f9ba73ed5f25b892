//! Host glue: what a component imports, over the trait.
//!
//! What a guest says is gathered for its invocation, and sent when no span of its own is open any more; so
//! a guest that does one thing after another waits for nobody, and what it said is on its way when it answers.

mod glue;
mod invocation;
mod outbox;
mod reader;

use wasmtime::component::{HasSelf, Linker};
use wrt_host::{Host, InstanceState, Package};

use crate::OtelInterface;
use bindings::wasi::otel::{logs, metrics, tracing, types};
pub use outbox::lost_records;

mod bindings {
    #![allow(missing_docs, reason = "written by bindgen")]
    wasmtime::component::bindgen!({
        path: [
            "../../../wit/deps/io-0.2.0",
            "../../../wit/deps/clocks-0.2.0",
            "../../../wit/deps/otel-0.2.0-rc.2",
        ],
        world: "wasi:otel/imports",
        imports: { default: async | trappable },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        },
    });
}

/// The interface that has two shapes under one version.
const TRACING: &str = "wasi:otel/tracing@0.2.0-rc.2";

/// `wasi:otel`.
#[derive(Debug, Clone, Copy)]
pub struct WasiOtel;

impl Host for WasiOtel {
    fn describe(package: &mut Package) {
        // A component that nobody listens to runs all the same.
        package.may_import::<OtelInterface>(&[
            "wasi:otel/types@0.2.0-rc.2",
            TRACING,
            "wasi:otel/metrics@0.2.0-rc.2",
            "wasi:otel/logs@0.2.0-rc.2",
        ]);
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        tracing::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        metrics::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        logs::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        // The shape before has this one, and all else in common.
        let mut tracing = linker.instance(TRACING)?;
        tracing.func_wrap("outer-span-context", |mut store, ()| {
            Ok((glue::outer_span_context(store.data_mut()),))
        })
    }
}

#[cfg(test)]
mod tests;
