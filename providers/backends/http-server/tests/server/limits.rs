//! What a client may not do.

use std::sync::Arc;

use wrt_contract::Body;
use wrt_http::HttpHandler;
use wrt_http_server::{HttpListener, HttpServerConfig, Route, WebSockets};

use crate::support::{Raw, config, does, exchange, says, serve_with, until};

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let config = HttpServerConfig {
        header_timeout_ms: 100,
        ..config()
    };
    let server = serve_with(config, says("hello")).await;
    for beginning in ["", "P", "PRI * HT", "GET / HTTP/1.1\r\nhost: a"] {
        let mut raw = Raw::to(&server).await;
        raw.send(beginning).await;
        let answer = raw.read_to_close().await;
        assert!(
            answer.is_empty() || answer.contains(" 408 "),
            "{beginning:?}: {answer}"
        );
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let config = HttpServerConfig {
        idle_timeout_ms: 100,
        ..config()
    };
    let server = serve_with(config, says("hello")).await;
    let mut raw = Raw::to(&server).await;
    raw.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    assert!(raw.read_to_close().await.ends_with("hello"));
}

#[tokio::test]
async fn one_connection_too_many_is_refused_and_counted() {
    let config = HttpServerConfig {
        connections_max: 2,
        ..config()
    };
    let server = serve_with(config, says("hello")).await;
    let (mut first, _second) = (Raw::to(&server).await, Raw::to(&server).await);
    until("both are open", || server.counts().connections_open == 2).await;
    assert_eq!(Raw::to(&server).await.read_to_close().await, "");
    assert_eq!(server.counts().connections_refused, 1);
    first
        .send("GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n")
        .await;
    assert!(first.read_to_close().await.ends_with("hello"));
    until("one is closed", || server.counts().connections_open == 1).await;
    let mut third = Raw::to(&server).await;
    third.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    third.read_to("hello").await;
}

#[tokio::test]
async fn one_request_too_many_is_refused() {
    let config = HttpServerConfig {
        requests_max: 1,
        ..config()
    };
    let server = serve_with(config, does(|_, _| std::future::pending())).await;
    let mut first = Raw::to(&server).await;
    first.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    until("the first is in hand", || {
        server.counts().requests_in_flight == 1
    })
    .await;
    let request = "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n";
    let answer = exchange(&server, request).await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"),
        "{answer}"
    );
}

/// The bug: the connection was closed while its client was still sending, and the reset took the answer
/// with it.
#[tokio::test]
async fn an_early_answer_reaches_a_client_that_sends_all_of_its_body_first() {
    let config = HttpServerConfig {
        request_body_bytes_max: 20 << 20,
        ..config()
    };
    let route = Route {
        host: None,
        path: "/only".to_owned(),
        websocket: None,
    };
    let handler = says("hello") as Arc<dyn HttpHandler>;
    let server = HttpListener::bind(config, vec![(route, handler)], WebSockets::default())
        .await
        .unwrap();
    for (path, mib, status) in [("/only", 16, 200), ("/else", 16, 404), ("/only", 32, 413)] {
        let mut raw = Raw::to(&server).await;
        let length = mib << 20;
        raw.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: a.test\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
        let piece = "x".repeat(1 << 20);
        for _ in 0..mib {
            raw.send(&piece).await;
        }
        let answer = raw.read_to("\n").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path} {mib}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413() {
    let config = HttpServerConfig {
        request_body_bytes_max: 10,
        ..config()
    };
    let sink = does(|_, request| async {
        let read = request.into_body().collect(1000).await?;
        Ok(http::Response::new(Body::whole(read)))
    });
    let server = serve_with(config, sink).await;
    let head = "POST / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n";
    for (body, status) in [
        ("content-length: 10\r\n\r\n0123456789", 200),
        ("content-length: 11\r\n\r\n0123456789a", 413),
        (
            "transfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
            200,
        ),
        (
            "transfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n",
            413,
        ),
    ] {
        let answer = exchange(&server, &format!("{head}{body}")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{body}: {answer}"
        );
    }
}
