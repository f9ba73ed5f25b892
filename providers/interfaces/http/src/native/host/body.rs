//! Bodies between the lattice and the streams of `wasi:http`, which are the runtime's own for 0.2 and
//! 0.3 alike: to it each is a [`WasiBody`].

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body::Body as _;
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, WasiBody};
use wrt_contract::Body;
use wrt_protocol::Fault;

use crate::{HttpBody, from_http};

/// Counts the bodies that are on their way into an instance, and not here: what a guest hands on of them
/// moves without it.
#[derive(Debug, Clone, Default)]
pub(super) struct Fed(Arc<AtomicU32>);

/// One of them, until it is dropped.
struct OnItsWay(Fed);

impl Fed {
    pub(super) fn has_any(&self) -> bool {
        self.0.load(Relaxed) > 0
    }

    fn one_more(&self) -> OnItsWay {
        self.0.fetch_add(1, Relaxed);
        OnItsWay(self.clone())
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// A body for a guest to read; its errors become the guest's by `convert`.
pub(super) fn into_guest<E>(
    body: Body<E>,
    fed: &Fed,
    mut convert: impl FnMut(E) -> Error + Send + 'static,
) -> WasiBody
where
    E: From<Fault> + Send + 'static,
{
    let counted = (!body.is_whole()).then(|| fed.one_more());
    let convert = move |error| {
        let _until_it_is_dropped = &counted;
        convert(error)
    };
    HttpBody::from(body).map_err(convert).boxed_unsync()
}

/// A body that a guest writes, of `length` where that is known; its errors become others by `convert`.
/// One that is at its end is here, and lets the call be tried again.
pub(super) fn from_guest<E>(
    body: WasiBody,
    length: Option<u64>,
    convert: impl FnMut(Error) -> E + Send + 'static,
) -> Body<E>
where
    E: From<Fault> + 'static,
{
    if body.is_end_stream() && length.is_none_or(|length| length == 0) {
        return Body::empty();
    }
    from_http(body, length, convert)
}

/// The length of a guest's body, where its head or the body itself says so.
pub(super) fn length(headers: &HeaderMap, body: &WasiBody) -> Option<u64> {
    let announced = headers.get(CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
    announced.or_else(|| body.size_hint().exact())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{Empty, Full, StreamBody};
    use wrt_protocol::FaultKind;

    use super::*;

    fn crashed(error: Error) -> Fault {
        Fault::maybe_executed(
            FaultKind::Crashed,
            wrt_protocol::Hop::Stream,
            error.to_string(),
        )
    }

    fn announced(length: Option<&'static str>) -> HeaderMap {
        let value = length.map(|length| (CONTENT_LENGTH, length.parse().unwrap()));
        value.into_iter().collect()
    }

    fn of<B>(body: B) -> WasiBody
    where
        B: http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static,
    {
        body.map_err(|never| match never {}).boxed_unsync()
    }

    /// Requests and responses alike: the two had rules of their own.
    #[tokio::test]
    async fn a_body_has_the_length_that_is_known_of_it() {
        let flowing = || of(StreamBody::new(futures::stream::empty()));
        for (header, body, expected) in [
            (
                Some("3"),
                of(Full::new(Bytes::from_static(b"abc"))),
                Ok(Some(3)),
            ),
            (None, of(Full::new(Bytes::from_static(b"abc"))), Ok(Some(3))),
            (None, of(Empty::new()), Ok(Some(0))),
            (None, flowing(), Ok(None)),
            // One that is shorter than it was said to be is broken, and never a whole one.
            (Some("3"), of(Empty::new()), Err(())),
        ] {
            let length = length(&announced(header), &body);
            let body = from_guest(body, length, crashed);
            let is_whole = body.is_whole();
            let length = body.length();
            match expected {
                Ok(expected) => {
                    assert_eq!(length, expected, "{header:?}");
                    assert_eq!(is_whole, expected == Some(0), "{header:?}");
                    let read = body.collect(9).await.unwrap();
                    assert_eq!(read.len() as u64, expected.unwrap_or(0));
                }
                Err(()) => assert!(body.collect(9).await.is_err(), "{header:?}"),
            }
        }
    }
}
