//! A body that is waited for to become whole.

use futures::{StreamExt, stream};
use tokio::time::Instant;
use wrt_protocol::Fault;

use super::{Body, BodyFrame, Trailers, WholeBody};

/// Frames that are gathered: many tiny ones cost more to keep than their bytes.
const FRAMES_MAX: usize = 1024;

impl<E: From<Fault> + Send + 'static> Body<E> {
    /// The body as it was, nothing lost: whole if it ends before `until` with at most `bytes_max`.
    pub async fn gathered(mut self, bytes_max: usize, until: Instant) -> Self {
        if self.is_whole() {
            return self;
        }
        let length = self.length();
        let mut frames = Vec::new();
        let mut bytes = 0;
        loop {
            match tokio::time::timeout_at(until, self.next()).await {
                Ok(None) => return joined(length, frames).into(),
                Ok(Some(frame)) => {
                    if let Ok(BodyFrame::Data(data)) = &frame {
                        bytes += data.len();
                    }
                    let failed = frame.is_err();
                    frames.push(frame);
                    if failed || bytes > bytes_max || frames.len() > FRAMES_MAX {
                        break;
                    }
                }
                Err(_elapsed) => break,
            }
        }
        Body::new(length, stream::iter(frames).chain(self))
    }
}

fn joined<E>(length: Option<u64>, frames: Vec<Result<BodyFrame, E>>) -> WholeBody {
    let mut pieces = Vec::new();
    let mut trailers = Trailers::new();
    for frame in frames.into_iter().flatten() {
        match frame {
            BodyFrame::Data(data) => pieces.push(data),
            BodyFrame::Trailers(fields) => trailers = fields,
        }
    }
    let bytes = match pieces.len() {
        // One piece is the common case, and needs no copy.
        0 | 1 => pieces.pop().unwrap_or_default(),
        _ => pieces.concat().into(),
    };
    WholeBody {
        length,
        bytes,
        trailers,
    }
}
