//! A body of the lattice as one of the `http-body` crate, and back.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Stream, stream};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use wrt_contract::{Body, BodyFrame, generated::Bytes};
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
        self.ended
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

/// `body` as a [`Body`] of `length` bytes; its errors become others by `convert`.
pub fn from_http<B, E>(
    body: B,
    length: Option<u64>,
    mut convert: impl FnMut(B::Error) -> E + Send + 'static,
) -> Body<E>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
    E: From<Fault> + 'static,
{
    let frames = stream::unfold((Box::pin(body), false), |(mut body, failed)| async move {
        if failed {
            return None;
        }
        loop {
            let frame = match body.frame().await? {
                Ok(frame) => frame,
                Err(error) => return Some((Err(error), (body, true))),
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
            return Some((Ok(frame), (body, false)));
        }
    });
    Body::new(
        length,
        futures::StreamExt::map(frames, move |frame| frame.map_err(&mut convert)),
    )
}

#[cfg(test)]
mod tests {
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
}
