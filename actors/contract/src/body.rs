//! A body: bytes beside the arguments, in pieces, with bounded memory.

mod gather;
mod hold;
mod lend;
mod wire;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use parking_lot::Mutex;
use wrt_protocol::{Fault, FaultKind, Hop};

use self::hold::Hold;
pub use self::{
    lend::lend,
    wire::{BodyError, from_wire, into_wire},
};
use crate::Permit;

/// Pairs of name and value after the last bytes of a body.
pub type Trailers = Vec<(String, Vec<u8>)>;

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyFrame {
    /// Bytes, not empty.
    Data(Bytes),
    /// What follows the last bytes; nothing comes after it.
    Trailers(Trailers),
}

/// A body that is here, all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WholeBody {
    /// The length that was announced for it.
    pub length: Option<u64>,
    /// Its bytes.
    pub bytes: Bytes,
    /// What follows them.
    pub trailers: Trailers,
}

/// A stream of pieces that ends whole, or with an error. It is pulled: nothing is read ahead of its
/// consumer but what a transport's credit allows. Dropping it tells its producer to stop.
///
/// It is held to the length that was announced for it: one that is longer or shorter ends with an
/// error, so that nobody takes it for whole, whichever way it came. After an error, and after its
/// end, nothing comes any more.
///
/// `E` is what it breaks off with: a [`Fault`], or the error of an interface that has errors of its
/// own in the middle of a body.
pub struct Body<E = Fault> {
    length: Option<u64>,
    /// Bytes given out.
    passed: u64,
    frames: Frames<E>,
    /// Given back when the body has ended. In a box, as trailers are.
    hold: Option<Box<Hold>>,
}

enum Frames<E> {
    /// All of it is here: it costs no allocation, and can be had twice.
    Here {
        bytes: Bytes,
        /// In a box, because few bodies have any and each call has room for a body.
        trailers: Option<Box<Trailers>>,
    },
    /// Never locked: only reached through `get_mut`. The mutex makes a reference to a body one that
    /// may cross threads, which a boxed stream's is not.
    Flowing(Mutex<BoxStream<'static, Result<BodyFrame, E>>>),
    Ended,
}

impl<E> Body<E> {
    /// A body of `frames`; `length` in bytes where it is known before.
    #[must_use]
    pub fn new(
        length: Option<u64>,
        frames: impl Stream<Item = Result<BodyFrame, E>> + Send + 'static,
    ) -> Self {
        Self::of(length, Frames::Flowing(Mutex::new(frames.boxed())))
    }

