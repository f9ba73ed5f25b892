//! A body between the lattice and a guest's streams, of WASI 0.2 and 0.3.
//!
//! ```text
//! Body ── BodyInput ─────> wasi:io input-stream (0.2)
//!   └──── BodyProducer ──> stream<u8>           (0.3)
//!
//! wasi:io output-stream ── BodyOutput ────┐
//! stream<u8> ───────────── BodyConsumer ──┴── from_guest() ──> Body
//! ```
//!
//! Each holds one piece at a time, and one more is on its way: at most [`CHUNK_BYTES_MAX`] from a
//! guest, and as it came from the lattice. What an end, an error and trailers are to the guest is the
//! interface's business: 0.2 says it by a resource, 0.3 by a future beside the stream.

mod input;
mod output;

use futures::stream;
use tokio::sync::{mpsc, oneshot};
use wrt_contract::{Body, BodyFrame, Trailers};
use wrt_protocol::{Fault, FaultKind, Hop, limits::CHUNK_BYTES_MAX};

pub use self::{
    input::{BodyInput, BodyProducer},
    output::{BodyConsumer, BodyOutput},
};

/// How a guest's body ended: whole, with what follows its last bytes, or broken.
type BodyOutcome<E> = Result<Trailers, E>;

/// The end of a guest's body. Without it the body is broken, however its stream ended: a guest that
/// traps drops its streams, too.
#[derive(Debug)]
pub struct BodyEnd<E>(oneshot::Sender<BodyOutcome<E>>);

impl<E> BodyEnd<E> {
    /// The guest has said how its body ends. What it has written before comes first.
    pub fn finish(self, outcome: Result<Trailers, E>) {
        // Nobody reads a body that was dropped.
        let _reader_gone = self.0.send(outcome);
    }
}

/// Where a guest's bytes go: made into a stream of its version.
#[derive(Debug)]
pub struct BodyWriter(mpsc::Sender<BodyFrame>);

impl BodyWriter {
    /// As an output stream of 0.2.
    #[must_use]
    pub fn into_output(self) -> BodyOutput {
        BodyOutput::new(self.0)
    }

    /// As the reader of a stream of 0.3, for `StreamReader::pipe`.
    #[must_use]
    pub fn into_consumer(self) -> BodyConsumer {
        BodyConsumer::new(self.0)
    }
}

/// A body that a guest writes, of `length` where it has announced one.
#[must_use]
pub fn from_guest<E>(length: Option<u64>) -> (BodyWriter, BodyEnd<E>, Body<E>)
where
    E: From<Fault> + Send + 'static,
{
    let (writer, frames) = mpsc::channel(1);
    let (end, outcome) = oneshot::channel::<BodyOutcome<E>>();
    let frames = stream::unfold(Some((frames, outcome)), |state| async {
        let (mut frames, outcome) = state?;
        if let Some(frame) = frames.recv().await {
            return Some((Ok(frame), Some((frames, outcome))));
        }
        // Its stream is closed; how the body ended is said beside it.
        match outcome.await {
            Ok(Ok(trailers)) if trailers.is_empty() => None,
            Ok(Ok(trailers)) => Some((Ok(BodyFrame::Trailers(trailers)), None)),
            Ok(Err(error)) => Some((Err(error), None)),
            Err(_dropped) => {
                let detail = "the guest gave its body up before the end";
                let fault = Fault::maybe_executed(FaultKind::Crashed, Hop::Stream, detail);
                Some((Err(fault.into()), None))
            }
        }
    });
    (BodyWriter(writer), BodyEnd(end), Body::new(length, frames))
}

#[cfg(test)]
mod tests;
