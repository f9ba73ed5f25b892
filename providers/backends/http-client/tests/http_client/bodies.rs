//! Bodies: large, slow, broken, and with something behind them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use wrt_contract::{Body, BodyFrame};
use wrt_http::HttpError;
use wrt_http_client::{Http2, HttpClientConfig};

use crate::{
    server::{self, answer, serve},
    support::{both_ways, config, flowing, get, request, send, stalled, text, until},
};

const PIECE_BYTES: usize = 64 * 1024;
const PIECES: usize = 1024;
/// What the sockets of loopback, both ways, may hold, and the pools' own buffers.
const IN_FLIGHT_BYTES_MAX: usize = 24 * 1024 * 1024;

fn piece(number: usize) -> Bytes {
    (number as u64).to_le_bytes().repeat(PIECE_BYTES / 8).into()
}

/// Whether `bytes` are those of [`large`] from `at` on.
fn is_at(mut at: usize, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let piece = piece(at / PIECE_BYTES);
        let expected = &piece[at % PIECE_BYTES..];
        let (now, later) = bytes.split_at(expected.len().min(bytes.len()));
        if now != &expected[..now.len()] {
            return false;
        }
        at += now.len();
        bytes = later;
    }
    true
}

/// [`PIECES`] pieces, and how many were asked for.
fn large() -> (Body<HttpError>, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&given);
    let frames = stream::iter(0..PIECES).map(move |number| {
        counted.fetch_add(1, Relaxed);
        Ok(BodyFrame::Data(piece(number)))
    });
    (Body::new(None, frames), given)
}

async fn echo() -> server::Server {
    serve(|request| async {
        let (parts, body) = request.into_parts();
        let mut response = http::Response::new(body.boxed_unsync());
        if let Some(trailer) = parts.headers.get("trailer") {
            response.headers_mut().insert("trailer", trailer.clone());
        }
        response
    })
    .await
}

fn versions() -> [HttpClientConfig; 2] {
    [Http2::Negotiated, Http2::PriorKnowledge].map(|http2| HttpClientConfig { http2, ..config() })
}

#[tokio::test]
async fn large_bodies_stream_both_ways_with_bounded_memory() {
    let server = echo().await;
    for config in versions() {
        let version = config.http2;
        for (way, client) in both_ways(config).await {
            let (body, given) = large();
            let sent = send(&client, request("POST", server.uri("/"), body)).await;
            let mut body = sent.unwrap().1;
            let (mut seen, mut most) = (0, 0);
            while let Some(frame) = body.next().await {
                let BodyFrame::Data(bytes) = frame.unwrap() else {
                    continue;
                };
                seen += bytes.len();
                assert!(
                    is_at(seen - bytes.len(), &bytes),
                    "{way} {version:?}: before {seen}"
                );
                let sent = given.load(Relaxed) * PIECE_BYTES;
                most = most.max(sent.saturating_sub(seen));
            }
            assert_eq!(seen, PIECES * PIECE_BYTES);
            assert!(
                most < IN_FLIGHT_BYTES_MAX,
                "{way} {version:?}: {most} bytes in flight"
            );
        }
    }
}

#[tokio::test]
async fn trailers_go_there_and_back() {
    let server = echo().await;
    let trailers = vec![("x-sum".to_owned(), b"7".to_vec())];
    for config in versions() {
        for (way, client) in both_ways(config).await {
            let frames = vec![
                Ok(BodyFrame::Data("a".into())),
                Ok(BodyFrame::Trailers(trailers.clone())),
            ];
            let mut request = request(
                "POST",
                server.uri("/"),
                Body::new(None, stream::iter(frames)),
            );
            let headers = request.headers_mut();
            headers.insert("trailer", "x-sum".parse().unwrap());
            headers.insert("te", "trailers".parse().unwrap());
            let (_, body) = send(&client, request).await.unwrap();
            let frames: Vec<_> = StreamExt::collect(body).await;
            assert_eq!(
                frames.last(),
                Some(&Ok(BodyFrame::Trailers(trailers.clone()))),
                "{way}"
            );
        }
    }
}

