//! How many connections there are, and whose.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use futures::{StreamExt, future::join_all, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use wrt_http::{HttpClient, HttpError};
use wrt_http_client::{Http2, HttpClientConfig, HyperClient};

use crate::{
    server::{Server, answer, serve},
    support::{config, get, text, until},
};

/// A client that may have one connection.
async fn client(http2: Http2, connect_timeout_ms: u64) -> (Arc<HyperClient>, Arc<dyn HttpClient>) {
    let config = HttpClientConfig {
        http2,
        connections_max: 1,
        connect_timeout_ms,
        ..config()
    };
    let client = Arc::new(HyperClient::new(config).await.unwrap());
    (Arc::clone(&client), client)
}

/// Says the beginning of a body, and nothing after it.
async fn stalling() -> Server {
    serve(|_| async {
        let first = stream::iter([Ok(Frame::data("a".into()))]);
        let body = StreamBody::new(first.chain(stream::pending()));
        http::Response::new(BodyExt::boxed_unsync(body))
    })
    .await
}

/// The bug: an idle connection kept its place, so that a thousand hosts that were asked once each took
/// all there are from every other one.
#[tokio::test]
async fn an_idle_connection_gives_its_place_to_another() {
    for http2 in [Http2::Negotiated, Http2::PriorKnowledge] {
        let (client, as_client) = client(http2, 5_000).await;
        assert_eq!(client.counts().connections, 0);
        let servers = [
            serve(|_| async { answer("a") }).await,
            serve(|_| async { answer("b") }).await,
        ];
        for round in 1..=5 {
            for (server, expected) in servers.iter().zip(["a", "b"]) {
                for _again in 0..2 {
                    let (_, body) = get(&as_client, server.uri("/")).await.unwrap();
                    assert_eq!(text(body).await, expected, "{http2:?}");
                }
                assert_eq!(client.counts().connections, 1, "{http2:?}");
                assert_eq!(server.accepted.load(Relaxed), round, "one for both");
            }
        }
    }
}

#[tokio::test]
async fn a_connection_in_use_keeps_its_place() {
    for http2 in [Http2::Negotiated, Http2::PriorKnowledge] {
        let (client, as_client) = client(http2, 5_000).await;
        let (busy, other) = (stalling().await, serve(|_| async { answer("b") }).await);
        let (_, body) = get(&as_client, busy.uri("/")).await.unwrap();
        let waiting = tokio::spawn(async move {
            let (_, body) = get(&as_client, other.uri("/")).await?;
            Ok::<_, HttpError>(text(body).await)
        });
        // It has come as far as it can: to the place.
        until("both are asked for", || client.counts().requests == 2).await;
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "{http2:?}");
        assert_eq!(busy.accepted.load(Relaxed), 1);
        drop(body);
        assert_eq!(waiting.await.unwrap(), Ok("b".to_owned()), "{http2:?}");
    }
}

/// Before there is an answer, nothing but the connection itself knows of the request. It is not the first
/// one: a connection that nobody has used yet is left alone anyhow.
#[tokio::test]
async fn a_connection_that_waits_for_its_answer_keeps_its_place() {
    for http2 in [Http2::Negotiated, Http2::PriorKnowledge] {
        let (client, as_client) = client(http2, 200).await;
        let asked = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&asked);
        let silent = serve(move |_| {
            let is_first = seen.fetch_add(1, Relaxed) == 0;
            async move {
                if !is_first {
                    std::future::pending::<()>().await;
                }
                answer("a")
            }
        })
        .await;
        let (_, body) = get(&as_client, silent.uri("/")).await.unwrap();
        assert_eq!(text(body).await, "a");
        let other = serve(|_| async { answer("b") }).await;
        let waiting = tokio::spawn({
            let (as_client, uri) = (Arc::clone(&as_client), silent.uri("/"));
            async move { get(&as_client, uri).await.map(drop) }
        });
        until("it is asked", || asked.load(Relaxed) == 2).await;
        let sent = get(&as_client, other.uri("/")).await.map(drop);
        assert_eq!(sent, Err(HttpError::ConnectionLimitReached), "{http2:?}");
        assert!(!waiting.is_finished(), "{http2:?}");
        assert_eq!(client.counts().connections, 1, "{http2:?}");
        waiting.abort();
    }
}

/// Many, because it was a matter of a millisecond: the client's own clock could be the first to say
/// that the time to connect was up, and does not know why.
#[tokio::test]
async fn who_finds_no_place_is_told_so() {
    let (_client, as_client) = client(Http2::Negotiated, 1_000).await;
    let (busy, other) = (stalling().await, serve(|_| async { answer("b") }).await);
    let (_, _body) = get(&as_client, busy.uri("/")).await.unwrap();
    let asked = (0..200).map(|_| get(&as_client, other.uri("/")));
    for sent in join_all(asked).await {
        assert_eq!(sent.map(drop), Err(HttpError::ConnectionLimitReached));
    }
}
