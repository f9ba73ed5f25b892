//! What of a response's body is here without a wait.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use wrt_contract::{Body, BodyFrame, WholeBody};
use wrt_protocol::{Fault, limits::INLINE_BODY_BYTES_MAX};

use super::FromGuest;

/// Pieces that are taken. A guest that has more of them does not answer in one go.
const FRAMES_MAX: usize = 64;

/// The body of `frames`, of which `length` bytes are announced.
pub(super) async fn taken(mut frames: FromGuest, length: Option<u64>) -> Body {
    let mut taken = Taken::default();
    let end = poll_fn(|cx| Poll::Ready(taken.take(&mut frames, cx))).await;
    match end {
        End::Whole => taken.whole(length),
        End::Broken(fault) => {
            let broken = stream::once(std::future::ready(Err(fault)));
            Body::new(length, taken.frames().chain(broken))
        }
        End::Later => {
            frames.rest.apart();
            Body::new(length, taken.frames().chain(frames))
        }
    }
}

/// How taking ends.
enum End {
    Whole,
    Broken(Fault),
    /// It goes on.
    Later,
}

#[derive(Default)]
struct Taken {
    frames: Vec<BodyFrame>,
    bytes: usize,
}

impl Taken {
    fn take(&mut self, frames: &mut FromGuest, cx: &mut Context<'_>) -> End {
        let mut guest_waits = false;
        // Whoever reads what comes later looks for himself first: until then nobody has to be woken.
        let mut nobody = Context::from_waker(Waker::noop());
        while self.bytes < INLINE_BODY_BYTES_MAX && self.frames.len() < FRAMES_MAX {
            match Pin::new(&mut *frames).poll_next(&mut nobody) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let BodyFrame::Data(bytes) = &frame {
                        self.bytes += bytes.len();
                    }
                    self.frames.push(frame);
                    guest_waits = false;
                }
                Poll::Ready(Some(Err(fault))) => return End::Broken(fault),
                Poll::Ready(None) => {
                    // As a rule there is nothing left for it to do.
                    frames.rest.go_on(&frames.progress, cx);
                    return End::Whole;
                }
                Poll::Pending if guest_waits => return End::Later,
                Poll::Pending => {
                    frames.rest.go_on(&frames.progress, cx);
                    guest_waits = true;
                }
            }
        }
        End::Later
    }

    fn frames(self) -> impl Stream<Item = Result<BodyFrame, Fault>> + Send + 'static {
        stream::iter(self.frames.into_iter().map(Ok))
    }

    fn whole(self, length: Option<u64>) -> Body {
        let mut bytes: Option<Bytes> = None;
        let mut more = BytesMut::new();
        let mut trailers = Vec::new();
        for frame in self.frames {
            match (frame, &bytes) {
                (BodyFrame::Trailers(fields), _) => trailers = fields,
                (BodyFrame::Data(data), None) => bytes = Some(data),
                (BodyFrame::Data(data), Some(first)) => {
                    if more.is_empty() {
                        more.extend_from_slice(first);
                    }
                    more.extend_from_slice(&data);
                }
            }
        }
        let bytes = match more.is_empty() {
            true => bytes.unwrap_or_default(),
            false => more.freeze(),
        };
        WholeBody {
            length,
            bytes,
            trailers,
        }
        .into()
    }
}
