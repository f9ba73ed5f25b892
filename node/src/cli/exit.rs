//! How a command ends when it does not end well.

use wrt_deployment::Problems;
use wrt_protocol::FaultKind;
use wrt_runtime::JobError;

use super::program;

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

    /// Of a component that has not come to its end.
    pub fn of_job(error: JobError) -> Self {
        let code = match &error {
            JobError::Fault(fault) => match fault.kind() {
                FaultKind::DeadlineExceeded => 3,
                // As of a process that was aborted.
                FaultKind::Crashed => 134,
                _ => 1,
            },
            _ => 1,
        };
        Self {
            code,
            error: error.into(),
        }
    }

    /// Code 130, as of a process that was interrupted, because somebody pressed Ctrl-C before a component has
    /// come to its end.
    pub fn job_interrupted() -> Self {
        Self {
            code: 130,
            error: anyhow::anyhow!("interrupted; the component was stopped"),
        }
    }

    /// Code 1, because the bus does not permit what it takes.
    pub fn not_permitted(subject: &str) -> Self {
        Self::failed(anyhow::anyhow!(
            "the NATS server's permissions do not allow this login to publish to {subject:?}, which this command \
             needs to: `{} permissions` prints those of an operator and of an observer",
            program::name()
        ))
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
