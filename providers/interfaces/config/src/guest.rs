//! What a guest calls: the settings that the manifest's link `wasi:config` serves.

use std::fmt;

use bindings::wasi::config::store;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The service behind the provider failed; its words.
    Upstream(String),
    /// The way to it failed; the words of whoever noticed.
    Io(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Upstream(text) | Self::Io(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Upstream(text) => Self::Upstream(text),
            store::Error::Io(text) => Self::Io(text),
        }
    }
}

/// The value of a key; none where it has none.
///
/// # Errors
/// None but those of the provider: a key that does not exist is none.
pub fn get(key: &str) -> Result<Option<String>, Error> {
    Ok(store::get(key)?)
}

/// Every key with its value, sorted by key.
///
/// # Errors
/// Those of the provider.
pub fn get_all() -> Result<Vec<(String, String)>, Error> {
    Ok(store::get_all()?)
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
            package wrt:config-guest;
            world config {
                import wasi:config/store@0.2.0-rc.1;
            }
        ",
        path: "../../../wit/deps/config-0.2.0-rc.1",
        generate_all,
    });
}
