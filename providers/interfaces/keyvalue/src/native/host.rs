//! Host glue: the WIT of both published drafts over the one trait.
//!
//! A bucket and a cas are handles on the host; what travels is the bucket's name. `open` is no call:
//! it looks for the link that the identifier names, or else the link `default`, and remembers both
//! the link and the name.
//!
//! The export `wasi:keyvalue/watcher` is not served: nothing calls a component when a key changes.

mod call;
mod component;
mod draft;
mod draft2;
mod error;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use wasmtime::component::Linker;
use wrt_contract::Offer;
use wrt_host::{Host, InstanceState, Package};

use crate::KeyValueInterface;
pub use component::KeyValueComponent;

/// `wasi:keyvalue`, in both drafts that components are built with.
#[derive(Debug, Clone, Copy, Default)]
pub struct WasiKeyValue;

impl Host for WasiKeyValue {
    fn describe(package: &mut Package) {
        package.imports::<KeyValueInterface>(&[
            "wasi:keyvalue/store@0.2.0-draft2",
            "wasi:keyvalue/atomics@0.2.0-draft2",
            "wasi:keyvalue/batch@0.2.0-draft2",
            "wasi:keyvalue/store@0.2.0-draft",
            "wasi:keyvalue/atomics@0.2.0-draft",
            "wasi:keyvalue/batch@0.2.0-draft",
        ]);
        package.exports::<KeyValueInterface>(component::EXPORTS, |instances, gate| {
            let component = KeyValueComponent::new(instances)?;
            Ok(component.map(|it| Offer::new::<KeyValueInterface>(Arc::new(it), gate)))
        });
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        draft2::add_to_linker(linker)?;
        draft::add_to_linker(linker)
    }
}
