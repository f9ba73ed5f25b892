//! `wasi:cli/run` on the lattice: components that are programs, and run once to their end.
//!
//! ```text
//! whoever starts it ── Command::run(arguments) ──> component     wasi:cli/run, of 0.2 or of 0.3
//!                   <── how it has ended ─────────     a fresh instance, which serves nobody else
//! ```
//!
//! What a component imports of `wasi:cli` is given to each by its node, and is not here.
//!
//! | how the guest ends | what is answered |
//! |---|---|
//! | `run` returns ok | code 0 |
//! | `run` returns an error | code 1 |
//! | `wasi:cli/exit` | that code |
//! | a trap, or its time is up | a fault, *maybe executed* |
//!
//! Invariants:
//! - a program is never run again because nobody knows how it has ended: [`Command::run`] is not idempotent;
//! - an instance runs one program, whatever the component's limits say of kept ones.
//!
//! Start reading at [`Command`].

mod component;
mod contract;

use std::sync::Arc;

use wasmtime::component::Linker;
use wrt_contract::Offer;
use wrt_host::{Host, InstanceState, Package};

pub use component::CommandComponent;
pub use contract::{Command, CommandInterface, Exit, Start, limits};

/// `wasi:cli`, as far as a component exports it.
#[derive(Debug, Clone, Copy, Default)]
pub struct WasiCli;

impl Host for WasiCli {
    fn describe(package: &mut Package) {
        package.exports::<CommandInterface>(component::EXPORTS, |instances, gate| {
            let component = CommandComponent::new(instances)?;
            Ok(component.map(|it| Offer::new::<CommandInterface>(Arc::new(it), gate)))
        });
    }

    fn add_to_linker(_: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        Ok(())
    }
}
