//! The body of a request as it comes in.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Version;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::connection_use::ConnectionUse;

/// A body that tells its connection when it is dropped before its end.
pub(crate) struct RequestBody {
    body: Incoming,
    /// None over HTTP/2, where one body does not stand in the way of another.
    connection: Option<Arc<ConnectionUse>>,
    has_ended: bool,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, version: Version, connection: &Arc<ConnectionUse>) -> Self {
        Self {
            body,
            connection: (version < Version::HTTP_2).then(|| Arc::clone(connection)),
            has_ended: false,
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection
            && !self.has_ended
            && !self.body.is_end_stream()
        {
            connection.leave_a_body();
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.has_ended = matches!(&frame, Poll::Ready(None));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
