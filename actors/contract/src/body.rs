//! A body: bytes beside the arguments, in pieces, with bounded memory.

use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use wrt_protocol::{Fault, FaultKind, Hop};

/// Pairs of name and value after the last bytes of a body.
pub type Trailers = Vec<(String, Vec<u8>)>;

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyFrame {
    /// Bytes, not empty.
    Data(Bytes),
    /// What follows the last bytes; nothing comes after it.
    Trailers(Trailers),
}

/// A stream of pieces that ends whole, or with a fault. It is pulled: nothing is read ahead of its
/// consumer but what a transport's credit allows. Dropping it tells its producer to stop.
pub struct Body {
    length: Option<u64>,
    /// Never locked: only reached through `get_mut`. The mutex makes a reference to a body one that
    /// may cross threads, which a boxed stream's is not.
    frames: Mutex<BoxStream<'static, Result<BodyFrame, Fault>>>,
}

impl Body {
    /// A body of `frames`; `length` in bytes where it is known before.
    #[must_use]
    pub fn new(
        length: Option<u64>,
        frames: impl Stream<Item = Result<BodyFrame, Fault>> + Send + 'static,
    ) -> Self {
        Self {
            length,
            frames: Mutex::new(frames.boxed()),
        }
    }

    /// A body that is already here.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        let length = Some(bytes.len() as u64);
        let frame = (!bytes.is_empty()).then_some(Ok(BodyFrame::Data(bytes)));
        Self::new(length, futures::stream::iter(frame))
    }

    /// Its length in bytes, where that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Reads it to its end; trailers are dropped.
    ///
    /// # Errors
    /// Its own fault, or [`FaultKind::TooLarge`] as soon as it is over `bytes_max`.
    pub async fn collect(mut self, bytes_max: usize) -> Result<Bytes, Fault> {
        let too_large = || {
            let detail = format!("body is over the limit of {bytes_max} bytes");
            Fault::maybe_executed(FaultKind::TooLarge, Hop::Stream, detail)
        };
        if self.length.is_some_and(|length| length > bytes_max as u64) {
            return Err(too_large());
        }
        let mut first = Bytes::new();
        let mut rest = Vec::new();
        while let Some(frame) = self.next().await {
            let BodyFrame::Data(bytes) = frame? else {
                continue;
            };
            if first.len() + rest.len() + bytes.len() > bytes_max {
                return Err(too_large());
            }
            // One piece is the common case, and needs no copy.
            if first.is_empty() && rest.is_empty() {
                first = bytes;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&std::mem::take(&mut first));
                }
                rest.extend_from_slice(&bytes);
            }
        }
        Ok(if rest.is_empty() { first } else { rest.into() })
    }
}

impl Stream for Body {
    type Item = Result<BodyFrame, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.frames
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .poll_next(cx)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
