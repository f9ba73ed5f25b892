//! Clients, and the requests that they send.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::StreamExt;
use wrt_contract::{Body, BodyFrame, CallContext};
use wrt_http::{HttpClient, HttpError, RequestHead, RequestOptions, ResponseHead};
use wrt_http_client::{HttpClientConfig, HyperClient};

use crate::lattice::AnotherNode;

/// Loopback, where all of these servers live.
pub fn config() -> HttpClientConfig {
    HttpClientConfig {
        allow: rules(&["127.0.0.1:*", "*:*"]),
        // Reading them takes longer than most of these tests.
        system_certificates: false,
        ..HttpClientConfig::default()
    }
}

pub fn rules(rules: &[&str]) -> Vec<wrt_http_client::AllowRule> {
    rules.iter().map(|rule| rule.parse().unwrap()).collect()
}

/// The client itself, and the same client from another node.
pub async fn both_ways(config: HttpClientConfig) -> [(&'static str, Arc<dyn HttpClient>); 2] {
    let client: Arc<dyn HttpClient> = Arc::new(HyperClient::new(config).await.unwrap());
    let across = AnotherNode::of(Arc::clone(&client)).await;
    [("co-located", client), ("across", Arc::new(across))]
}

pub type Sent = Result<(ResponseHead, Body<HttpError>), HttpError>;

pub async fn send(client: &Arc<dyn HttpClient>, request: http::Request<Body<HttpError>>) -> Sent {
    send_with(client, request, RequestOptions::default()).await
}

pub async fn send_with(
    client: &Arc<dyn HttpClient>,
    request: http::Request<Body<HttpError>>,
    options: RequestOptions,
) -> Sent {
    let (head, body) = RequestHead::split(request);
    let context = CallContext::with_budget(Duration::from_secs(20));
    client.send(&context, head, options, body).await
}

pub async fn get(client: &Arc<dyn HttpClient>, uri: impl AsRef<str>) -> Sent {
    send(client, request("GET", uri, Body::empty())).await
}

pub fn request(
    method: &str,
    uri: impl AsRef<str>,
    body: Body<HttpError>,
) -> http::Request<Body<HttpError>> {
    http::Request::builder()
        .method(method)
        .uri(uri.as_ref())
        .body(body)
        .unwrap()
}

pub async fn text(body: Body<HttpError>) -> String {
    let bytes = body.collect(1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A body of unknown length.
pub fn flowing(pieces: &'static [&'static str]) -> Body<HttpError> {
    let frames = futures::stream::iter(pieces)
        .map(|piece| Ok(BodyFrame::Data(Bytes::from_static(piece.as_bytes()))));
    Body::new(None, frames)
}

/// A body that starts and then says nothing.
pub fn stalled() -> Body<HttpError> {
    Body::new(None, flowing(&["a"]).chain(futures::stream::pending()))
}

pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
