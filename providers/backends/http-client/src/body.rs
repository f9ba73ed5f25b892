//! Bodies on their way out and in.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
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
///
/// Small, since a request is moved many times on its way to its connection.
pub(crate) struct RequestBody {
    pace: Arc<Pace>,
    /// None of a request that has no body.
    content: Option<Box<Content>>,
}

struct Content {
    body: HttpBody<HttpError>,
    /// What was read ahead of the connection.
    first: Option<Frame<Bytes>>,
    /// Bytes still to come, where the length is known.
    left: Option<u64>,
    seen: u64,
}

impl RequestBody {
    pub(crate) fn new(body: HttpBody<HttpError>, length: Option<u64>, pace: Arc<Pace>) -> Self {
        let is_empty = length == Some(0) && body.is_end_stream();
        let content = (!is_empty).then(|| {
            Box::new(Content {
                body,
                first: None,
                left: length,
                seen: 0,
            })
        });
        Self { pace, content }
    }

    /// Whether there is a body at all, where only its first frame tells; a body that takes its time
    /// counts as one.
    pub(crate) async fn has_frames(&mut self) -> Result<bool, HttpError> {
        match &mut self.content {
            Some(content) => content.has_frames().await,
            None => Ok(false),
        }
    }

    /// It has turned out to have none.
    pub(crate) fn set_empty(&mut self) {
        self.content = None;
    }
}

impl Content {
    async fn has_frames(&mut self) -> Result<bool, HttpError> {
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

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let next = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => ready!(Pin::new(&mut self.body).poll_frame(cx)),
        };
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
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let next = match &mut self.content {
            Some(content) => ready!(content.poll_frame(cx)),
            None => None,
        };
        self.pace.moved();
        Poll::Ready(next)
    }

    /// Nobody asks but a connection that takes the request: the pool before it does not look at bodies.
    fn is_end_stream(&self) -> bool {
        self.pace.moved();
        self.content
            .as_ref()
            .is_none_or(|content| content.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Some(content) => content
                .left
                .map_or_else(SizeHint::default, SizeHint::with_exact),
            None => SizeHint::with_exact(0),
        }
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
