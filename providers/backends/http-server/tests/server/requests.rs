//! What a client gets.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, sync::Notify, time::Instant};
use wrt_contract::{Body, BodyFrame};
use wrt_http::HttpHandler;
use wrt_http_server::{BindError, HttpListener, HttpServerConfig, Route, WebSockets};
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_runtime::{FromEnv as _, Settings};

use crate::support::{Raw, does, exchange, says, serve, until};

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = serve(says("hello")).await;
    let mut raw = Raw::to(&server).await;
    for _ in 0..3 {
        raw.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
        let answer = raw.read_to("\r\n\r\nhello").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-length: 5\r\n"), "{answer}");
    }
    let counts = server.counts();
    assert_eq!(
        (
            counts.requests,
            counts.responses_by_class[2],
            counts.connections
        ),
        (3, 3, 1)
    );
    until("all in flight done", || {
        server.counts().requests_in_flight == 0
    })
    .await;
}

/// The bug: the body went to the component as if it was in no coding at all.
#[tokio::test]
async fn a_coding_that_nobody_undoes_is_refused() {
    let server = serve(says("hello")).await;
    let mut raw = Raw::to(&server).await;
    let head = "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: gzip, chunked\r\n\r\n";
    raw.send(&format!("{head}3\r\nabc\r\n0\r\n\r\n")).await;
    let answer = raw.read_to("is known").await;
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
}

#[tokio::test]
async fn http2_with_prior_knowledge() {
    let server = serve(does(|_, request| async move {
        let text = format!("{} {}", request.method(), request.uri());
        Ok(http::Response::new(Body::whole(text.into())))
    }))
    .await;
    let client = http2(&server).await;
    let requests = (0..20).map(|n| {
        let mut client = client.clone();
        async move {
            let uri = format!("http://a.test/{n}");
            let request = http::Request::get(&uri)
                .body(Empty::<bytes::Bytes>::new())
                .unwrap();
            let response = client.send_request(request).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, format!("GET {uri}"));
        }
    });
    futures::future::join_all(requests).await;
    assert_eq!(server.counts().connections, 1);
}

/// The bug: an answer without a body ended with an empty piece of one, which a client of gRPC does not
/// take for an answer without a message; and what was known of its length was not said.
#[tokio::test]
async fn what_is_known_of_a_body_is_said_with_the_head() {
    let flowing = |pieces: Vec<Vec<u8>>| {
        let frames = pieces
            .into_iter()
            .map(|piece| Ok(BodyFrame::Data(piece.into())));
        Body::new(None, futures::stream::iter(frames))
    };
    for (path, length, ends) in [
        ("/none", Some("0"), true),
        ("/empty", Some("0"), true),
        ("/small", Some("6"), false),
        ("/large", None, false),
        ("/204", None, true),
        ("/304", None, true),
    ] {
        let server = serve(does(move |_, request| async move {
            let mut response = http::Response::new(match request.uri().path() {
                "/none" => Body::empty(),
                "/small" => flowing(vec![b"abc".to_vec(), b"def".to_vec()]),
                "/large" => flowing(vec![vec![b'x'; 20_000]]),
                _ => flowing(Vec::new()),
            });
            if let Ok(status) = request.uri().path()[1..].parse::<u16>() {
                *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                response.headers_mut().insert("content-length", 3.into());
            }
            Ok(response)
        }))
        .await;
        let request = http::Request::get(format!("http://a.test{path}"));
        let request = request.body(Empty::new()).unwrap();
        let response = http2(&server).await.send_request(request).await.unwrap();
        let said = response.headers().get("content-length");
        let said = said.map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(said.as_deref(), length, "{path}");
        let is_end_stream = http_body::Body::is_end_stream(response.body());
        assert_eq!(is_end_stream, ends, "{path}");

        let request = format!("GET {path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n");
        let answer = exchange(&server, &request).await;
        match length {
            Some(length) => assert!(
                answer.contains(&format!("content-length: {length}\r\n")),
                "{answer}"
            ),
            None => assert!(!answer.contains("content-length"), "{path}: {answer:.300}"),
        }
        assert_eq!(
            answer.contains("chunked"),
            path == "/large",
            "{answer:.300}"
        );
    }
}

