//! The body that a guest writes, while its guest may fail.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use wasmtime_wasi_http::{Error, WasiBody};

use super::Ending;

type WasiFrame = Result<Frame<Bytes>, Error>;

/// What of a body can be on its way between a guest and its reader: a piece, and what follows the last.
const FRAMES_MAX: usize = 2;

/// A body that its reader takes, and into which whoever ends the guest looks.
///
/// Once the store is gone, a body that the guest had not finished looks like one that it had. So it is
/// looked at before: what is there by then is kept for the reader, and the end is there or it is not,
/// however far the reader has come.
#[derive(Default)]
pub(super) struct Written(Mutex<State>);

#[derive(Default)]
struct State {
    /// None before the guest has answered, and when nobody reads any more.
    body: Option<WasiBody>,
    kept: VecDeque<WasiFrame>,
    is_at_end: bool,
    /// Who waits for more.
    reader: Option<Waker>,
}

/// Its reader's side.
struct Reading(Arc<Ending>);

impl Written {
    /// The same body, for its reader.
    pub(super) fn watch(ending: &Arc<Ending>, body: WasiBody) -> WasiBody {
        let mut state = ending.written.0.lock();
        if body.is_end_stream() {
            state.is_at_end = true;
            return body;
        }
        state.body = Some(body);
        Reading(Arc::clone(ending)).boxed_unsync()
    }

    /// Whether the guest, which will not go on, has finished it. Its store must still be there.
    pub(super) fn is_finished(&self) -> bool {
        let mut state = self.0.lock();
        // Whoever waits for the end of the store goes on to.
        let reader = state.reader.clone();
        let mut cx = Context::from_waker(reader.as_ref().unwrap_or(Waker::noop()));
        for _ in 0..=FRAMES_MAX {
            match state.poll_body(&mut cx) {
                Poll::Ready(Some(frame)) => state.kept.push_back(frame),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        state.is_at_end
    }
}

impl State {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<WasiFrame>> {
        let Some(body) = self.body.as_mut().filter(|_| !self.is_at_end) else {
            return Poll::Ready(None);
        };
        let next = ready!(Pin::new(body).poll_frame(cx));
        self.is_at_end = next.is_none();
        Poll::Ready(next)
    }
}

impl Reading {
    fn state<R>(&self, of: impl FnOnce(&mut State) -> R) -> R {
        of(&mut self.0.written.0.lock())
    }
}

impl http_body::Body for Reading {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WasiFrame>> {
        self.state(|state| {
            if let Some(frame) = state.kept.pop_front() {
                return Poll::Ready(Some(frame));
            }
            let next = state.poll_body(cx);
            if next.is_pending() {
                match &mut state.reader {
                    Some(reader) => reader.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
            }
            next
        })
    }

    fn is_end_stream(&self) -> bool {
        self.state(|state| {
            let is_over = |body: &WasiBody| body.is_end_stream();
            state.kept.is_empty() && (state.is_at_end || state.body.as_ref().is_none_or(is_over))
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.state(|state| {
            let data = |frame: &WasiFrame| frame.as_ref().ok()?.data_ref().map(Bytes::len);
            let kept: usize = state.kept.iter().filter_map(data).sum();
            let body = state.body.as_ref().map(|body| body.size_hint());
            match body.and_then(|hint| hint.exact()) {
                Some(left) => SizeHint::with_exact(left.saturating_add(kept as u64)),
                None => SizeHint::default(),
            }
        })
    }
}

/// The guest hears that nobody reads any more.
impl Drop for Reading {
    fn drop(&mut self) {
        let _dropped_unlocked = self.state(|state| state.body.take());
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, channel::mpsc};
    use http_body_util::StreamBody;

    use super::*;

    /// A body that a guest writes, its reader's side, and what both have of it.
    fn written() -> (mpsc::Sender<WasiFrame>, WasiBody, Arc<Ending>) {
        let (guest, frames) = mpsc::channel(9);
        let ending = Arc::<Ending>::default();
        let body = StreamBody::new(frames).boxed_unsync();
        let reader = Written::watch(&ending, body);
        (guest, reader, ending)
    }

    fn piece(bytes: &'static [u8]) -> WasiFrame {
        Ok(Frame::data(Bytes::from_static(bytes)))
    }

    /// What the reader gets, to the end.
    async fn read(reader: WasiBody) -> Vec<u8> {
        reader.collect().await.unwrap().to_bytes().to_vec()
    }

    #[tokio::test]
    async fn a_body_is_finished_if_it_was_so_before_the_end_of_the_store() {
        for (pieces, has_finished) in [
            (0, true),
            (0, false),
            (1, true),
            (1, false),
            (2, true),
            (2, false),
            // More than there can be.
            (9, false),
        ] {
            let (mut guest, reader, ending) = written();
            for _ in 0..pieces {
                guest.try_send(piece(b"abc")).unwrap();
            }
            let guest = (!has_finished).then_some(guest);
            assert_eq!(ending.written.is_finished(), has_finished, "{pieces}");
            drop(guest);
            // Nothing is lost, nor out of order.
            assert_eq!(read(reader).await.len(), 3 * pieces);
        }
    }

    #[tokio::test]
    async fn a_reader_that_waits_hears_of_the_end_of_the_store() {
        let (guest, reader, ending) = written();
        let reads = tokio::spawn(read(reader));
        while ending.written.0.lock().reader.is_none() {
            tokio::task::yield_now().await;
        }
        assert!(!ending.written.is_finished());
        drop(guest);
        assert_eq!(reads.await.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_guest_hears_that_its_reader_has_left() {
        let (guest, reader, ending) = written();
        drop(reader);
        assert!(guest.is_closed());
        assert!(!ending.written.is_finished());
    }

    #[tokio::test]
    async fn what_was_kept_is_part_of_the_length() {
        let ending = Arc::<Ending>::default();
        let (mut guest, frames) = mpsc::channel(9);
        let announced = WithLength(StreamBody::new(frames.boxed()), 5);
        let reader = Written::watch(&ending, announced.boxed_unsync());
        guest.try_send(piece(b"abc")).unwrap();
        assert!(!ending.written.is_finished());
        assert_eq!(reader.size_hint().exact(), Some(5));
        assert!(!reader.is_end_stream());
    }

    /// A body whose length is said before.
    struct WithLength<B>(B, u64);

    impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for WithLength<B> {
        type Data = Bytes;
        type Error = B::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
            let next = ready!(Pin::new(&mut self.0).poll_frame(cx));
            if let Some(Ok(frame)) = &next {
                self.1 -= frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(next)
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.1)
        }
    }
}