    /// A body that is already here.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        WholeBody {
            length: Some(bytes.len() as u64),
            bytes,
            trailers: Trailers::new(),
        }
        .into()
    }

    /// A body without bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    fn of(length: Option<u64>, frames: Frames<E>) -> Self {
        Self {
            length,
            passed: 0,
            frames,
            hold: None,
        }
    }

    /// Its length in bytes, where that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// How many bytes are still to come, where that is known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.length.map(|length| length.saturating_sub(self.passed))
    }

    /// Whether it is here, all of it, and nobody has read from it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.passed == 0 && matches!(self.frames, Frames::Here { .. })
    }

    /// Whether nothing comes any more, not even an error.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        match &self.frames {
            Frames::Ended => true,
            Frames::Here { bytes, trailers } => {
                bytes.is_empty() && trailers.is_none() && self.check_end().is_ok()
            }
            Frames::Flowing(_) => false,
        }
    }

    /// All of it, if it is here and nobody has read from it. Shares its memory.
    #[must_use]
    pub fn as_whole(&self) -> Option<WholeBody> {
        let (bytes, trailers) = self.whole_parts()?;
        Some(WholeBody {
            length: self.length,
            bytes: bytes.clone(),
            trailers: trailers.cloned().unwrap_or_default(),
        })
    }

    /// The bytes and the trailers of [`Body::as_whole`].
    #[must_use]
    pub fn whole_parts(&self) -> Option<(&Bytes, Option<&Trailers>)> {
        match &self.frames {
            Frames::Here { bytes, trailers } if self.passed == 0 => {
                Some((bytes, trailers.as_deref()))
            }
            _ => None,
        }
    }

    /// The same body, which gives `permit` back when it has ended, has failed, or is dropped. It fails
    /// when nothing comes for [`STREAM_IDLE_MAX`](wrt_protocol::limits::STREAM_IDLE_MAX), as it would
    /// between nodes.
    #[must_use]
    pub fn holding(mut self, permit: Permit) -> Self {
        self.hold = Some(Box::new(Hold::new(permit)));
        self
    }

    /// The same body, with its errors made into others.
    #[must_use]
    pub fn map_err<F>(self, mut convert: impl FnMut(E) -> F + Send + 'static) -> Body<F>
    where
        E: 'static,
    {
        let frames = match self.frames {
            Frames::Here { bytes, trailers } => Frames::Here { bytes, trailers },
            Frames::Ended => Frames::Ended,
            Frames::Flowing(frames) => {
                let frames = frames.into_inner();
                let frames = frames.map(move |frame| frame.map_err(&mut convert));
                Frames::Flowing(Mutex::new(frames.boxed()))
            }
        };
        Body {
            length: self.length,
            passed: self.passed,
            frames,
            hold: self.hold,
        }
    }

    /// Counts `frame` against the length.
    fn check(&mut self, frame: &BodyFrame) -> Result<(), Fault> {
        match frame {
            BodyFrame::Data(bytes) => {
                self.passed = self.passed.saturating_add(bytes.len() as u64);
                match self.length {
                    Some(length) if self.passed > length => Err(wrong_length("longer")),
                    _ => Ok(()),
                }
            }
            BodyFrame::Trailers(_) => self.check_end(),
        }
    }

    fn check_end(&self) -> Result<(), Fault> {
        match self.remaining() {
            None | Some(0) => Ok(()),
            Some(_) => Err(wrong_length("shorter")),
        }
    }

    fn end(&mut self) {
        self.frames = Frames::Ended;
        self.hold = None;
    }
}

impl<E: From<Fault>> Body<E> {
    /// Reads it to its end; trailers are dropped.
    ///
    /// # Errors
    /// Its own error, or [`FaultKind::TooLarge`] as soon as it is over `bytes_max`.
    pub async fn collect(mut self, bytes_max: usize) -> Result<Bytes, E> {
        let too_large = || {
            let detail = format!("body is over the limit of {bytes_max} bytes");
            Fault::maybe_executed(FaultKind::TooLarge, Hop::Stream, detail)
        };
        if self.length.is_some_and(|length| length > bytes_max as u64) {
            return Err(too_large().into());
        }
        let mut first = Bytes::new();
        let mut rest = Vec::new();
        while let Some(frame) = self.next().await {
            let BodyFrame::Data(bytes) = frame? else {
                continue;
            };
            if first.len() + rest.len() + bytes.len() > bytes_max {
                return Err(too_large().into());
            }
            // One piece is the common case, and needs no copy.
            if first.is_empty() && rest.is_empty() {
                first = bytes;
            } else {
                if rest.is_empty() {
                    let length = self.length.and_then(|length| usize::try_from(length).ok());
                    rest.reserve(length.map_or(0, |length| length.min(bytes_max)));
                    rest.extend_from_slice(&std::mem::take(&mut first));
                }
                rest.extend_from_slice(&bytes);
            }
        }
        Ok(if rest.is_empty() { first } else { rest.into() })
    }
}

impl<E> From<WholeBody> for Body<E> {
    fn from(whole: WholeBody) -> Self {
        let WholeBody {
            length,
            bytes,
            trailers,
        } = whole;
        let trailers = (!trailers.is_empty()).then(|| Box::new(trailers));
        Self::of(length, Frames::Here { bytes, trailers })
    }
}

impl<E> Frames<E> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, E>>> {
        match self {
            Self::Ended => Poll::Ready(None),
            Self::Here { bytes, .. } if !bytes.is_empty() => {
                Poll::Ready(Some(Ok(BodyFrame::Data(std::mem::take(bytes)))))
            }
            Self::Here { trailers, .. } => {
                Poll::Ready(trailers.take().map(|all| Ok(BodyFrame::Trailers(*all))))
            }
            Self::Flowing(frames) => frames.get_mut().as_mut().poll_next(cx),
        }
    }
}