pub async fn http2(server: &HttpListener) -> SendRequest<Empty<bytes::Bytes>> {
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// The bug: over HTTP/2 only the bytes of a head were counted. HTTP/1.1 is in the table below.
#[tokio::test]
async fn http2_may_not_send_more_fields_than_http1() {
    let server = serve(says("hello")).await;
    let mut client = http2(&server).await;
    for (fields, expected) in [(100, 200), (101, 431)] {
        let mut request = http::Request::get("http://a.test/")
            .body(Empty::new())
            .unwrap();
        for _field in 0..fields {
            let headers = request.headers_mut();
            headers.append("x", http::HeaderValue::from_static("1"));
        }
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), expected, "{fields} fields");
    }
}

#[tokio::test]
async fn a_handler_sees_the_message_and_the_trace() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let server = serve(does(move |context, request| async move {
        assert_eq!(context.trace().unwrap().to_string(), parent);
        assert!(context.remaining() <= Duration::from_secs(5));
        let mut names: Vec<_> = request
            .headers()
            .keys()
            .map(|name| name.to_string())
            .collect();
        names.sort_unstable();
        let text = format!("{} {}", request.uri(), names.join(" "));
        let mut response = http::Response::new(Body::whole(text.into()));
        response
            .headers_mut()
            .insert("keep-alive", "5".parse().unwrap());
        Ok(response)
    }))
    .await;
    let answer = exchange(
        &server,
        &format!(
            "GET /x?y HTTP/1.1\r\nhost: a.test:8\r\nconnection: close, x-own\r\nx-own: 1\r\n\
             traceparent: {parent}\r\n\r\n"
        ),
    )
    .await;
    assert!(
        answer.ends_with("http://a.test:8/x?y host traceparent"),
        "{answer}"
    );
    assert!(!answer.contains("keep-alive"), "{answer}");
}

