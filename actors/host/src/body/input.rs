//! From a body into a guest.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::oneshot;
use wasmtime::{
    StoreContextMut,
    component::{Destination, StreamProducer, StreamResult},
};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError};
use wrt_contract::{Body, BodyFrame, Trailers};
use wrt_protocol::Fault;

use super::BodyOutcome;

/// A body as an input stream of WASI 0.2. Its trailers are dropped.
pub struct BodyInput<E> {
    body: Body<E>,
    /// The rest of a piece that the guest has read from.
    piece: Bytes,
    error: Option<wasmtime::Error>,
    ended: bool,
    tell: Box<dyn FnMut(E) -> wasmtime::Error + Send>,
}

impl<E: From<Fault> + 'static> BodyInput<E> {
    /// `tell` makes an error of the body what the guest finds in `last-operation-failed`.
    pub fn new(body: Body<E>, tell: impl FnMut(E) -> wasmtime::Error + Send + 'static) -> Self {
        Self {
            body,
            piece: Bytes::new(),
            error: None,
            ended: false,
            tell: Box::new(tell),
        }
    }

    /// Ready when there is something to say: bytes, an error, or the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.piece.is_empty() && !self.ended {
            match ready!(self.body.poll_next_unpin(cx)) {
                Some(Ok(BodyFrame::Data(bytes))) => self.piece = bytes,
                Some(Ok(BodyFrame::Trailers(_))) => {}
                Some(Err(error)) => {
                    self.error = Some((self.tell)(error));
                    self.ended = true;
                }
                None => self.ended = true,
            }
        }
        Poll::Ready(())
    }
}

#[wrt_contract::async_trait]
impl<E: From<Fault> + 'static> Pollable for BodyInput<E> {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.poll_fill(cx)).await;
    }
}

#[wrt_contract::async_trait]
impl<E: From<Fault> + 'static> InputStream for BodyInput<E> {
    fn read(&mut self, size: usize) -> Result<Bytes, StreamError> {
        // Nobody is woken by this: a guest that wants to wait subscribes.
        let polled = self.poll_fill(&mut Context::from_waker(Waker::noop()));
        if let Some(error) = self.error.take() {
            return Err(StreamError::LastOperationFailed(error));
        }
        if polled.is_ready() && self.piece.is_empty() {
            return Err(StreamError::Closed);
        }
        let size = size.min(self.piece.len());
        Ok(self.piece.split_to(size))
    }
}

/// A body as the writing end of a stream of WASI 0.3, for `StreamReader::new`.
pub struct BodyProducer<E> {
    body: Body<E>,
    trailers: Trailers,
    outcome: Option<oneshot::Sender<BodyOutcome<E>>>,
}

impl<E> BodyProducer<E> {
    /// The second tells how the body ended, for the future beside the stream; nothing, when the guest
    /// has dropped its end before.
    #[must_use]
    pub fn new(body: Body<E>) -> (Self, oneshot::Receiver<Result<Trailers, E>>) {
        let (outcome, ended) = oneshot::channel();
        let producer = Self {
            body,
            trailers: Trailers::new(),
            outcome: Some(outcome),
        };
        (producer, ended)
    }

    fn end(&mut self, outcome: BodyOutcome<E>) -> StreamResult {
        if let Some(sender) = self.outcome.take() {
            let _nobody_asks = sender.send(outcome);
        }
        StreamResult::Dropped
    }
}

impl<D, E: From<Fault> + Send + 'static> StreamProducer<D> for BodyProducer<E> {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let producer = self.get_mut();
        loop {
            let result = match producer.body.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(BodyFrame::Data(bytes)))) => {
                    // What the guest has no room for stays in the store: one piece.
                    destination.set_buffer(bytes);
                    StreamResult::Completed
                }
                Poll::Ready(Some(Ok(BodyFrame::Trailers(trailers)))) => {
                    producer.trailers = trailers;
                    continue;
                }
                Poll::Ready(Some(Err(error))) => producer.end(Err(error)),
                Poll::Ready(None) => {
                    let trailers = std::mem::take(&mut producer.trailers);
                    producer.end(Ok(trailers))
                }
                Poll::Pending if finish => StreamResult::Cancelled,
                Poll::Pending => return Poll::Pending,
            };
            return Poll::Ready(Ok(result));
        }
    }
}
