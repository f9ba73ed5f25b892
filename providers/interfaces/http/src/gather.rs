//! Which body travels beside its head, and which as a stream.

use futures::{StreamExt, stream};
use tokio::time::Instant;
use wrt_contract::{Body, BodyFrame, Trailers, generated::Bytes};
use wrt_protocol::Fault;

use crate::limits::INLINE_BODY_BYTES_MAX;

/// A body after a moment's wait.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// All of it is here.
    Whole(Bytes, Trailers),
    /// It is long, or takes its time, or has failed: as it was, nothing lost.
    Streamed(Body),
}

/// Waits until `until` for a body to become whole.
pub(crate) async fn gather(mut body: Body, until: Instant) -> Gathered {
    let length = body.length();
    if length.is_some_and(|length| length > INLINE_BODY_BYTES_MAX as u64) {
        return Gathered::Streamed(body);
    }
    let mut frames = Vec::new();
    let mut bytes = 0;
    loop {
        match tokio::time::timeout_at(until, body.next()).await {
            Ok(None) => return joined(frames),
            Ok(Some(frame)) => {
                if let Ok(BodyFrame::Data(data)) = &frame {
                    bytes += data.len();
                }
                let failed = frame.is_err();
                frames.push(frame);
                // The second bound is on frames: many tiny ones cost more to keep than their bytes.
                if failed || bytes > INLINE_BODY_BYTES_MAX || frames.len() > FRAMES_MAX {
                    break;
                }
            }
            Err(_elapsed) => break,
        }
    }
    Gathered::Streamed(Body::new(length, stream::iter(frames).chain(body)))
}

const FRAMES_MAX: usize = 1024;

fn joined(frames: Vec<Result<BodyFrame, Fault>>) -> Gathered {
    let mut pieces = Vec::new();
    let mut trailers = Trailers::new();
    for frame in frames.into_iter().flatten() {
        match frame {
            BodyFrame::Data(data) => pieces.push(data),
            BodyFrame::Trailers(fields) => trailers = fields,
        }
    }
    let bytes = match pieces.len() {
        0 => Bytes::new(),
        // One piece is the common case, and needs no copy.
        1 => pieces.swap_remove(0),
        _ => pieces.concat().into(),
    };
    Gathered::Whole(bytes, trailers)
}

/// A body that is here, with its trailers.
pub(crate) fn whole(bytes: Bytes, trailers: Trailers) -> Body {
    if trailers.is_empty() {
        return Body::whole(bytes);
    }
    let length = Some(bytes.len() as u64);
    let data = (!bytes.is_empty()).then_some(Ok(BodyFrame::Data(bytes)));
    let end = std::iter::once(Ok(BodyFrame::Trailers(trailers)));
    Body::new(length, stream::iter(data.into_iter().chain(end)))
}
