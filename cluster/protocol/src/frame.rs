//! The frame around everything that is said on the bus:
//!
//! ```text
//! 0        1       2            6
//! | version | kind | head_bytes | head (postcard) | rest, untouched |
//!    u8       u8     u32 LE
//! ```

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::limits::HEAD_BYTES_MAX;

/// The version of everything in this crate, as far as it says nothing that came later. Peers do not understand
/// another version than those that they know, and say so. Subjects keep their version while their layout
/// stays: a peer of another version must be heard, to be answered.
///
/// Version 2 has bodies inside messages, interfaces' errors in the middle of bodies, and a fingerprint
/// of the interface in each call. Version 3 has the fence of a call, and the fault of one that is fenced
/// off. A decoder of an earlier version would have read other fields from the same bytes.
pub const PROTOCOL_VERSION: u8 = 3;

/// The latest version: a frame has it that says something of what came with it, and is sent to those alone who
/// have said that they read it. In 4 came the [`Origin`](crate::Origin) of a call, where calls of version 3 had
/// a tenant, which nobody ever set.
pub const PROTOCOL_VERSION_MAX: u8 = 4;

const PREFIX_BYTES: usize = 6;
/// Room for a head: one with more is written all the same, after one more allocation.
const HEAD_BYTES_USUAL: usize = 250;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Request = 1,
    Reply = 2,
    Cancel = 3,
    Heartbeat = 4,
    Stream = 5,
    Pack = 6,
    HeartbeatChanges = 7,
    HeartbeatQuestion = 8,
}

/// Bytes that are no message of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The peer speaks another version.
    #[error(
        "protocol version {theirs}, this node speaks {PROTOCOL_VERSION} to {PROTOCOL_VERSION_MAX}: upgrade \
         the older of the two"
    )]
    Version {
        /// What the first byte said.
        theirs: u8,
    },
    /// The message ends before its head does, or a length in it points outside.
    #[error("message of {bytes} bytes is cut short")]
    Short {
        /// Length of what came.
        bytes: usize,
    },
    /// Another kind of message than belongs on this subject.
    #[error("message of kind {kind} is not expected here")]
    Kind {
        /// The second byte.
        kind: u8,
    },
    /// A head over its limit.
    #[error("head of {bytes} bytes is over the limit of {HEAD_BYTES_MAX}")]
    HeadTooLarge {
        /// The length that it claims.
        bytes: usize,
    },
    /// The head is not what this kind of message has.
    #[error("head is not readable")]
    Head(#[source] postcard::Error),
}

/// A message that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A head over its limit.
    #[error("head of {bytes} bytes is over the limit of {HEAD_BYTES_MAX}")]
    HeadTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Arguments over what a length on the wire can say.
    #[error("arguments of {bytes} bytes are too large")]
    ArgumentsTooLarge {
        /// Their length.
        bytes: usize,
    },
    /// A value that postcard has no encoding for.
    #[error("head has no encoding")]
    Head(#[source] postcard::Error),
}

/// Writes a frame: one allocation, and one copy of each part.
pub(crate) fn encode<T: Serialize>(
    kind: FrameKind,
    head: &T,
    rest: &[&[u8]],
) -> Result<Bytes, EncodeError> {
    encode_as(PROTOCOL_VERSION, kind, head, rest)
}

/// The same, of the least version that has all that it says.
pub(crate) fn encode_as<T: Serialize>(
    version: u8,
    kind: FrameKind,
    head: &T,
    rest: &[&[u8]],
) -> Result<Bytes, EncodeError> {
    let rest_bytes: usize = rest.iter().map(|part| part.len()).sum();
    let mut frame = Vec::with_capacity(PREFIX_BYTES + HEAD_BYTES_USUAL + rest_bytes);
    frame.extend([version, kind as u8, 0, 0, 0, 0]);
    let mut frame = postcard::to_extend(head, frame).map_err(EncodeError::Head)?;
    let bytes = frame.len() - PREFIX_BYTES;
    if bytes > HEAD_BYTES_MAX {
        return Err(EncodeError::HeadTooLarge { bytes });
    }
    let length = u32::try_from(bytes).expect("the limit on a head is far below 4 GiB");
    frame[2..PREFIX_BYTES].copy_from_slice(&length.to_le_bytes());
    for part in rest {
        frame.extend_from_slice(part);
    }
    Ok(frame.into())
}

/// Reads a frame of `kind`: its head, and what follows it without a copy.
pub(crate) fn decode<T: DeserializeOwned>(
    kind: FrameKind,
    frame: &Bytes,
) -> Result<(T, Bytes), DecodeError> {
    let short = || DecodeError::Short { bytes: frame.len() };
    let version = *frame.first().ok_or_else(short)?;
    let latest = match kind {
        FrameKind::Request => PROTOCOL_VERSION_MAX,
        _ => PROTOCOL_VERSION,
    };
    if !(PROTOCOL_VERSION..=latest).contains(&version) {
        return Err(DecodeError::Version { theirs: version });
    }
    let prefix: &[u8; PREFIX_BYTES] = frame.first_chunk().ok_or_else(short)?;
    let [_, theirs, length @ ..] = *prefix;
    if theirs != kind as u8 {
        return Err(DecodeError::Kind { kind: theirs });
    }
    let bytes = u32::from_le_bytes(length) as usize;
    if bytes > HEAD_BYTES_MAX {
        return Err(DecodeError::HeadTooLarge { bytes });
    }
    let end = PREFIX_BYTES + bytes;
    let head = frame.get(PREFIX_BYTES..end).ok_or_else(short)?;
    let (head, left) = postcard::take_from_bytes(head).map_err(DecodeError::Head)?;
    if !left.is_empty() {
        return Err(DecodeError::Head(postcard::Error::DeserializeBadEncoding));
    }
    Ok((head, frame.slice(end..)))
}
