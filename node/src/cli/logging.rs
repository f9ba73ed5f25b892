//! Logs, to standard error, and to an exporter where there is one.

#[cfg_attr(
    not(feature = "opentelemetry"),
    allow(dead_code, reason = "only the exporter takes it")
)]
mod export;
mod fields;
mod keep;
mod stderr;

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

#[cfg(feature = "opentelemetry")]
pub use export::{Message, export_by, export_ends};
pub use keep::keep;
pub use stderr::{Stderr, Writer};

/// What is logged unless `RUST_LOG` asks for something else: what an operator has to know, and what
/// guests say. Whom a NATS server does not let in hears that from the node itself, and once.
const FILTER_DEFAULT: &str = "warn,wrt::guest=info,async_nats::connector=off";

/// Starts logging, panics included, and answers the way to standard error that does not wait for its reader.
pub fn start() -> Stderr {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new(FILTER_DEFAULT));
    let wants_no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let stderr = Stderr::start();
    let writer = stderr.writer();
    std::panic::set_hook(Box::new(move |panic| writer.panic(panic)));
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(fields::Fields)
        .with_writer(stderr.writer())
        .with_ansi(std::io::stderr().is_terminal() && !wants_no_colour);
    // A test that calls two programs in one process has one already.
    let logger = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(export::Export::new())
        .with(keep::Keep);
    let _started_already = logger.try_init();
    stderr
}