/// A body that is not what was announced for it MUST NOT become a request that looks whole, or one
/// whose rest is read as another.
#[tokio::test]
async fn a_body_is_held_to_its_length() {
    let ways = both_ways(config()).await;
    let seen = Arc::new(AtomicUsize::new(0));
    let whole = Arc::clone(&seen);
    let server = serve(move |request| {
        let whole = Arc::clone(&whole);
        async move {
            if request.into_body().collect().await.is_ok() {
                whole.fetch_add(1, Relaxed);
            }
            answer("")
        }
    })
    .await;
    type Make = fn() -> Body<HttpError>;
    let cases: [(&str, Make); 7] = [
        ("5", || flowing(&["a", "b"])),
        ("5", || flowing(&[])),
        ("1", || flowing(&["a", "b"])),
        ("5", Body::empty),
        ("5", || Body::whole("abcdef".into())),
        ("5, 6", Body::empty),
        // As a guest's comes, whose length its head says.
        ("1", || {
            let frames = [Ok(BodyFrame::Data("ab".into()))];
            Body::new(Some(1), stream::iter(frames))
        }),
    ];
    for (announced, body) in cases {
        for (way, client) in &ways {
            let mut request = request("POST", server.uri("/"), body());
            let headers = request.headers_mut();
            headers.insert("content-length", announced.parse().unwrap());
            let error = send(client, request).await.map(drop).unwrap_err();
            let is_refused = matches!(
                error,
                HttpError::HttpRequestBodySize(_) | HttpError::HttpProtocolError
            );
            assert!(is_refused, "{way} {announced}: {error:?}");
        }
    }
    assert_eq!(seen.load(Relaxed), 0, "no request looked whole");
}

#[tokio::test]
async fn a_guests_own_error_breaks_the_request_off() {
    let server = echo().await;
    for (way, client) in both_ways(config()).await {
        let frames = vec![
            Ok(BodyFrame::Data("a".into())),
            Err(HttpError::ConfigurationError),
        ];
        let request = request(
            "POST",
            server.uri("/"),
            Body::new(None, stream::iter(frames)),
        );
        let ended = match send(&client, request).await {
            Err(error) => error,
            // The server may have answered before.
            Ok((_, body)) => body.collect(1 << 20).await.unwrap_err(),
        };
        let told = [
            HttpError::ConfigurationError,
            HttpError::HttpResponseIncomplete,
        ];
        assert!(told.contains(&ended), "{way}: {ended:?}");
    }
}

/// Work of a server that is given up when its client leaves.
async fn unending(flag: &Arc<AtomicBool>) -> server::Server {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let flag = Arc::clone(flag);
    serve(move |request| {
        let dropped = Dropped(Arc::clone(&flag));
        async move {
            if request.uri().path() == "/silent" {
                let _held = dropped;
                // A server that does not read does not see its client leave.
                if request.into_body().collect().await.is_err() {
                    return answer("");
                }
                return std::future::pending().await;
            }
            let frames = stream::repeat_with(move || {
                let _held = &dropped;
                Ok::<_, hyper::Error>(Frame::data(piece(0)))
            });
            http::Response::new(StreamBody::new(frames).boxed_unsync())
        }
    })
    .await
}

#[tokio::test]
async fn whoever_gives_up_stops_the_request() {
    for config in versions() {
        for (way, client) in both_ways(config).await {
            let gone = Arc::new(AtomicBool::new(false));
            let server = unending(&gone).await;
            let held = Arc::new(());
            let holds = Arc::clone(&held);
            let frames = stalled().map(move |frame| {
                let _held = &holds;
                frame
            });
            let body = Body::new(None, frames);
            let call = send(&client, request("POST", server.uri("/silent"), body));
            let waited = tokio::time::timeout(std::time::Duration::from_millis(200), call).await;
            assert!(waited.is_err());
            until("the server sees the call dropped", || gone.load(Relaxed)).await;
            until("the request's body is dropped", || {
                Arc::strong_count(&held) == 1
            })
            .await;

            gone.store(false, Relaxed);
            let (_, mut body) = get(&client, server.uri("/")).await.unwrap();
            for _ in 0..10 {
                body.next().await.unwrap().unwrap();
            }
            drop(body);
            until(way, || gone.load(Relaxed)).await;
        }
    }
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_has_ended() {
    let server = serve(|_| async { answer("early") }).await;
    for (way, client) in both_ways(config()).await {
        let (_, body) = send(&client, request("POST", server.uri("/"), stalled()))
            .await
            .unwrap();
        assert_eq!(text(body).await, "early", "{way}");
    }
}
