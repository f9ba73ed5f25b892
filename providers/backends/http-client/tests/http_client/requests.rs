//! Heads, and which connection they go over.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use wrt_contract::{Body, CallContext};
use wrt_http::{RequestHead, RequestOptions};
use wrt_http_client::{Http2, HttpClientConfig};
use wrt_protocol::TraceContext;

use crate::{
    server::{self, answer, serve},
    support::{both_ways, config, flowing, get, request, send, text},
};

/// Answers with what it has seen of the request.
async fn mirror() -> server::Server {
    serve(|request| async move {
        let mut lines = format!(
            "{:?} {} {}\n",
            request.version(),
            request.method(),
            request.uri()
        );
        for (name, value) in request.headers() {
            lines += &format!("{name}: {}\n", value.to_str().unwrap());
        }
        answer(lines)
    })
    .await
}

#[tokio::test]
async fn a_head_arrives_as_it_was_and_without_the_connections_own() {
    let server = mirror().await;
    let port = server.address.port();
    for (way, client) in both_ways(config()).await {
        let mut request = request("GET", server.uri("/a/b?c=%2F"), Body::empty());
        for (name, value) in [
            ("x-two", "1"),
            ("x-two", "2"),
            ("host", "other.test"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
        ] {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let (head, body) = send(&client, request).await.unwrap();
        assert_eq!(head.status, 200, "{way}");
        let expected = format!(
            "HTTP/1.1 GET /a/b?c=%2F\nx-two: 1\nx-two: 2\nte: trailers\nhost: 127.0.0.1:{port}\n"
        );
        assert_eq!(text(body).await, expected, "{way}");
    }
}

#[tokio::test]
async fn lengths_are_written_where_they_mean_something() {
    let server = mirror().await;
    let [(_, client), _] = both_ways(config()).await;
    for (method, body, announced, expected) in [
        ("GET", Body::empty(), None, ""),
        ("GET", flowing(&[]), None, ""),
        ("DELETE", flowing(&[]), None, ""),
        ("GET", flowing(&["a"]), None, "transfer-encoding: chunked\n"),
        (
            "GET",
            Body::whole("abc".into()),
            None,
            "content-length: 3\n",
        ),
        ("POST", Body::empty(), None, "content-length: 0\n"),
        ("GET", Body::empty(), Some("0"), "content-length: 0\n"),
        (
            "POST",
            flowing(&["a", "b"]),
            None,
            "transfer-encoding: chunked\n",
        ),
        (
            "POST",
            flowing(&["a", "b"]),
            Some("2"),
            "content-length: 2\n",
        ),
    ] {
        let mut request = request(method, server.uri("/"), body);
        if let Some(announced) = announced {
            request
                .headers_mut()
                .insert("content-length", announced.parse().unwrap());
        }
        let (_, body) = send(&client, request).await.unwrap();
        let seen = text(body).await;
        let framing: String = seen
            .lines()
            .filter(|line| line.starts_with("content-length") || line.starts_with("transfer"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(framing, expected, "{method} {announced:?}");
    }
}

#[tokio::test]
async fn statuses_and_redirects_are_the_guests_business() {
    let server = serve(|request| async move {
        let status: u16 = request.uri().path()[1..].parse().unwrap();
        let mut response = answer("body");
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        let headers = response.headers_mut();
        headers.insert("location", "http://127.0.0.1:1/".parse().unwrap());
        headers.insert("keep-alive", "timeout=5".parse().unwrap());
        response
    })
    .await;
    for (way, client) in both_ways(config()).await {
        for status in [200, 301, 404, 503, 599] {
            let (head, body) = get(&client, server.uri(&format!("/{status}")))
                .await
                .unwrap();
            assert_eq!(head.status, status, "{way}");
            assert_eq!(head.headers["location"], "http://127.0.0.1:1/");
            assert!(!head.headers.contains_key("keep-alive"));
            assert_eq!(text(body).await, "body");
        }
        for status in [204, 304] {
            let (head, body) = get(&client, server.uri(&format!("/{status}")))
                .await
                .unwrap();
            assert_eq!(
                (head.status.as_u16(), text(body).await),
                (status, String::new())
            );
        }
        let head_only = request("HEAD", server.uri("/200"), Body::empty());
        let (head, body) = send(&client, head_only).await.unwrap();
        assert_eq!(head.headers["content-length"], "4", "{way}");
        assert_eq!(text(body).await, "");
    }
    assert_eq!(
        server.accepted.load(Relaxed),
        1,
        "connections are used again"
    );
}

#[tokio::test]
async fn http_2_with_prior_knowledge_takes_one_connection() {
    let server = mirror().await;
    let config = HttpClientConfig {
        http2: Http2::PriorKnowledge,
        ..config()
    };
    let [(_, client), (_, remote)] = both_ways(config).await;
    let calls = (0..20).map(|number| {
        let client = if number % 2 == 0 { &client } else { &remote };
        let uri = server.uri(&format!("/{number}"));
        async move {
            let (_, body) = get(client, &uri).await.unwrap();
            let seen = text(body).await;
            assert!(seen.starts_with(&format!("HTTP/2.0 GET {uri}")), "{seen}");
        }
    });
    futures::future::join_all(calls).await;
    assert_eq!(server.accepted.load(Relaxed), 1);
}

#[tokio::test]
async fn the_calls_trace_goes_along() {
    let server = mirror().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (way, client) in both_ways(config()).await {
        let context = CallContext::with_budget(Duration::from_secs(5))
            .with_trace(TraceContext::parse(parent, None));
        let (head, body) = RequestHead::split(request("GET", server.uri("/"), Body::empty()));
        let sent = client.send(&context, head, RequestOptions::default(), body);
        let seen = text(sent.await.unwrap().1).await;
        assert!(
            seen.contains(&format!("traceparent: {parent}")),
            "{way}: {seen}"
        );
    }
}
