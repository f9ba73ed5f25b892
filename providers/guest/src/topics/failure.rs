//! Why a message was not handled.

use std::{error, fmt};

use crate::messaging::Error;

/// Why a message was not handled: any error, by `?`. Its words, with those of its sources, are what the node's log
/// and a dead letter say.
#[derive(Debug)]
pub struct Failure(Error);

impl Failure {
    /// A failure in one's own words.
    #[must_use]
    pub fn new(why: impl fmt::Display) -> Self {
        Self(Error::Other(why.to_string()))
    }
}

/// No [`error::Error`] itself, so that it can be made of all that are.
impl<E: error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let known: &(dyn error::Error + 'static) = &error;
        // The broker's own kinds stay what they are.
        if let Some(error) = known.downcast_ref::<Error>() {
            return Self(error.clone());
        }
        let sources = std::iter::successors(known.source(), |error| error.source());
        let words = sources.fold(known.to_string(), |words, source| {
            format!("{words}: {source}")
        });
        Self::new(words)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Error::Other(why) => f.write_str(why),
            known => write!(f, "{known:?}"),
        }
    }
}