#[tokio::test]
async fn a_head_request_has_the_length_and_no_body() {
    for (text, expected) in [("hello", "content-length: 5\r\n"), ("", "HTTP/1.1 200 OK")] {
        let server = serve(does(move |_, _| async move {
            let mut response = http::Response::new(Body::whole("".into()));
            if !text.is_empty() {
                response
                    .headers_mut()
                    .insert("content-length", text.len().into());
            }
            Ok(response)
        }))
        .await;
        let request = "HEAD / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n";
        let answer = exchange(&server, request).await;
        assert!(
            answer.contains(expected) && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
        assert_eq!(
            answer.contains("content-length"),
            !text.is_empty(),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_fault_becomes_a_status() {
    for (kind, status, retry_after) in [
        (
            FaultKind::Overloaded {
                retry_after_ms: 1500,
            },
            "503",
            Some("2"),
        ),
        (FaultKind::Unavailable, "503", Some("1")),
        (FaultKind::DeadlineExceeded, "504", None),
        (FaultKind::Crashed, "500", None),
        (FaultKind::TooLarge, "413", None),
    ] {
        let server = serve(does(move |_, _| async move {
            Err(Fault::maybe_executed(
                kind,
                Hop::Actor,
                "secret of the house",
            ))
        }))
        .await;
        let request = "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n";
        let answer = exchange(&server, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.ends_with(&format!("\r\n\r\n{kind}\n")), "{answer}");
        assert!(!answer.contains("secret"), "{answer}");
        match retry_after {
            Some(seconds) => assert!(answer.contains(&format!("retry-after: {seconds}\r\n"))),
            None => assert!(!answer.contains("retry-after"), "{answer}"),
        }
    }
}

#[tokio::test]
async fn a_handler_that_never_answers_is_a_504() {
    let config = HttpServerConfig {
        request_timeout_ms: 100,
        ..crate::support::config()
    };
    let server = crate::support::serve_with(config, does(|_, _| std::future::pending())).await;
    let start = Instant::now();
    let request = "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n";
    let answer = exchange(&server, request).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(start.elapsed() < Duration::from_millis(1000));
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let server = serve(says("hello")).await;
    let big = "x".repeat(100_000);
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    for (request, expected) in [
        ("nonsense\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(),
            "HTTP/1.1 400",
        ),
        (
            "GET / HTTP/1.1\r\nhost: a b\r\n\r\n".to_owned(),
            "HTTP/1.1 400",
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n".to_owned(),
            "HTTP/1.1 400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_owned(),
            "HTTP/1.1 400",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: {big}\r\n\r\n"),
            "HTTP/1.1 431",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"),
            "HTTP/1.1 431",
        ),
        (
            "CONNECT a.test:1 HTTP/1.1\r\nhost: a.test:1\r\n\r\n".to_owned(),
            "HTTP/1.1 405",
        ),
        (
            "GET http://a.test/ HTTP/1.1\r\n\r\n".to_owned(),
            "HTTP/1.1 400",
        ),
        (
            "GET / HTTP/1.1\r\nhost: me@a.test\r\n\r\n".to_owned(),
            "HTTP/1.1 400",
        ),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), "HTTP/1.0 200"),
    ] {
        let mut raw = Raw::to(&server).await;
        raw.send(&request).await;
        let answer = raw.read_to("\r\n\r\n").await;
        assert!(answer.starts_with(expected), "{request:.60}: {answer}");
    }
}

#[tokio::test]
async fn no_route_is_a_404_that_names_none() {
    let route = Route {
        host: None,
        path: "/only/here".to_owned(),
        websocket: None,
    };
    let routes = vec![(route, says("hello") as Arc<dyn HttpHandler>)];
    let server = HttpListener::bind(crate::support::config(), routes, WebSockets::default()).await;
    let server = server.expect("it listens");
    let request = "GET /x HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n";
    let answer = exchange(&server, request).await;
    assert!(
        answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("\r\n\r\nno route\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn draining_ends_what_is_in_hand_and_accepts_nothing() {
    let (started, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (starts, finishes) = (Arc::clone(&started), Arc::clone(&finish));
    let server = Arc::new(
        serve(does(move |_, request| {
            let (started, finish) = (Arc::clone(&starts), Arc::clone(&finishes));
            async move {
                if request.uri().path() == "/slow" {
                    started.notify_one();
                    finish.notified().await;
                }
                Ok(http::Response::new(Body::whole("done".into())))
            }
        }))
        .await,
    );
    let mut idle = Raw::to(&server).await;
    idle.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    idle.read_to("done").await;
    let mut slow = Raw::to(&server).await;
    slow.send("GET /slow HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .await;
    started.notified().await;

    let drained = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.drain(Duration::from_secs(10)).await }
    });
    assert_eq!(
        idle.read_to_close().await,
        "",
        "the idle connection is closed"
    );
    // The kernel may still complete a handshake while the listener goes; nobody serves it.
    if let Ok(stream) = TcpStream::connect(server.local_addr()).await {
        assert_eq!(Raw(stream).read_to_close().await, "");
    }
    assert!(!drained.is_finished());
    finish.notify_one();
    assert!(slow.read_to_close().await.ends_with("done"));
    assert!(drained.await.unwrap());
}

#[tokio::test]
async fn draining_gives_up_at_the_end_of_its_patience() {
    let dropped = Arc::new(());
    let held = Arc::clone(&dropped);
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
    until("the request is in hand", || {
        server.counts().requests_in_flight == 1
    })
    .await;
    assert!(!server.drain(Duration::from_millis(50)).await);
    assert_eq!(raw.read_to_close().await, "");
    // Nobody but this test holds it: the server's own tasks are gone too.
    until("the handler is dropped", || {
        Arc::strong_count(&dropped) == 1
    })
    .await;
}

#[tokio::test]
async fn a_server_without_a_route_is_an_error() {
    let error = HttpListener::bind(crate::support::config(), Vec::new(), WebSockets::default())
        .await
        .err()
        .unwrap();
    assert!(matches!(error, BindError::Routes(_)), "{error}");
}

#[test]
fn settings_are_read_and_unknown_ones_refused() {
    let table = toml::toml! { address = "127.0.0.1:80"
    request_timeout_ms = 250 };
    let config = HttpServerConfig::load(Settings::of_table(table)).unwrap();
    assert_eq!(config.request_timeout_ms, 250);
    let table = toml::toml! {
    adress = "127.0.0.1:80"
    };
    let error = HttpServerConfig::load(Settings::of_table(table)).unwrap_err();
    assert!(error.to_string().contains("`address`"), "{error}");
}
