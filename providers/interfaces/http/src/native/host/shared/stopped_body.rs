//! A response's body that ends with its request.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio_util::sync::CancellationToken;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::native::host::progress::Progress;

/// Breaks `body` off when its request has failed, or its time is over: its instance, which would take it
/// along otherwise, goes on for others.
pub(super) fn stopped_by(
    body: WasiBody,
    broken: CancellationToken,
    progress: Arc<Progress>,
) -> WasiBody {
    let broken = Box::pin(async move {
        tokio::select! {
            () = broken.cancelled() => {}
            () = progress.over() => {}
        }
    });
    Stopped { body, broken }.boxed_unsync()
}

struct Stopped {
    body: WasiBody,
    broken: BoxFuture<'static, ()>,
}

impl Body for Stopped {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // What is there already was written in time.
        let next = Pin::new(&mut self.body).poll_frame(cx);
        if next.is_pending() && self.broken.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