impl<E: From<Fault>> Stream for Body<E> {
    type Item = Result<BodyFrame, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let body = self.get_mut();
        if matches!(body.frames, Frames::Ended) {
            return Poll::Ready(None);
        }
        // What comes behind trailers is asked for all the same: its producer wants to know that the
        // body was taken to its end.
        let frame = body.frames.poll_next(cx);
        let hold = body.hold.as_mut();
        if let Some(fault) = hold.and_then(|hold| hold.poll(frame.is_pending(), cx)) {
            body.end();
            return Poll::Ready(Some(Err(fault.into())));
        }
        let next = match ready!(frame) {
            Some(Ok(frame)) => Some(body.check(&frame).map(|()| frame).map_err(E::from)),
            Some(Err(error)) => Some(Err(error)),
            None => body.check_end().err().map(|fault| Err(fault.into())),
        };
        if !matches!(next, Some(Ok(_))) {
            body.end();
        }
        Poll::Ready(next)
    }
}

fn wrong_length(comparative: &str) -> Fault {
    let detail = format!("the body is {comparative} than announced");
    Fault::maybe_executed(FaultKind::Malformed, Hop::Stream, detail)
}

impl<E> fmt::Debug for Body<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn data(text: &'static str) -> Result<BodyFrame, Fault> {
        Ok(BodyFrame::Data(Bytes::from_static(text.as_bytes())))
    }

    /// Collects `body` and compares: its bytes, or a word of its error.
    async fn check(what: &str, body: Body, expected: Result<&str, &str>) {
        match (body.collect(1024).await, expected) {
            (Ok(bytes), Ok(expected)) => assert_eq!(bytes, expected, "{what}"),
            (Err(fault), Err(word)) => assert!(fault.detail().contains(word), "{what}: {fault}"),
            (other, expected) => panic!("{what}: {other:?} where {expected:?} was expected"),
        }
    }

    /// Each call has room for one.
    #[test]
    fn a_body_is_small() {
        assert!(size_of::<Body>() <= 96, "{}", size_of::<Body>());
    }

    /// The same rule for a body that flows and for one that is here.
    #[tokio::test]
    async fn a_body_is_held_to_its_length() {
        for (length, pieces, expected) in [
            (None, vec!["ab", "c"], Ok("abc")),
            (Some(3), vec!["ab", "c"], Ok("abc")),
            (Some(2), vec!["ab", "c"], Err("longer")),
            (Some(4), vec!["ab", "c"], Err("shorter")),
            (Some(5), vec![], Err("shorter")),
            (Some(0), vec![], Ok("")),
        ] {
            let whole = WholeBody {
                length,
                bytes: pieces.concat().into(),
                trailers: Trailers::new(),
            };
            check("here", whole.into(), expected).await;
            let frames = pieces.into_iter().map(data);
            let flowing = Body::new(length, stream::iter(frames));
            check("flowing", flowing, expected).await;
        }
    }

    #[tokio::test]
    async fn a_body_that_is_short_of_its_trailers_is_not_whole() {
        let trailers = vec![("sum".to_owned(), b"1".to_vec())];
        for length in [None, Some(1), Some(2)] {
            let whole = WholeBody {
                length,
                bytes: Bytes::from_static(b"a"),
                trailers: trailers.clone(),
            };
            let frames: Vec<Result<_, Fault>> = Body::from(whole).collect_frames().await;
            let last = frames.last().expect("a frame");
            match length {
                Some(2) => assert!(last.is_err(), "{frames:?}"),
                _ => assert_eq!(*last, Ok(BodyFrame::Trailers(trailers.clone()))),
            }
        }
    }

    #[tokio::test]
    async fn nothing_comes_after_an_error() {
        let fault = Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, "gone");
        let frames = [data("a"), Err(fault.clone()), data("b")];
        let body = Body::new(None, stream::iter(frames));
        assert_eq!(body.collect_frames().await, [data("a"), Err(fault)]);
    }

    impl<E: From<Fault>> Body<E> {
        async fn collect_frames(self) -> Vec<Result<BodyFrame, E>> {
            StreamExt::collect(self).await
        }
    }
}
