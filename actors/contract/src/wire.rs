//! How arguments and results become bytes.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use wrt_protocol::{Execution, Fault, FaultKind, Hop, InterfaceName, OperationName};

use crate::{
    Answer, Body, BodyError, InterfaceError,
    body::{from_wire, into_wire},
};

/// Encodes a tuple of references to the arguments.
///
/// # Errors
/// *Not executed*: a value that postcard has no encoding for.
pub fn encode_arguments(arguments: &impl Serialize) -> Result<Bytes, Fault> {
    postcard::to_stdvec(arguments)
        .map(Bytes::from)
        .map_err(|error| {
            Fault::not_executed(
                FaultKind::Malformed,
                Hop::Caller,
                format!("arguments: {error}"),
            )
        })
}

/// Decodes a tuple of arguments.
///
/// # Errors
/// *Not executed*: bytes that are not the operation's arguments, or not only those.
pub fn decode_arguments<T: DeserializeOwned>(arguments: &[u8]) -> Result<T, Fault> {
    let malformed = |error| {
        Fault::not_executed(
            FaultKind::Malformed,
            Hop::Gate,
            format!("arguments: {error}"),
        )
    };
    match postcard::take_from_bytes(arguments) {
        Ok((decoded, [])) => Ok(decoded),
        Ok(_) => Err(malformed(postcard::Error::DeserializeBadEncoding)),
        Err(error) => Err(malformed(error)),
    }
}

/// Encodes what an operation answered; a fault inside its error leaves as a fault.
///
/// # Errors
/// The fault inside, or *executed* when the answer has no encoding.
pub fn encode_result<T: Serialize, E: InterfaceError>(
    result: Result<T, E>,
) -> Result<Answer, Fault> {
    let result = match result {
        Ok(value) => Ok(value),
        Err(error) => Err(match error.into_fault() {
            Ok(fault) => return Err(fault),
            Err(own) => own,
        }),
    };
    let bytes = postcard::to_stdvec(&result).map_err(|error| {
        let detail = format!("result: {error}");
        Fault::new(
            FaultKind::Malformed,
            Execution::Executed,
            Hop::Actor,
            detail,
        )
    })?;
    Ok(Answer {
        result: bytes.into(),
        ..Answer::default()
    })
}

/// Decodes what an operation answered.
///
/// # Errors
/// The operation's own error, or a fault, *executed*, when the bytes are no answer of it.
pub fn decode_result<T: DeserializeOwned, E: InterfaceError>(answer: &Answer) -> Result<T, E> {
    let malformed = |error| {
        let detail = format!("result: {error}");
        E::from(Fault::new(
            FaultKind::Malformed,
            Execution::Executed,
            Hop::Caller,
            detail,
        ))
    };
    match postcard::take_from_bytes(&answer.result) {
        Ok((result, [])) => result,
        Ok(_) => Err(malformed(postcard::Error::DeserializeBadEncoding)),
        Err(error) => Err(malformed(error)),
    }
}

/// Encodes what an operation with a body in its answer has answered.
///
/// # Errors
/// As [`encode_result`].
pub fn encode_result_with_body<T: Serialize, B: InterfaceError, E: InterfaceError>(
    result: Result<(T, Body<B>), E>,
) -> Result<Answer, Fault> {
    match result {
        Ok((value, body)) => {
            let answer = encode_result::<T, E>(Ok(value))?;
            let body = Some(into_wire(body));
            Ok(Answer { body, ..answer })
        }
        Err(error) => encode_result::<T, E>(Err(error)),
    }
}

/// Decodes what an operation with a body in its answer has answered.
///
/// # Errors
/// As [`decode_result`]; a fault, *executed*, when the body is missing.
pub fn decode_result_with_body<T: DeserializeOwned, B: InterfaceError, E: InterfaceError>(
    answer: Answer,
) -> Result<(T, Body<B>), E> {
    let value = decode_result::<T, E>(&answer)?;
    let body = answer.body.ok_or_else(|| {
        E::from(Fault::new(
            FaultKind::Malformed,
            Execution::Executed,
            Hop::Caller,
            "result: its body is missing",
        ))
    })?;
    Ok((value, from_wire(body)))
}

/// The body beside the arguments.
///
/// # Errors
/// *Not executed*: there is none.
pub fn body_argument<B: InterfaceError>(body: Option<Body<BodyError>>) -> Result<Body<B>, Fault> {
    let missing = || {
        Fault::not_executed(
            FaultKind::Malformed,
            Hop::Gate,
            "arguments: their body is missing",
        )
    };
    body.map(from_wire).ok_or_else(missing)
}

/// The fault for an operation that the interface does not have: a caller built against another
/// version of it.
pub fn unknown_operation(interface: &InterfaceName, operation: &OperationName) -> Fault {
    Fault::not_executed(
        FaultKind::UnknownOperation,
        Hop::Gate,
        format!("{interface} has no operation {operation}"),
    )
}
