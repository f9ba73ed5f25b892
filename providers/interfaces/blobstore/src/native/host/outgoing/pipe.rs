//! A guest's output stream on one side, a body on the other.
//!
//! Unlike the ones of other interfaces it may be written to before anybody reads: many guests say where
//! the bytes belong when they have written them. And it joins what was written in small pieces, which is
//! what a guest's standard library does.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use parking_lot::Mutex;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};
use wrt_contract::{Body, BodyFrame};
use wrt_protocol::{Fault, FaultKind, Hop, limits::CHUNK_BYTES_MAX};

use crate::{
    BlobstoreError,
    limits::{AHEAD_BYTES_MAX, WRITTEN_BYTES_MAX},
};

/// What both sides share.
#[derive(Default)]
pub(super) struct Pipe(Mutex<State>);

#[derive(Default)]
struct State {
    written: BytesMut,
    reader: Reader,
    end: End,
    wakes_reader: Option<Waker>,
    wakes_writer: Option<Waker>,
}

#[derive(Debug, PartialEq, Eq, Default)]
enum Reader {
    /// The guest has not said where to yet.
    #[default]
    Nobody,
    Reads,
    /// It takes no more, and has not said why yet.
    Gone,
    /// It takes no more, and this is why, until the guest was told.
    Refuses(Option<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum End {
    #[default]
    Open,
    Finished,
    GivenUp,
}

impl State {
    /// How much may be written now; none where it has to be waited for, and nothing at all where the reader
    /// takes no more.
    fn room(&self) -> Option<usize> {
        let max = match self.reader {
            Reader::Nobody => AHEAD_BYTES_MAX,
            Reader::Reads => WRITTEN_BYTES_MAX,
            // The reason comes soon.
            Reader::Gone => 0,
            Reader::Refuses(_) => return None,
        };
        Some(max.saturating_sub(self.written.len()).min(CHUNK_BYTES_MAX))
    }

    /// The same, with why it never will be.
    fn room_or_reason(&mut self) -> Result<usize, StreamError> {
        match (self.room(), &mut self.reader) {
            (_, Reader::Refuses(reason)) => Err(told(reason.take())),
            (Some(0), Reader::Nobody) => {
                // Nobody would ever take any of it.
                let text = format!(
                    "{AHEAD_BYTES_MAX} bytes are written: say where to, by `write-data`, before there are more"
                );
                Err(told(Some(text)))
            }
            (room, _) => Ok(room.unwrap_or(0)),
        }
    }

    /// Whether waiting helps.
    fn has_to_wait(&self) -> bool {
        self.room() == Some(0) && self.reader != Reader::Nobody
    }

    fn wake_reader(&mut self) {
        if let Some(waker) = self.wakes_reader.take() {
            waker.wake();
        }
    }

    fn wake_writer(&mut self) {
        if let Some(waker) = self.wakes_writer.take() {
            waker.wake();
        }
    }
}

fn told(reason: Option<String>) -> StreamError {
    match reason {
        Some(reason) => StreamError::LastOperationFailed(wasmtime::Error::msg(reason)),
        None => StreamError::Closed,
    }
}

impl Pipe {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The guest's side.
    pub(super) fn output(pipe: &Arc<Self>) -> PipeOutput {
        PipeOutput(Arc::clone(pipe))
    }

    /// The other one; once.
    pub(super) fn body(pipe: &Arc<Self>) -> Body<BlobstoreError> {
        pipe.0.lock().reader = Reader::Reads;
        Body::new(None, PipeReader(Arc::clone(pipe)))
    }

    /// All is written.
    pub(super) fn finish(&self) {
        self.end_as(End::Finished);
    }

    /// No more is written, and it is not all.
    pub(super) fn give_up(&self) {
        self.end_as(End::GivenUp);
    }

    /// The reader takes no more, and why. Without it a guest that writes on would not be told.
    pub(super) fn refuse(&self, reason: String) {
        let mut state = self.0.lock();
        state.reader = Reader::Refuses(Some(reason));
        state.wake_writer();
    }

    /// The first end counts.
    fn end_as(&self, end: End) {
        let mut state = self.0.lock();
        if state.end == End::Open {
            state.end = end;
        }
        state.wake_reader();
    }
}

/// An output stream of WASI 0.2.
pub(super) struct PipeOutput(Arc<Pipe>);

#[wrt_contract::async_trait]
impl Pollable for PipeOutput {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| {
            let mut state = self.0.0.lock();
            if state.has_to_wait() {
                state.wakes_writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }
}

#[wrt_contract::async_trait]
impl OutputStream for PipeOutput {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let mut state = self.0.0.lock();
        if bytes.is_empty() {
            return Ok(());
        }
        // What is written to nobody is lost, and the next call says so.
        if state.reader == Reader::Gone {
            return Ok(());
        }
        if bytes.len() > state.room_or_reason()? {
            return Err(StreamError::trap("a write over what was permitted"));
        }
        state.written.extend_from_slice(&bytes);
        state.wake_reader();
        Ok(())
    }

    /// What was written is on its way already.
    fn flush(&mut self) -> Result<(), StreamError> {
        match &mut self.0.0.lock().reader {
            Reader::Refuses(reason) => Err(told(reason.take())),
            Reader::Nobody | Reader::Reads | Reader::Gone => Ok(()),
        }
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        self.0.0.lock().room_or_reason()
    }
}

struct PipeReader(Arc<Pipe>);

impl Stream for PipeReader {
    type Item = Result<BodyFrame, BlobstoreError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.0.lock();
        // What was given up is broken whatever of it is still here.
        if state.end == End::GivenUp {
            let detail = "the guest gave its value up before it was finished";
            let fault = Fault::maybe_executed(FaultKind::Crashed, Hop::Stream, detail);
            return Poll::Ready(Some(Err(fault.into())));
        }
        if !state.written.is_empty() {
            let length = state.written.len().min(CHUNK_BYTES_MAX);
            let piece = state.written.split_to(length).freeze();
            state.wake_writer();
            return Poll::Ready(Some(Ok(BodyFrame::Data(piece))));
        }
        if state.end == End::Finished {
            return Poll::Ready(None);
        }
        state.wakes_reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.reader = Reader::Gone;
        state.written = BytesMut::new();
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, StreamExt as _};

    use super::*;

    #[tokio::test]
    async fn a_guest_may_write_a_bounded_part_before_it_says_where_to() {
        let pipe = Pipe::new();
        let mut output = Pipe::output(&pipe);
        let mut ahead = 0;
        let told = loop {
            match output.check_write() {
                Ok(room) => {
                    assert!(room > 0, "nobody would wake it");
                    output.write(Bytes::from(vec![1; room])).unwrap();
                    ahead += room;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(ahead, AHEAD_BYTES_MAX);
        assert!(format!("{told:?}").contains("write-data"), "{told:?}");
        let body = Pipe::body(&pipe);
        assert!(output.check_write().is_ok());
        pipe.finish();
        assert_eq!(body.collect(ahead).await.unwrap().len(), ahead);
    }

    #[tokio::test]
    async fn small_pieces_are_joined_and_a_full_pipe_waits() {
        let pipe = Pipe::new();
        let (mut output, mut body) = (Pipe::output(&pipe), Pipe::body(&pipe));
        for piece in ["a", "b", "c"] {
            output.write(Bytes::from_static(piece.as_bytes())).unwrap();
        }
        let joined = BodyFrame::Data(Bytes::from_static(b"abc"));
        assert_eq!(body.next().await.unwrap().unwrap(), joined);
        while output.check_write().unwrap() > 0 {
            let room = output.check_write().unwrap();
            output.write(Bytes::from(vec![0; room])).unwrap();
        }
        assert!(output.ready().now_or_never().is_none());
        let too_much = output.write(Bytes::from_static(b"x"));
        assert!(matches!(too_much, Err(StreamError::Trap(_))));
        let (next, ()) = futures::join!(body.next(), output.ready());
        let BodyFrame::Data(piece) = next.unwrap().unwrap() else {
            panic!("no data");
        };
        assert_eq!(piece.len(), CHUNK_BYTES_MAX);
    }

    #[tokio::test]
    async fn what_was_given_up_is_not_whole() {
        let pipe = Pipe::new();
        let mut output = Pipe::output(&pipe);
        output.write(Bytes::from_static(b"half")).unwrap();
        let body = Pipe::body(&pipe);
        pipe.give_up();
        pipe.finish();
        assert!(body.collect(9).await.is_err());
        assert_eq!(output.check_write().unwrap(), 0, "why is not known yet");
        pipe.refuse("why".to_owned());
        let told = output.check_write().unwrap_err();
        assert!(matches!(told, StreamError::LastOperationFailed(_)));
        assert!(matches!(output.check_write(), Err(StreamError::Closed)));
    }
}
