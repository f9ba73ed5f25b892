//! Several calls to one subject, or several replies to one caller, in one message of the bus.
//!
//! A bus pays for messages and not for bytes. What is in a pack are whole frames, which know nothing
//! of it; a slot is what their sender tells them apart by.

use bytes::Bytes;

use crate::{
    DecodeError, EncodeError,
    frame::{self, FrameKind},
};

/// One of the frames in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackEntry {
    /// The caller's own number for the call. A reply has the same.
    pub slot: u64,
    /// The frame.
    pub payload: Bytes,
}

/// Writes a pack.
///
/// # Errors
/// When there are so many entries that the head is over its limit, or one is over 4 GiB.
pub fn encode(entries: &[PackEntry]) -> Result<Bytes, EncodeError> {
    let length = |entry: &PackEntry| {
        let bytes = entry.payload.len();
        let too_large = |_| EncodeError::ArgumentsTooLarge { bytes };
        Ok((entry.slot, u32::try_from(bytes).map_err(too_large)?))
    };
    let head = entries.iter().map(length).collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&[u8]> = entries.iter().map(|entry| &*entry.payload).collect();
    frame::encode(FrameKind::Pack, &head, &parts)
}

/// Reads a pack; its entries share the memory of `bytes`.
///
/// # Errors
/// When `bytes` is anything else, or the lengths do not add up.
pub fn decode(bytes: &Bytes) -> Result<Vec<PackEntry>, DecodeError> {
    let (head, mut rest) = frame::decode::<Vec<(u64, u32)>>(FrameKind::Pack, bytes)?;
    let short = || DecodeError::Short { bytes: bytes.len() };
    let mut entries = Vec::with_capacity(head.len());
    for (slot, length) in head {
        let length = length as usize;
        if length > rest.len() {
            return Err(short());
        }
        let payload = rest.split_to(length);
        entries.push(PackEntry { slot, payload });
    }
    if !rest.is_empty() {
        return Err(short());
    }
    Ok(entries)
}
