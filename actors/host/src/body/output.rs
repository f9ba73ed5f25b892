//! From a guest into a body.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::sync::mpsc::{self, OwnedPermit, error::TrySendError};
use tokio_util::sync::PollSender;
use wasmtime::{
    StoreContextMut,
    component::{Source, StreamConsumer, StreamResult},
};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};
use wrt_contract::BodyFrame;

use super::CHUNK_BYTES_MAX;

/// An output stream of WASI 0.2 that writes a body.
#[derive(Debug)]
pub struct BodyOutput {
    sender: mpsc::Sender<BodyFrame>,
    /// Room for the next piece.
    room: Option<OwnedPermit<BodyFrame>>,
}

impl BodyOutput {
    pub(super) fn new(sender: mpsc::Sender<BodyFrame>) -> Self {
        Self { sender, room: None }
    }
}

#[wrt_contract::async_trait]
impl Pollable for BodyOutput {
    async fn ready(&mut self) {
        if self.room.is_none() {
            // Also ready when nobody reads any longer: the guest is told by what it does next.
            self.room = self.sender.clone().reserve_owned().await.ok();
        }
    }
}

#[wrt_contract::async_trait]
impl OutputStream for BodyOutput {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.len() > CHUNK_BYTES_MAX {
            return Err(StreamError::trap("a write over what was permitted"));
        }
        let Some(room) = self.room.take() else {
            return Err(StreamError::trap("a write that was not permitted"));
        };
        room.send(BodyFrame::Data(bytes));
        Ok(())
    }

    /// What was written is on its way to the reader already.
    fn flush(&mut self) -> Result<(), StreamError> {
        match self.sender.is_closed() {
            true => Err(StreamError::Closed),
            false => Ok(()),
        }
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        if self.sender.is_closed() {
            return Err(StreamError::Closed);
        }
        if self.room.is_none() {
            match self.sender.clone().try_reserve_owned() {
                Ok(room) => self.room = Some(room),
                Err(TrySendError::Full(_)) => return Ok(0),
                Err(TrySendError::Closed(_)) => return Err(StreamError::Closed),
            }
        }
        Ok(CHUNK_BYTES_MAX)
    }
}

/// The reading end of a stream of WASI 0.3 that becomes a body.
#[derive(Debug)]
pub struct BodyConsumer(PollSender<BodyFrame>);

impl BodyConsumer {
    pub(super) fn new(sender: mpsc::Sender<BodyFrame>) -> Self {
        Self(PollSender::new(sender))
    }
}

impl<D> StreamConsumer<D> for BodyConsumer {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.0.poll_reserve(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_reader_gone)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let mut source = source.as_direct(store);
        let given = source.remaining();
        let piece = Bytes::copy_from_slice(&given[..given.len().min(CHUNK_BYTES_MAX)]);
        if piece.is_empty() {
            // A write of nothing asks whether there is room.
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let taken = piece.len();
        if self.0.send_item(BodyFrame::Data(piece)).is_err() {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        source.mark_read(taken);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
