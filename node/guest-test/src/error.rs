//! Why a test cannot go on.

use std::{error, fmt};

/// What a test returns, or one of its steps.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// Why a test cannot go on, and what to do about it. `Debug`, which is what a test prints that returns it, is the
/// same text.
#[derive(Clone)]
pub struct Error(String);

impl Error {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }

    /// What has failed, and why: the error with all that is below it.
    pub(crate) fn of(what: impl fmt::Display, error: &dyn error::Error) -> Self {
        let sources = std::iter::successors(Some(error), |error| error.source());
        let chain = sources.fold(what.to_string(), |text, error| format!("{text}: {error}"));
        Self(chain)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Error {}
