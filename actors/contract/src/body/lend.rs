//! A body that is given to one replica and, when that has not touched it, to another.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::Stream;
use parking_lot::Mutex;
use wrt_protocol::{Fault, FaultKind, Hop};

use super::{Body, BodyFrame, WholeBody};

/// What is left of a body that was lent: it can be had back until its first frame is asked for, and
/// always if it was here as a whole.
pub struct Untouched<E>(Kept<E>);

enum Kept<E> {
    Whole(WholeBody),
    Flowing(Shared<E>),
}

type Shared<E> = Arc<Mutex<Option<Body<E>>>>;

impl<E> Untouched<E> {
    /// The body, if it can still be sent whole. Whoever it was lent to gets no more of it.
    pub fn take(self) -> Option<Body<E>> {
        match self.0 {
            Kept::Whole(whole) => Some(whole.into()),
            Kept::Flowing(shared) => take(&shared),
        }
    }
}

fn take<E>(shared: &Shared<E>) -> Option<Body<E>> {
    shared.lock().take()
}

/// Lends `body`.
pub fn lend<E: From<Fault> + 'static>(body: Body<E>) -> (Body<E>, Untouched<E>) {
    if let Some(whole) = body.as_whole() {
        return (body, Untouched(Kept::Whole(whole)));
    }
    let length = body.remaining();
    let shared = Arc::new(Mutex::new(Some(body)));
    let lent = Lent {
        body: None,
        shared: Arc::clone(&shared),
    };
    (Body::new(length, lent), Untouched(Kept::Flowing(shared)))
}

struct Lent<E> {
    body: Option<Body<E>>,
    shared: Shared<E>,
}

impl<E: From<Fault>> Stream for Lent<E> {
    type Item = Result<BodyFrame, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.body.is_none() {
            self.body = take(&self.shared);
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_next(cx),
            // Whoever still reads here belongs to the attempt that was given up, and must not take what
            // it has for the whole.
            None => {
                let detail = "the body was taken back, for another attempt";
                let fault = Fault::maybe_executed(FaultKind::Cancelled, Hop::Stream, detail);
                Poll::Ready(Some(Err(fault.into())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::{StreamExt, stream};

    use super::*;

    /// One without a length had looked like an empty one.
    #[tokio::test]
    async fn what_was_taken_back_does_not_end_as_whole() {
        let frame = || Ok(BodyFrame::Data(Bytes::from_static(b"a")));
        let (lent, untouched) = lend(Body::<Fault>::new(None, stream::iter([frame()])));
        let taken = untouched.take().expect("nobody has read from it");
        let frames: Vec<_> = StreamExt::collect::<Vec<_>>(lent).await;
        let kinds: Vec<_> = frames
            .iter()
            .map(|f| f.as_ref().map_err(Fault::kind))
            .collect();
        assert_eq!(kinds, [Err(FaultKind::Cancelled)]);
        assert_eq!(StreamExt::collect::<Vec<_>>(taken).await, [frame()]);
    }
}
