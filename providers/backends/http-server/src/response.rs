//! A response on its way to the client.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::{Empty, Full};
use wrt_contract::Body;
use wrt_http::{HttpBody, strip_hop_by_hop};
use wrt_protocol::Fault;

use crate::{
    connection_use::Request,
    metrics::Metrics,
    request::Refused,
    status::{retry_after_secs, status_of},
};

/// A response's body. The request counts as in hand until it is dropped.
pub(crate) struct ResponseBody {
    kind: Kind,
    metrics: Arc<Metrics>,
    _request: Request,
}

enum Kind {
    None(Empty<Bytes>),
    Text(Full<Bytes>),
    Handler(HttpBody),
}

/// What a response is made with.
pub(crate) struct Responder {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) request: Request,
    /// Whether the request was a HEAD.
    pub(crate) is_head: bool,
}

impl Responder {
    /// The handler's own response.
    pub(crate) fn answer(self, response: http::Response<Body>) -> http::Response<ResponseBody> {
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
        let bodiless = matches!(
            parts.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        let kind = if self.is_head || bodiless {
            Kind::None(Empty::new())
        } else {
            Kind::Handler(body.into())
        };
        self.send(http::Response::from_parts(parts, ()), kind)
    }

    /// What a fault is to the client: its kind, and not where or why.
    pub(crate) fn fault(self, fault: &Fault) -> http::Response<ResponseBody> {
        let retry_after = retry_after_secs(fault);
        let text = format!("{}\n", fault.kind());
        self.text(status_of(fault), text, retry_after)
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

    fn send(self, head: http::Response<()>, kind: Kind) -> http::Response<ResponseBody> {
        self.metrics.response(head.status());
        head.map(|()| ResponseBody {
            kind,
            metrics: self.metrics,
            _request: self.request,
        })
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match &mut self.kind {
            Kind::None(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Kind::Text(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Kind::Handler(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                if let Poll::Ready(Some(Err(fault))) = &frame {
                    self.metrics.body_broken();
                    tracing::warn!(%fault, "the body of a response broke off");
                }
                frame
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
