//! Bodies: long, slow, broken, and left alone.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::Notify};
use wrt_contract::{Body, BodyFrame};
use wrt_http_server::HttpServerConfig;
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::support::{Raw, config, does, echo, exchange, serve, serve_with, until};

const PIECE_BYTES: i64 = 64 * 1024;

fn piece(number: i64) -> Bytes {
    number.to_le_bytes().repeat(8192).into()
}

/// What lies between a client's two ends of an echo is in buffers: the server's and the kernel's.
#[tokio::test]
async fn a_hundred_megabytes_go_through_a_bounded_memory() {
    const PIECES: i64 = 1600;
    let server = serve(echo()).await;
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);

    let under_way = Arc::new(AtomicI64::new(0));
    let sent = Arc::clone(&under_way);
    let body = StreamBody::new(stream::iter(0..PIECES).map(move |number| {
        sent.fetch_add(PIECE_BYTES, Relaxed);
        Ok::<_, std::io::Error>(Frame::data(piece(number)))
    }));
    let request = http::Request::post("/")
        .header("host", "a.test")
        .body(body)
        .unwrap();
    let response = client.send_request(request).await.unwrap();
    let mut expected = (0..PIECES).map(piece).flat_map(IntoIterator::into_iter);
    let (mut most, mut received) = (0, 0);
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let bytes = frame.unwrap().into_data().unwrap();
        received += bytes.len() as i64;
        let left = under_way.fetch_sub(bytes.len() as i64, Relaxed);
        most = most.max(left);
        assert!(
            bytes.iter().all(|byte| expected.next() == Some(*byte)),
            "at {received}"
        );
    }
    assert_eq!(received, PIECES * PIECE_BYTES);
    assert!(most < 24 << 20, "{most} bytes were under way at once");
}

/// A body of one piece, with `end` after it as soon as the client has seen that piece.
fn one_piece(length: Option<u64>, seen: &Arc<Notify>, end: Option<Fault>) -> Body {
    let seen = Arc::clone(seen);
    let end = stream::once(async move { seen.notified().await })
        .flat_map(move |()| stream::iter(end.clone().map(Err)));
    let piece = stream::iter([Ok(BodyFrame::Data("part".into()))]);
    Body::new(length, piece.chain(end))
}

#[tokio::test]
async fn a_body_that_breaks_never_looks_whole() {
    let crash = Fault::maybe_executed(FaultKind::Crashed, Hop::Actor, "trap");
    for (length, end) in [
        (None, Some(crash.clone())),
        (Some(10), Some(crash)),
        (Some(10), None),
    ] {
        let seen = Arc::new(Notify::new());
        let notified = Arc::clone(&seen);
        let server = serve(does(move |_, _| {
            let body = one_piece(length, &notified, end.clone());
            async { Ok(http::Response::new(body)) }
        }))
        .await;
        let mut raw = Raw::to(&server).await;
        raw.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
        let beginning = raw.read_to("part").await;
        assert_eq!(
            beginning.contains("content-length: 10"),
            length.is_some(),
            "{beginning}"
        );
        seen.notify_one();
        let rest = raw.read_to_close().await;
        assert!(
            rest.trim().is_empty(),
            "no last chunk and no more bytes: {rest:?}"
        );
        until("counted", || server.counts().bodies_broken == 1).await;
    }
}

/// A handler whose `held` lives for as long as its work does.
fn held() -> (Arc<()>, Arc<()>) {
    let held = Arc::new(());
    (Arc::clone(&held), held)
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_request() {
    let (alive, held) = held();
    let server = serve(does(move |_, _| {
        let held = Arc::clone(&held);
        async move {
            let _held = held;
            std::future::pending().await
        }
    }))
    .await;
    let mut raw = Raw::to(&server).await;
    raw.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    until("the handler runs", || Arc::strong_count(&alive) == 3).await;
    drop(raw);
    until("the handler is dropped", || Arc::strong_count(&alive) == 2).await;
}

/// The bug: what a client had sent behind its request, and nobody read, hid that it had gone.
#[tokio::test]
async fn a_client_that_goes_away_is_noticed_behind_what_it_has_sent() {
    let (alive, held) = held();
    let server = serve(does(move |_, _request| {
        let held = Arc::clone(&held);
        async move {
            let _held = held;
            std::future::pending().await
        }
    }))
    .await;
    let body = "x".repeat(200_000);
    for behind in [
        "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n".to_owned(),
        format!("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 200000\r\n\r\n{body}"),
    ] {
        let mut raw = Raw::to(&server).await;
        raw.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
        raw.send(&behind).await;
        until("the handler runs", || Arc::strong_count(&alive) == 3).await;
        drop(raw);
        until("the handler is dropped", || Arc::strong_count(&alive) == 2).await;
    }
    assert_eq!(server.counts().clients_left, 2);
}

#[tokio::test]
async fn a_client_that_goes_away_drops_the_response_and_the_request_body() {
    let (alive, held) = held();
    let server = serve(does(move |_, request| {
        let held = Arc::clone(&held);
        let frames = request.into_body().map(move |frame| {
            let _held = &held;
            frame
        });
        async { Ok(http::Response::new(Body::new(None, frames))) }
    }))
    .await;
    let mut raw = Raw::to(&server).await;
    raw.send("POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    raw.read_to("hello").await;
    assert_eq!(Arc::strong_count(&alive), 3);
    drop(raw);
    until("the bodies are dropped", || Arc::strong_count(&alive) == 2).await;
    until("nothing is in hand", || {
        server.counts().requests_in_flight == 0
    })
    .await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let (alive, held) = held();
    let endless = does(move |_, _| {
        let held = Arc::clone(&held);
        let frames = stream::repeat_with(move || {
            let _held = &held;
            Ok(BodyFrame::Data(piece(0)))
        });
        async { Ok(http::Response::new(Body::new(None, frames))) }
    });
    let config = HttpServerConfig {
        write_timeout_ms: 200,
        ..config()
    };
    let server = serve_with(config, endless).await;
    let mut raw = Raw::to(&server).await;
    raw.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    until("the body flows", || Arc::strong_count(&alive) == 3).await;
    until("the body is dropped", || Arc::strong_count(&alive) == 2).await;
    until("the connection is closed", || {
        server.counts().connections_open == 0
    })
    .await;
}

#[tokio::test]
async fn trailers_pass() {
    let server = serve(does(|_, request| async {
        let (parts, body) = request.into_parts();
        let mut response = http::Response::new(body);
        let headers = response.headers_mut();
        headers.insert("trailer", "x-sum".parse().unwrap());
        // A gRPC handler looks for it.
        headers.insert("x-te", parts.headers["te"].clone());
        Ok(response)
    }))
    .await;
    let request = "POST / HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\nconnection: close\r\n\
                   transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                   5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n";
    let answer = exchange(&server, request).await;
    assert!(answer.contains("x-te: trailers\r\n"), "{answer}");
    assert!(
        answer.ends_with("5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n"),
        "{answer}"
    );
}
