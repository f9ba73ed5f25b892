//! How long each step may take.

use std::time::{Duration, Instant};

use futures::StreamExt;
use wrt_contract::{Body, BodyFrame, CallContext};
use wrt_http::{HttpError, RequestHead, RequestOptions};
use wrt_http_client::HttpClientConfig;

use crate::{
    server::{answer, serve, serve_raw},
    support::{both_ways, config, get, request, send_with, text},
};

const SHORT: Duration = Duration::from_millis(100);
/// Ten times what is asked for, on a machine that has other things to do.
const SOON: Duration = Duration::from_secs(2);

/// The connection is there and TLS is not: to a guest that is one step.
#[tokio::test]
async fn a_server_that_does_not_shake_hands() {
    let server = serve_raw("", false).await;
    let uri = server.uri("/").replace("http:", "https:");
    let asked = RequestOptions {
        connect_timeout: Some(SHORT),
        ..RequestOptions::default()
    };
    for (way, client) in both_ways(config()).await {
        let start = Instant::now();
        let sent = send_with(&client, request("GET", &uri, Body::empty()), asked).await;
        assert_eq!(sent.map(drop), Err(HttpError::ConnectionTimeout), "{way}");
        assert!(start.elapsed() < SOON, "{way}: {:?}", start.elapsed());
    }
    let own = HttpClientConfig {
        connect_timeout_ms: u64::try_from(SHORT.as_millis()).unwrap(),
        ..config()
    };
    for (way, client) in both_ways(own).await {
        let sent = get(&client, &uri).await;
        assert_eq!(sent.map(drop), Err(HttpError::ConnectionTimeout), "{way}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer() {
    let server = serve_raw("", false).await;
    let asked = RequestOptions {
        first_byte_timeout: Some(SHORT),
        ..RequestOptions::default()
    };
    for (way, client) in both_ways(config()).await {
        let start = Instant::now();
        let sent = send_with(
            &client,
            request("GET", server.uri("/"), Body::empty()),
            asked,
        )
        .await;
        assert_eq!(
            sent.map(drop),
            Err(HttpError::ConnectionReadTimeout),
            "{way}"
        );
        assert!(start.elapsed() < SOON, "{way}: {:?}", start.elapsed());

        let context = CallContext::with_budget(SHORT);
        let (head, body) = RequestHead::split(request("GET", server.uri("/"), Body::empty()));
        let sent = client.send(&context, head, RequestOptions::default(), body);
        assert_eq!(
            sent.await.map(drop),
            Err(HttpError::HttpResponseTimeout),
            "{way}"
        );
    }
}

#[tokio::test]
async fn a_body_that_stands_still() {
    let server = serve_raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", false).await;
    let asked = RequestOptions {
        between_bytes_timeout: Some(SHORT),
        ..RequestOptions::default()
    };
    for (way, client) in both_ways(config()).await {
        let sent = send_with(
            &client,
            request("GET", server.uri("/"), Body::empty()),
            asked,
        )
        .await;
        let start = Instant::now();
        let ended = sent.unwrap().1.collect(1 << 20).await.map(drop);
        assert_eq!(ended, Err(HttpError::ConnectionReadTimeout), "{way}");
        assert!(start.elapsed() < SOON, "{way}: {:?}", start.elapsed());
    }
}

/// A guest that takes its time with the request has not run out of patience with the server.
#[tokio::test]
async fn the_first_byte_is_waited_for_from_the_last_one_that_was_sent() {
    let server = serve(|request| async {
        let body = http_body_util::BodyExt::collect(request.into_body()).await;
        answer(body.unwrap().to_bytes())
    })
    .await;
    let asked = RequestOptions {
        first_byte_timeout: Some(8 * SHORT),
        ..RequestOptions::default()
    };
    for (way, client) in both_ways(config()).await {
        let frames = futures::stream::iter(0..12).then(|_| async {
            tokio::time::sleep(SHORT).await;
            Ok(BodyFrame::Data("a".into()))
        });
        let request = request("POST", server.uri("/"), Body::new(None, frames));
        let (_, body) = send_with(&client, request, asked).await.unwrap();
        assert_eq!(text(body).await, "a".repeat(12), "{way}");
    }
}
