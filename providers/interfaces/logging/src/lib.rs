//! wasi:logging: what a guest logs, in the log of the node that runs it.
//!
//! It is host-local: no provider serves it, so that a component which imports it needs no link. The
//! text goes through [`GuestLog`](wrt_host::GuestLog), which cuts it, escapes it, and says whose guest
//! speaks; what a guest prints goes there too.
//!
//! Invariants:
//! - a call neither fails nor waits: a log that cannot keep up drops lines and counts them, and a guest
//!   never hears of it, since the interface has no word for it;
//! - no guest chooses how its messages are filtered: that is the node's operator's.
//!
//! Start reading at [`WasiLogging`].

mod bindings;

use bindings::{draft, unversioned};
use wasmtime::component::{HasSelf, Linker};
use wrt_host::{GuestLevel, GuestSource, Host, InstanceState, Package};

/// `wasi:logging`, with its version and without.
#[derive(Debug, Clone, Copy, Default)]
pub struct WasiLogging;

impl Host for WasiLogging {
    fn describe(package: &mut Package) {
        package.answers(&["wasi:logging/logging@0.1.0-draft", "wasi:logging/logging"]);
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        draft::logging::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        unversioned::logging::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

macro_rules! glue {
    ($interface:path) => {
        const _: () = {
            use $interface as interface;

            impl interface::Host for InstanceState {
                fn log(&mut self, level: interface::Level, context: String, message: String) {
                    let level = match level {
                        interface::Level::Trace => GuestLevel::Trace,
                        interface::Level::Debug => GuestLevel::Debug,
                        interface::Level::Info => GuestLevel::Info,
                        interface::Level::Warn => GuestLevel::Warn,
                        interface::Level::Error => GuestLevel::Error,
                        interface::Level::Critical => GuestLevel::Critical,
                    };
                    let source = GuestSource::Context(&context);
                    self.guest_log().log(level, source, &message);
                }
            }
        };
    };
}

glue!(draft::logging);
glue!(unversioned::logging);

#[cfg(test)]
mod tests;
