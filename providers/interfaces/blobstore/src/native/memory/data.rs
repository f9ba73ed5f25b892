//! The bytes of an object.

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::stream;
use wrt_contract::{Body, BodyFrame};
use wrt_protocol::limits::CHUNK_BYTES_MAX;

use super::room::{Room, Taken};
use crate::BlobstoreError;

const CHUNK_BYTES: u64 = CHUNK_BYTES_MAX as u64;

/// Bytes in chunks of one length, but for the last one. They take their room until nobody has them any
/// more, neither the store nor a reader.
pub(super) struct Data {
    chunks: Vec<Bytes>,
    size_bytes: u64,
    _room: Taken,
}

/// Bytes that come.
pub(super) struct Writing {
    chunks: Vec<Bytes>,
    chunk: BytesMut,
    size_bytes: u64,
    room: Taken,
}

impl Writing {
    pub(super) fn into_room(room: &Arc<Room>) -> Self {
        Self {
            chunks: Vec::new(),
            chunk: BytesMut::new(),
            size_bytes: 0,
            room: room.take_nothing(),
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), BlobstoreError> {
        self.room.grow(bytes.len() as u64)?;
        self.size_bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(CHUNK_BYTES_MAX - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = rest;
            if self.chunk.len() == CHUNK_BYTES_MAX {
                self.chunks.push(self.chunk.split().freeze());
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Data {
        if !self.chunk.is_empty() {
            // Not as it grew: that has room for more.
            self.chunks.push(Bytes::copy_from_slice(&self.chunk));
        }
        Data {
            chunks: self.chunks,
            size_bytes: self.size_bytes,
            _room: self.room,
        }
    }
}

impl Data {
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// A part of it, which lies within it.
    pub(super) fn body(self: Arc<Self>, range: Range<u64>) -> Body<BlobstoreError> {
        let length = range.end - range.start;
        let frames = stream::unfold((self, range), |(data, range)| async move {
            let piece = data.piece(&range)?;
            let rest = range.start + piece.len() as u64..range.end;
            Some((Ok(BodyFrame::Data(piece)), (data, rest)))
        });
        Body::new(Some(length), frames)
    }

    /// What a chunk has of a range's beginning; none of an empty range.
    fn piece(&self, range: &Range<u64>) -> Option<Bytes> {
        if range.is_empty() {
            return None;
        }
        let chunk = self.chunks.get((range.start / CHUNK_BYTES) as usize)?;
        let start = (range.start % CHUNK_BYTES) as usize;
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let end = chunk.len().min(start.saturating_add(length));
        Some(chunk.slice(start..end))
    }
}
