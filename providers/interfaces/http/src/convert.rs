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

use crate::head::{from_map, into_map};

/// A [`Body`] for whoever takes an [`http_body::Body`].
///
/// It is held to its length: one that is longer or shorter than announced ends with a fault, so that
/// nobody takes it for whole.
#[derive(Debug)]
pub struct HttpBody {
    body: Body,
    /// Bytes still to come, where the length is known.
    left: Option<u64>,
    ended: bool,
}

impl From<Body> for HttpBody {
    fn from(body: Body) -> Self {
        let left = body.length();
        Self {
            body,
            left,
            ended: false,
        }
    }
}

impl HttpBody {
    /// Counts `bytes` against the length.
    fn take(&mut self, bytes: u64) -> Result<(), Fault> {
        if let Some(left) = &mut self.left {
            *left = left
                .checked_sub(bytes)
                .ok_or_else(|| wrong_length("longer"))?;
        }
        Ok(())
    }

    fn checked(&mut self, frame: BodyFrame) -> Result<Frame<Bytes>, Fault> {
        match frame {
            BodyFrame::Data(bytes) => {
                self.take(bytes.len() as u64)?;
                Ok(Frame::data(bytes))
            }
            BodyFrame::Trailers(fields) => {
                self.ended = true;
                self.check_end()?;
                into_map(fields).map(Frame::trailers).ok_or_else(|| {
                    let detail = "trailers that are no header fields";
                    Fault::maybe_executed(FaultKind::Malformed, Hop::Stream, detail)
                })
            }
        }
    }

    fn check_end(&self) -> Result<(), Fault> {
        match self.left {
            None | Some(0) => Ok(()),
            Some(_) => Err(wrong_length("shorter")),
        }
    }
}

fn wrong_length(comparative: &str) -> Fault {
    let detail = format!("the body is {comparative} than announced");
    Fault::maybe_executed(FaultKind::Malformed, Hop::Stream, detail)
}

impl http_body::Body for HttpBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_next(cx) else {
            return Poll::Pending;
        };
        let frame = match next {
            Some(Ok(frame)) => Some(self.checked(frame)),
            Some(Err(fault)) => Some(Err(fault)),
            None => {
                self.ended = true;
                self.check_end().err().map(Err)
            }
        };
        self.ended |= matches!(frame, Some(Err(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// `body` as a [`Body`] of `length` bytes; its errors become faults by `fault`.
pub fn from_http<B>(
    body: B,
    length: Option<u64>,
    mut fault: impl FnMut(B::Error) -> Fault + Send + 'static,
) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
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
        futures::StreamExt::map(frames, move |frame| frame.map_err(&mut fault)),
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
    async fn a_body_is_held_to_its_length() {
        for (length, frames, expected) in [
            (None, vec![data("ab"), data("c")], Ok("abc")),
            (Some(3), vec![data("ab"), data("c")], Ok("abc")),
            (Some(2), vec![data("ab"), data("c")], Err("longer")),
            (Some(4), vec![data("ab"), data("c")], Err("shorter")),
            (Some(0), vec![], Ok("")),
        ] {
            let collected = body(length, frames).collect().await;
            match (collected, expected) {
                (Ok(collected), Ok(expected)) => assert_eq!(collected.to_bytes(), expected),
                (Err(fault), Err(expected)) => assert!(fault.detail().contains(expected)),
                (other, expected) => panic!("{other:?} where {expected:?} was expected"),
            }
        }
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
