//! A body of the lattice as one of the `http-body` crate, and back.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{FutureExt, Stream};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use wrt_contract::{Body, BodyFrame, WholeBody, generated::Bytes};
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::native::head::{from_map, into_map};

/// A [`Body`] for whoever takes an [`http_body::Body`].
#[derive(Debug)]
pub struct HttpBody<E = Fault> {
    body: Body<E>,
    ended: bool,
}

impl<E> From<Body<E>> for HttpBody<E> {
    fn from(body: Body<E>) -> Self {
        Self { body, ended: false }
    }
}

impl<E: From<Fault>> http_body::Body for HttpBody<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_next(cx) else {
            return Poll::Pending;
        };
        let frame = next.map(|frame| frame.and_then(|frame| into_frame(frame).map_err(E::from)));
        // Nothing comes behind trailers, and whoever got them does not ask.
        self.ended = !matches!(&frame, Some(Ok(frame)) if frame.is_data());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_at_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .remaining()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn into_frame(frame: BodyFrame) -> Result<Frame<Bytes>, Fault> {
    match frame {
        BodyFrame::Data(bytes) => Ok(Frame::data(bytes)),
        BodyFrame::Trailers(fields) => into_map(fields).map(Frame::trailers).ok_or_else(|| {
            let detail = "trailers that are no header fields";
            Fault::maybe_executed(FaultKind::Malformed, Hop::Stream, detail)
        }),
    }
}

/// `body` as a [`Body`] of `length` bytes; its errors become others by `convert`. Nothing is read
/// before it is asked for.
pub fn from_http<B, E>(
    body: B,
    length: Option<u64>,
    convert: impl FnMut(B::Error) -> E + Send + 'static,
) -> Body<E>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
    E: From<Fault> + 'static,
{
    flowing(None, body, length, convert)
}

/// The same, of a body that somebody reads from the network already: if all of it has come, it is
/// taken, so that a small answer costs neither a stream nor a wait.
pub fn from_http_ahead<B, E>(
    mut body: B,
    length: Option<u64>,
    convert: impl FnMut(B::Error) -> E + Send + 'static,
) -> Body<E>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
    E: From<Fault> + 'static,
{
    let first = body.frame().now_or_never().flatten();
    match first {
        Some(Ok(frame)) if frame.is_data() && body.is_end_stream() => WholeBody {
            length,
            bytes: frame.into_data().unwrap_or_default(),
            trailers: Vec::new(),
        }
        .into(),
        first => flowing(first, body, length, convert),
    }
}

type FrameOf<B> = Result<Frame<Bytes>, <B as http_body::Body>::Error>;

fn flowing<B, E>(
    first: Option<FrameOf<B>>,
    body: B,
    length: Option<u64>,
    convert: impl FnMut(B::Error) -> E + Send + 'static,
) -> Body<E>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
    E: From<Fault> + 'static,
{
    let frames = Frames {
        first,
        body,
        convert,
        ended: false,
    };
    Body::new(length, frames)
}

/// The pieces of an [`http_body::Body`].
struct Frames<B: http_body::Body, F> {
    first: Option<FrameOf<B>>,
    body: B,
    convert: F,
    ended: bool,
}

/// Nothing but the body is polled, and that may move.
impl<B: http_body::Body + Unpin, F> Unpin for Frames<B, F> {}

impl<B, E, F> Stream for Frames<B, F>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    F: FnMut(B::Error) -> E,
{
    type Item = Result<BodyFrame, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.ended {
            let next = match this.first.take() {
                Some(first) => Some(first),
                None => ready!(Pin::new(&mut this.body).poll_frame(cx)),
            };
            this.ended = !matches!(next, Some(Ok(_)));
            let frame = match next {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err((this.convert)(error)))),
                None => break,
            };
            let frame = match frame.into_data() {
                // A frame of a lattice's body has bytes.
                Ok(bytes) if bytes.is_empty() => continue,
                Ok(bytes) => BodyFrame::Data(bytes),
                Err(other) => match other.into_trailers() {
                    Ok(trailers) => BodyFrame::Trailers(from_map(&trailers)),
                    Err(_neither) => continue,
                },
            };
            return Poll::Ready(Some(Ok(frame)));
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn body(length: Option<u64>, frames: Vec<Result<BodyFrame, Fault>>) -> HttpBody {
        Body::new(length, stream::iter(frames)).into()
    }

    fn data(text: &'static str) -> Result<BodyFrame, Fault> {
        Ok(BodyFrame::Data(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn trailers_and_faults_go_there_and_back() {
        let trailers = vec![
            ("x-sum".to_owned(), b"7".to_vec()),
            ("x-sum".to_owned(), b"8".to_vec()),
        ];
        let frames = vec![data("a"), Ok(BodyFrame::Trailers(trailers.clone()))];
        let back = from_http(body(None, frames), None, |fault| fault);
        let back: Vec<_> = futures::StreamExt::collect(back).await;
        assert_eq!(back, [data("a"), Ok(BodyFrame::Trailers(trailers))]);

        let fault = Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, "gone");
        let frames = vec![data("a"), Err(fault.clone()), data("b")];
        let back = from_http(body(None, frames), None, |fault| fault);
        let back: Vec<_> = futures::StreamExt::collect(back).await;
        assert_eq!(back, [data("a"), Err(fault)], "nothing comes after a fault");
    }

    /// What one of them reads is what the other does, whatever part of it is here at once.
    #[tokio::test]
    async fn what_is_here_is_taken_and_nothing_is_lost() {
        let fault = || Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, "gone");
        let trailers = || {
            Ok(BodyFrame::Trailers(vec![(
                "x-sum".to_owned(),
                b"7".to_vec(),
            )]))
        };
        for (length, frames) in [
            (Some(2), vec![data("a"), data("b")]),
            (None, vec![data("a")]),
            (None, vec![data("a"), trailers()]),
            (Some(3), vec![data("a")]),
            (Some(2), vec![data("a"), Err(fault())]),
            (Some(2), vec![Err(fault())]),
            (Some(2), vec![]),
        ] {
            let lazy = from_http(body(length, frames.clone()), length, |fault| fault);
            let ahead = from_http_ahead(body(length, frames), length, |fault| fault);
            let lazy: Vec<_> = futures::StreamExt::collect(lazy).await;
            let ahead: Vec<_> = futures::StreamExt::collect(ahead).await;
            assert_eq!(ahead, lazy);
        }
        let whole = http_body_util::Full::new(Bytes::from_static(b"a"));
        let whole = from_http_ahead(whole, Some(1), |never| match never {});
        assert!(whole.is_whole());
        let whole: Vec<Result<_, Fault>> = futures::StreamExt::collect(whole).await;
        assert_eq!(whole, [data("a")]);
    }
}
