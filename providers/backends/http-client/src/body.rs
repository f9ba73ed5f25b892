//! Bodies on their way out and in.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use wrt_http::{HttpBody, HttpError};
use wrt_protocol::FaultKind;

use crate::{limits::EMPTY_BODY_PATIENCE, pace::Pace, places::InUse};

/// The body of a request, held to its length: a server that is told one and sent another reads the
/// next request of the connection as the rest of this one.
pub(crate) struct RequestBody {
    body: HttpBody<HttpError>,
    /// What was read ahead of the connection.
    first: Option<Frame<Bytes>>,
    /// Bytes still to come, where the length is known.
    left: Option<u64>,
    seen: u64,
    pace: Arc<Pace>,
}

impl RequestBody {
    pub(crate) fn new(body: HttpBody<HttpError>, length: Option<u64>, pace: Arc<Pace>) -> Self {
        Self {
            body,
            first: None,
            left: length,
            seen: 0,
            pace,
        }
    }

    /// Whether there is a body at all, where only its first frame tells; a body that takes its time
    /// counts as one.
    pub(crate) async fn has_frames(&mut self) -> Result<bool, HttpError> {
        if self.body.is_end_stream() {
            return Ok(false);
        }
        match tokio::time::timeout(EMPTY_BODY_PATIENCE, self.body.frame()).await {
            Ok(None) => Ok(false),
            Ok(Some(frame)) => {
                self.first = Some(frame?);
                Ok(true)
            }
            Err(_elapsed) => Ok(true),
        }
    }

    /// It has turned out to have none.
    pub(crate) fn set_empty(&mut self) {
        self.left = Some(0);
    }

    /// Counts `frame` against the length. The connection does not ask for anything behind the last
    /// byte, so what is there already is looked at here: a body that is longer is no request either.
    fn checked(
        &mut self,
        frame: Frame<Bytes>,
        cx: &mut Context<'_>,
    ) -> Result<Frame<Bytes>, HttpError> {
        self.count(&frame)?;
        if self.left == Some(0) && frame.is_data() && self.first.is_none() {
            // Ready without anything: it has ended, and is not asked again.
            if let Poll::Ready(Some(next)) = Pin::new(&mut self.body).poll_frame(cx) {
                let next = next?;
                self.count(&next)?;
                self.first = Some(next);
            }
        }
        Ok(frame)
    }

    fn count(&mut self, frame: &Frame<Bytes>) -> Result<(), HttpError> {
        let Some(data) = frame.data_ref() else {
            return Ok(());
        };
        let bytes = data.len() as u64;
        self.seen += bytes;
        if let Some(left) = &mut self.left {
            *left = left
                .checked_sub(bytes)
                .ok_or(HttpError::HttpRequestBodySize(Some(self.seen)))?;
        }
        Ok(())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let next = match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        };
        let Poll::Ready(next) = next else {
            return Poll::Pending;
        };
        self.pace.moved();
        Poll::Ready(match next {
            Some(Ok(frame)) => Some(self.checked(frame, cx)),
            // A body of the lattice holds itself to its length too, and knows no word of HTTP for it.
            Some(Err(HttpError::Fault(fault))) if fault.kind() == FaultKind::Malformed => {
                Some(Err(HttpError::HttpRequestBodySize(None)))
            }
            Some(Err(error)) => Some(Err(error)),
            None if self.left.unwrap_or(0) > 0 => {
                Some(Err(HttpError::HttpRequestBodySize(Some(self.seen))))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        // Behind the last byte there may be trailers; behind no byte at all nobody looks for any.
        let is_empty = self.left == Some(0) && self.seen == 0;
        let has_ended = self.left.unwrap_or(0) == 0 && self.body.is_end_stream();
        self.first.is_none() && (is_empty || has_ended)
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The body of a response, which uses its connection until it has ended.
pub(crate) struct HeldBody {
    body: Incoming,
    in_use: Option<InUse>,
}

impl HeldBody {
    pub(crate) fn new(body: Incoming, in_use: Option<InUse>) -> Self {
        Self { body, in_use }
    }
}

impl Body for HeldBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.in_use = None;
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
