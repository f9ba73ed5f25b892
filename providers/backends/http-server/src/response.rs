//! A response on its way to the client.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::{Empty, Full};
use tokio::time::{Instant, Sleep, sleep};
use wrt_contract::Body;
use wrt_http::{HttpBody, strip_hop_by_hop};
use wrt_protocol::{Fault, limits::INLINE_BODY_PATIENCE};

use crate::{
    connection_use::Request,
    metrics::Metrics,
    request::Refused,
    route_meter::{RouteMeter, Timed},
    status::{retry_after_secs, status_of, text_of},
};

/// A response's body. The request counts as in hand until it is dropped.
pub(crate) struct ResponseBody {
    kind: Kind,
    /// With what it breaks off, and when.
    broken: Option<(Pin<Box<Sleep>>, Fault)>,
    request: Request,
}

/// How long what has been sent before goes first, when a body breaks off: head and bytes are given away,
/// but a connection, or a stream of one, that ends at once takes back what it has not written yet.
const BEFORE_A_BREAK: Duration = Duration::from_millis(50);

/// A body that nobody has announced, and that is small and whole soon, gets its length, or ends with
/// the head if it is empty.
const SMALL_BYTES_MAX: usize = 16 * 1024;

/// In a head it says that there is no message; a client of gRPC takes the answer for that only if it ends
/// with its head. So its end is waited for, or a first byte, and longer than one that is a guess.
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_PATIENCE: Duration = Duration::from_secs(1);

enum Kind {
    None(Empty<Bytes>),
    Text(Full<Bytes>),
    Handler(HttpBody),
}

/// What a response is made with.
pub(crate) struct Responder<'a> {
    pub(crate) metrics: &'a Metrics,
    pub(crate) request: Request,
    /// Whether the request was a HEAD.
    pub(crate) is_head: bool,
    pub(crate) timed: Timed,
    /// That of its route, once that is known.
    pub(crate) meter: &'a RouteMeter,
}

impl Responder<'_> {
    /// The handler's own response.
    pub(crate) async fn answer(
        self,
        response: http::Response<Body>,
    ) -> http::Response<ResponseBody> {
        let (mut parts, body) = response.into_parts();
        if parts.status.is_informational() {
            // An interim status ends nothing, and the connection would wait for the rest.
            tracing::warn!(status = %parts.status, "a handler's final status was an interim one");
            let text = "the component answered with an interim status";
            return self.refuse(Refused {
                status: StatusCode::BAD_GATEWAY,
                text,
            });
        }
        strip_hop_by_hop(&mut parts.headers);
        if is_bodiless(parts.status) {
            // Of a 204 it is forbidden, and HTTP/1.1 sends it for neither.
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        if self.is_head || is_bodiless(parts.status) {
            return self.send(
                http::Response::from_parts(parts, ()),
                Kind::None(Empty::new()),
            );
        }
        let body = match parts.headers.contains_key(GRPC_STATUS) {
            true => body.gathered(0, Instant::now() + GRPC_PATIENCE).await,
            false => measured(body).await,
        };
        let kind = if body.is_at_end() {
            let length = parts.headers.entry(header::CONTENT_LENGTH);
            length.or_insert(HeaderValue::from_static("0"));
            Kind::None(Empty::new())
        } else {
            Kind::Handler(body.into())
        };
        self.send(http::Response::from_parts(parts, ()), kind)
    }

    /// What a fault is to the client.
    pub(crate) fn fault(self, fault: &Fault) -> http::Response<ResponseBody> {
        let retry_after = retry_after_secs(fault);
        self.text(status_of(fault), text_of(fault), retry_after)
    }

    /// An answer of the server's own.
    pub(crate) fn refuse(self, refused: Refused) -> http::Response<ResponseBody> {
        let retry_after = (refused.status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        self.text(refused.status, format!("{}\n", refused.text), retry_after)
    }

    fn text(
        self,
        status: StatusCode,
        text: String,
        retry_after: Option<u64>,
    ) -> http::Response<ResponseBody> {
        let mut head = http::Response::new(());
        *head.status_mut() = status;
        let headers = head.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(header::CONTENT_LENGTH, text.len().into());
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        let kind = if self.is_head {
            Kind::None(Empty::new())
        } else {
            Kind::Text(Full::from(text))
        };
        self.send(head, kind)
    }

    /// A head and nothing else.
    pub(crate) fn empty(
        self,
        status: StatusCode,
        headers: http::HeaderMap,
    ) -> http::Response<ResponseBody> {
        let mut head = http::Response::new(());
        *head.status_mut() = status;
        *head.headers_mut() = headers;
        self.send(head, Kind::None(Empty::new()))
    }

    fn send(self, head: http::Response<()>, kind: Kind) -> http::Response<ResponseBody> {
        self.metrics.response(head.status());
        self.meter.take(self.timed, head.status());
        head.map(|()| ResponseBody {
            kind,
            broken: None,
            request: self.request,
        })
    }
}

fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// `body` with its length, if it has none but ends within a moment.
async fn measured(body: Body) -> Body {
    if body.length().is_some_and(|length| length > 0) {
        return body;
    }
    let until = Instant::now() + INLINE_BODY_PATIENCE;
    let body = body.gathered(SMALL_BYTES_MAX, until).await;
    match body.as_whole() {
        Some(whole)
            if whole.length.is_none()
                && whole.trailers.is_empty()
                && whole.bytes.len() <= SMALL_BYTES_MAX =>
        {
            Body::whole(whole.bytes)
        }
        _ => body,
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some((until, fault)) = &mut self.broken {
            ready!(until.as_mut().poll(cx));
            return Poll::Ready(Some(Err(fault.clone())));
        }
        match &mut self.kind {
            Kind::None(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Kind::Text(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Kind::Handler(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                let Some(Err(fault)) = frame else {
                    return Poll::Ready(frame);
                };
                self.request.metrics().body_broken();
                tracing::warn!(%fault, "the body of a response broke off");
                let mut until = Box::pin(sleep(BEFORE_A_BREAK));
                // It is polled again when its time has come.
                let _just_made = until.as_mut().poll(cx);
                self.broken = Some((until, fault));
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::None(body) => body.is_end_stream(),
            Kind::Text(body) => body.is_end_stream(),
            Kind::Handler(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::None(body) => body.size_hint(),
            Kind::Text(body) => body.size_hint(),
            Kind::Handler(body) => body.size_hint(),
        }
    }
}
