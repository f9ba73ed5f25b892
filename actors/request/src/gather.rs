//! Which body travels inside its message, and which as a stream.

use futures::{FutureExt, future::BoxFuture};
use tokio::time::Instant;
use wrt_contract::{Body, BodyError, WholeBody};
use wrt_protocol::limits::{INLINE_BODY_BYTES_MAX, INLINE_TRAILERS_BYTES_MAX};

/// What a body may be to travel inside a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inline {
    bytes_max: usize,
}

impl Inline {
    /// On a bus whose messages are at most `payload_bytes_max` long. A part of that: head and
    /// arguments go in the same message.
    pub(crate) fn on(payload_bytes_max: usize) -> Self {
        Self {
            bytes_max: INLINE_BODY_BYTES_MAX.min(payload_bytes_max / 8),
        }
    }

    /// The body, if it is here and small. Shares its memory.
    pub(crate) fn take(self, body: &Body<BodyError>) -> Option<WholeBody> {
        self.takes(body).then(|| body.as_whole()).flatten()
    }

    /// Whether it is.
    pub(crate) fn takes(self, body: &Body<BodyError>) -> bool {
        let pair = |(name, value): &(String, Vec<u8>)| name.len() + value.len();
        body.whole_parts().is_some_and(|(bytes, trailers)| {
            let trailers: usize = trailers.into_iter().flatten().map(pair).sum();
            bytes.len() <= self.bytes_max && trailers <= INLINE_TRAILERS_BYTES_MAX
        })
    }

    /// Whether waiting for it could make it one that travels inside.
    fn may_become(self, body: &Body<BodyError>) -> bool {
        let fits = |length: u64| length <= self.bytes_max as u64;
        !body.is_whole() && body.length().is_none_or(fits)
    }

    /// Waits until `until` for a body to become whole; none if that is idle.
    pub(crate) fn gather(
        self,
        body: Body<BodyError>,
        until: Instant,
    ) -> Result<BoxFuture<'static, Body<BodyError>>, Body<BodyError>> {
        match self.may_become(&body) {
            true => Ok(body.gathered(self.bytes_max, until).boxed()),
            false => Err(body),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use futures::{StreamExt, stream};
    use wrt_contract::{BodyFrame, Trailers};
    use wrt_protocol::{Fault, FaultKind, Hop, limits::INLINE_BODY_PATIENCE};

    use super::*;

    const INLINE: Inline = Inline {
        bytes_max: INLINE_BODY_BYTES_MAX,
    };

    fn data(bytes: usize) -> Result<BodyFrame, BodyError> {
        Ok(BodyFrame::Data(vec![1; bytes].into()))
    }

    async fn gathered(body: Body<BodyError>) -> Body<BodyError> {
        match INLINE.gather(body, Instant::now() + INLINE_BODY_PATIENCE) {
            Ok(waiting) => waiting.await,
            Err(body) => body,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_small_and_whole_goes_inside() {
        let trailers = Ok(BodyFrame::Trailers(vec![("a".to_owned(), vec![1])]));
        let large = Ok(BodyFrame::Trailers(vec![("a".to_owned(), vec![1; 9000])]));
        let fault = Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, "gone");
        let many = vec![data(1); 1025];
        for (what, length, frames, inside) in [
            ("nothing", None, vec![], true),
            ("two pieces", None, vec![data(2), data(1)], true),
            ("trailers", Some(1), vec![data(1), trailers], true),
            ("large trailers", Some(1), vec![data(1), large], false),
            ("the limit", None, vec![data(INLINE.bytes_max)], true),
            (
                "over it",
                None,
                vec![data(INLINE.bytes_max), data(1)],
                false,
            ),
            ("a failure", None, vec![data(1), Err(fault.into())], false),
            ("too short", Some(5), vec![data(1)], false),
            ("too long", Some(5), vec![data(7)], false),
            ("many frames", None, many, false),
        ] {
            let body = || Body::new(length, stream::iter(frames.clone()));
            let gathered = gathered(body()).await;
            assert_eq!(INLINE.take(&gathered).is_some(), inside, "{what}");
            let (here, there): (Vec<_>, Vec<_>) =
                futures::join!(gathered.collect_all(), body().collect_all());
            if inside {
                assert_eq!(joined(here), joined(there), "{what}");
            } else {
                assert_eq!(here, there, "{what}");
            }
        }
    }

    /// Bytes and trailers, however many pieces they came in.
    fn joined(frames: Vec<Result<BodyFrame, BodyError>>) -> (Vec<u8>, Trailers) {
        let (mut bytes, mut trailers) = (Vec::new(), Trailers::new());
        for frame in frames {
            match frame.unwrap() {
                BodyFrame::Data(data) => bytes.extend_from_slice(&data),
                BodyFrame::Trailers(fields) => trailers = fields,
            }
        }
        (bytes, trailers)
    }

    /// Its producer may wait for the call itself.
    #[tokio::test(start_paused = true)]
    async fn a_small_body_that_does_not_come_is_not_waited_for() {
        let started = Instant::now();
        let late = stream::once(tokio::time::sleep(Duration::from_secs(5)).map(|()| data(3)));
        let body = gathered(Body::new(Some(3), late)).await;
        assert!(started.elapsed() <= INLINE_BODY_PATIENCE + Duration::from_millis(1));
        assert!(!body.is_whole());
        assert_eq!(body.collect(9).await.unwrap(), Bytes::from(vec![1; 3]));
    }

    trait CollectAll {
        async fn collect_all(self) -> Vec<Result<BodyFrame, BodyError>>;
    }

    impl CollectAll for Body<BodyError> {
        async fn collect_all(self) -> Vec<Result<BodyFrame, BodyError>> {
            StreamExt::collect(self).await
        }
    }
}
