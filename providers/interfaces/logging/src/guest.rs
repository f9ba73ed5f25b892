//! What a guest calls: lines of its own in the log of the node that runs it. No call fails or waits.

use std::fmt::Display;

use bindings::wasi::logging::logging;
pub use logging::Level;

/// Logs a message. `context` is a word of the component's own, by which messages are told apart.
///
/// The text is made whether the node shows it or not: no guest knows what is shown.
pub fn log(level: Level, context: &str, message: impl Display) {
    logging::log(level, context, &message.to_string());
}

/// How a program goes, step by step.
pub fn trace(context: &str, message: impl Display) {
    log(Level::Trace, context, message);
}

/// For those who look for a mistake.
pub fn debug(context: &str, message: impl Display) {
    log(Level::Debug, context, message);
}

/// For those who watch.
pub fn info(context: &str, message: impl Display) {
    log(Level::Info, context, message);
}

/// Something that may go wrong.
pub fn warn(context: &str, message: impl Display) {
    log(Level::Warn, context, message);
}

/// Something that went wrong.
pub fn error(context: &str, message: impl Display) {
    log(Level::Error, context, message);
}

/// Something that ends the program.
pub fn critical(context: &str, message: impl Display) {
    log(Level::Critical, context, message);
}

/// Generated from `wit/`.
mod bindings {
    #![allow(
        unsafe_code,
        missing_docs,
        clippy::all,
        reason = "written by wit-bindgen"
    )]
    wit_bindgen::generate!({
        inline: "
            package wrt:logging-guest;
            world logging {
                import wasi:logging/logging@0.1.0-draft;
            }
        ",
        path: "../../../wit/deps/logging-0.1.0-draft",
        generate_all,
    });
}
