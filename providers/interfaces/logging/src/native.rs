//! What is built into a node: the host glue.

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
