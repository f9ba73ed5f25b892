//! How a command ends when it does not end well.

use wrt_deployment::Problems;

/// A failure and the exit code that tells it.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What happened, and what to do next.
    pub error: anyhow::Error,
}

impl Failure {
    /// Code 1.
    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: 1,
            error: error.into(),
        }
    }

    /// Code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            code: 2,
            error: anyhow::Error::msg(message.into()),
        }
    }

    /// Code 3.
    pub fn too_late(message: impl Into<String>) -> Self {
        Self {
            code: 3,
            error: anyhow::Error::msg(message.into()),
        }
    }

    /// Code 1, because somebody pressed Ctrl-C.
    pub fn interrupted() -> Self {
        Self::failed(anyhow::anyhow!(
            "interrupted; what was changed so far stands"
        ))
    }

    /// The problems of a manifest, if that is what went wrong.
    pub fn problems(&self) -> Option<&Problems> {
        self.error.downcast_ref()
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}
