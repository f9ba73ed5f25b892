//! A body between an interface, whose errors have types, and a bus, which knows none of them.

use bytes::Bytes;
use wrt_protocol::{Fault, FaultKind, Hop};

use super::Body;
use crate::InterfaceError;

/// What a body on the bus breaks off with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// The lattice's own.
    Fault(Fault),
    /// The interface's, encoded.
    Own(Bytes),
}

impl BodyError {
    /// As a fault, where no interface's own error belongs: among the bytes of arguments.
    #[must_use]
    pub fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Own(_) => {
                let detail = "an interface's error where none belongs";
                Fault::maybe_executed(FaultKind::Malformed, Hop::Stream, detail)
            }
        }
    }
}

impl From<Fault> for BodyError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Makes an interface's body fit for the bus. One that is here stays here.
pub fn into_wire<E: InterfaceError>(body: Body<E>) -> Body<BodyError> {
    body.map_err(|error| match error.into_fault() {
        Ok(fault) => BodyError::Fault(fault),
        Err(own) => match postcard::to_stdvec(&own) {
            Ok(bytes) => BodyError::Own(bytes.into()),
            Err(error) => BodyError::Fault(malformed(error)),
        },
    })
}

/// The reverse of [`into_wire`].
pub fn from_wire<E: InterfaceError>(body: Body<BodyError>) -> Body<E> {
    body.map_err(|error| match error {
        BodyError::Fault(fault) => fault.into(),
        BodyError::Own(bytes) => match postcard::take_from_bytes(&bytes) {
            Ok((own, [])) => own,
            Ok(_) => malformed(postcard::Error::DeserializeBadEncoding).into(),
            Err(error) => malformed(error).into(),
        },
    })
}

fn malformed(error: postcard::Error) -> Fault {
    let detail = format!("error in the body: {error}");
    Fault::maybe_executed(FaultKind::Malformed, Hop::Stream, detail)
}
