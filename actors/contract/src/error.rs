//! The error of an interface.

use serde::{Serialize, de::DeserializeOwned};
use wrt_protocol::Fault;

/// What the error type of an interface's trait must be able to do: carry a fault next to the
/// interface's own errors, so that host glue can tell the two apart in one place.
pub trait InterfaceError: From<Fault> + Serialize + DeserializeOwned + Send + 'static {
    /// The fault, if this is one.
    fn as_fault(&self) -> Option<&Fault>;

    /// Splits it: the fault if it is one, itself otherwise.
    ///
    /// # Errors
    /// The interface's own error.
    fn into_fault(self) -> Result<Fault, Self>;
}

/// The error of an interface that has none of its own.
impl InterfaceError for Fault {
    fn as_fault(&self) -> Option<&Fault> {
        Some(self)
    }

    fn into_fault(self) -> Result<Fault, Self> {
        Ok(self)
    }
}
