//! Frames of a body that travels as a stream.
//!
//! ```text
//! sender                         receiver
//!   | -- announce (in envelope) -->  |
//!   | <------- Credit(n) ----------- |   nothing flows before this
//!   | -- Chunk 0 ------------------> |
//!   | -- Chunk 1 ------------------> |
//!   | <------- Credit(n) ----------- |   as the consumer takes chunks
//!   | -- End(2) -------------------> |   or Failed, FailedOwn, or the receiver's Cancel
//! ```
//!
//! The sender MUST NOT have more chunks in flight than it was granted. The receiver MUST treat a gap
//! in the sequence as a failure: core NATS loses messages at a disconnect.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    DecodeError, EncodeError, Fault, NodeId, StreamId,
    frame::{self, FrameKind},
};

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamSignal {
    /// Sender: bytes follow the head. Numbered from 0.
    Chunk {
        /// Its place.
        sequence: u64,
    },
    /// Sender: the body is whole; `sequence` chunks were sent.
    End {
        /// How many chunks there were.
        sequence: u64,
        /// Trailers of the body, as pairs of name and value. Empty for most.
        trailers: Vec<(String, Vec<u8>)>,
    },
    /// Sender: the body ends here, broken.
    Failed {
        /// Why.
        fault: Fault,
    },
    /// Receiver: that many chunks more may be sent.
    Credit {
        /// How many.
        chunks: u32,
    },
    /// Receiver: it wants no more.
    Cancel,
    /// Sender: the body ends here, broken, with an error of its interface: the bytes that follow the
    /// head, at most [`CHUNK_BYTES_MAX`](crate::limits::CHUNK_BYTES_MAX) of them.
    FailedOwn,
}

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFrame {
    /// The stream.
    pub stream: StreamId,
    /// Who sends this frame: credit and cancel go back there.
    pub from: NodeId,
    /// What it says.
    pub signal: StreamSignal,
    /// The bytes of a chunk, or of an interface's error; empty for everything else.
    pub bytes: Bytes,
}

#[derive(Serialize, Deserialize)]
struct Head {
    stream: StreamId,
    from: NodeId,
    signal: StreamSignal,
}

impl StreamFrame {
    /// Writes the frame.
    ///
    /// # Errors
    /// When the head is over its limit (trailers can make it so).
    pub fn encode(self) -> Result<Bytes, EncodeError> {
        let head = Head {
            stream: self.stream,
            from: self.from,
            signal: self.signal,
        };
        frame::encode(FrameKind::Stream, &head, &[&self.bytes])
    }

    /// Reads a frame; its bytes share the memory of `bytes`.
    ///
    /// # Errors
    /// When `bytes` is anything else.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (
            Head {
                stream,
                from,
                signal,
            },
            bytes,
        ) = frame::decode(FrameKind::Stream, bytes)?;
        Ok(Self {
            stream,
            from,
            signal,
            bytes,
        })
    }
}
