//! Guests that send requests, and clients that a test makes up.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use wrt_contract::{Body, BodyFrame, CallContext};
use wrt_http::{
    HandlerAsClient, HttpClient, HttpError, HttpHandler, RequestHead, RequestOptions, ResponseHead,
};
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::{
    endless, expect_pattern,
    guests::{Bench, UPSTREAM, request},
    pattern, text, until,
};

const FETCHERS: [&str; 2] = ["fetch", "fetch_p3"];

type Request = http::Request<Body<HttpError>>;
type Sent = Result<http::Response<Body<HttpError>>, HttpError>;

/// A client that does what a closure says.
struct Does(Box<dyn Fn(Request) -> BoxFuture<'static, Sent> + Send + Sync>);

#[async_trait]
impl HttpClient for Does {
    async fn send(
        &self,
        _: &CallContext,
        request: RequestHead,
        _: RequestOptions,
        body: Body<HttpError>,
    ) -> Result<(ResponseHead, Body<HttpError>), HttpError> {
        let response = (self.0)(request.with_body(body)).await?;
        Ok(ResponseHead::split(response))
    }
}

fn does<F>(work: impl Fn(Request) -> F + Send + Sync + 'static) -> Arc<dyn HttpClient>
where
    F: Future<Output = Sent> + Send + 'static,
{
    Arc::new(Does(Box::new(move |request| work(request).boxed())))
}

fn fetcher(guest: &'static str, client: Arc<dyn HttpClient>) -> Arc<dyn HttpHandler> {
    Bench::with_client(guest, client).handler()
}

async fn ask(handler: &Arc<dyn HttpHandler>, request: http::Request<Body>) -> http::Response<Body> {
    let context = CallContext::default();
    handler.respond(&context, request).await.unwrap()
}

#[tokio::test]
async fn a_request_goes_out_and_its_answer_comes_back() {
    for guest in FETCHERS {
        let handler = fetcher(
            guest,
            does(|request| async move {
                assert_eq!(request.headers()["host"], "up.test:9");
                let seen = format!("{} {}", request.method(), request.uri());
                let mut response = http::Response::new(Body::whole(seen.into()));
                *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
                Ok(response)
            }),
        );
        for method in ["GET", "PURGE"] {
            let response = ask(&handler, request(method, "/a?b")).await;
            assert_eq!(response.status(), 418, "{guest}");
            assert_eq!(
                text(response).await,
                format!("{method} {UPSTREAM}/a?b"),
                "{guest}"
            );
        }
    }
}

#[tokio::test]
async fn without_a_link_a_request_is_denied() {
    let handler = Bench::new("fetch").handler();
    let response = ask(&handler, request("GET", "/")).await;
    assert_eq!(response.status(), 502);
    assert_eq!(text(response).await, "ErrorCode::HttpRequestDenied\n");
    let handler = Bench::new("fetch_p3").handler();
    assert_eq!(ask(&handler, request("GET", "/")).await.status(), 403);
}

#[tokio::test]
async fn an_error_has_its_own_name() {
    let gone = Fault::not_executed(FaultKind::Unavailable, Hop::Route, "nobody there");
    for (error, expected) in [
        (HttpError::ConnectionRefused, "ConnectionRefused"),
        (
            HttpError::HttpRequestBodySize(Some(7)),
            "HttpRequestBodySize",
        ),
        (HttpError::Fault(gone), "DestinationUnavailable"),
    ] {
        let handler = fetcher(
            "fetch",
            does(move |_| futures::future::ready(Err(error.clone()))),
        );
        let seen = text(ask(&handler, request("GET", "/")).await).await;
        assert!(seen.contains(expected), "{seen}");
    }
}

#[tokio::test]
async fn large_bodies_go_out_and_come_back() {
    for guest in FETCHERS {
        let handler = fetcher(
            guest,
            does(|request| async move {
                let mut body = request.into_body();
                let mut bytes = 0;
                while let Some(frame) = body.next().await {
                    if let BodyFrame::Data(data) = frame? {
                        bytes += data.len();
                    }
                }
                assert_eq!(bytes, 64 * 65_536);
                Ok(http::Response::new(pattern(64).map_err(HttpError::Fault)))
            }),
        );
        let response = ask(&handler, request("POST", "/").map(|_| pattern(64))).await;
        expect_pattern(response.into_body(), 64).await;
    }
}

/// A body that broke off on its way to a guest MUST NOT come out of it as one that is whole, and
/// neither one that breaks off on its way out.
#[tokio::test]
async fn what_breaks_off_stays_broken() {
    for guest in FETCHERS {
        let broken = || {
            let frames = vec![
                Ok(BodyFrame::Data("a".into())),
                Err(HttpError::HttpResponseIncomplete),
            ];
            Body::new(None, stream::iter(frames))
        };
        let handler = fetcher(
            guest,
            does(move |_| async move { Ok(http::Response::new(broken())) }),
        );
        let response = ask(&handler, request("GET", "/")).await;
        let ended = response.into_body().collect(1 << 20).await;
        assert!(ended.is_err(), "{guest}: {ended:?}");

        let handler = fetcher(
            guest,
            does(|request| async move {
                let ended = request.into_body().collect(1 << 20).await;
                let ended = if ended.is_err() { "broken" } else { "whole" };
                Ok(http::Response::new(Body::whole(ended.into())))
            }),
        );
        let gone = Fault::maybe_executed(FaultKind::Disconnected, Hop::Stream, "client gone");
        let frames = vec![Ok(BodyFrame::Data("a".into())), Err(gone)];
        let request = request("POST", "/").map(|_| Body::new(None, stream::iter(frames)));
        let context = CallContext::default();
        // A guest may also end with the error that it has read.
        if let Ok(response) = handler.respond(&context, request).await
            && response.status() == 200
        {
            assert_eq!(text(response).await, "broken", "{guest}");
        }
    }
}

/// The bug: `http-error-code` of 0.2 knew no error of a body's stream.
#[tokio::test]
async fn the_error_that_ends_a_body_has_its_name() {
    let handler = Bench::new("probe").handler();
    let gone = Fault::maybe_executed(FaultKind::Disconnected, Hop::Stream, "client gone");
    let frames = vec![Ok(BodyFrame::Data("abc".into())), Err(gone)];
    let request = request("POST", "/sink").map(|_| Body::new(None, stream::iter(frames)));
    let response = ask(&handler, request).await;
    assert_eq!(response.status(), 400);
    let expected = "after 3 bytes: ErrorCode::ConnectionTerminated";
    assert!(text(response).await.starts_with(expected));
}

#[tokio::test]
async fn a_guest_that_is_stopped_takes_its_request_along() {
    for guest in FETCHERS {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let bench = Bench::with_client(
            guest,
            does(move |_| {
                let held = Arc::clone(&held);
                async move {
                    let _held = held;
                    std::future::pending().await
                }
            }),
        );
        let context = CallContext::with_budget(Duration::from_millis(200));
        let ended = bench.handler().respond(&context, request("GET", "/")).await;
        assert!(ended.is_err(), "{guest}");
        until("the request is dropped", || Arc::strong_count(&alive) == 2).await;
    }
}

#[tokio::test]
async fn whoever_leaves_an_answer_stops_what_is_behind_it() {
    for guest in FETCHERS {
        let (body, alive) = endless();
        let body = parking_lot::Mutex::new(Some(body.map_err(HttpError::Fault)));
        let handler = fetcher(
            guest,
            does(move |_| {
                let body = body.lock().take().unwrap();
                futures::future::ready(Ok(http::Response::new(body)))
            }),
        );
        let mut body = ask(&handler, request("GET", "/")).await.into_body();
        for _ in 0..10 {
            body.next().await.unwrap().unwrap();
        }
        drop(body);
        until("the answer is dropped", || Arc::strong_count(&alive) == 1).await;
    }
}

/// A component behind a component, without a network between them.
#[tokio::test]
async fn a_component_answers_the_requests_of_another() {
    for guest in FETCHERS {
        let behind = Bench::new("probe").handler();
        let handler = fetcher(guest, Arc::new(HandlerAsClient::new(behind)));
        let response = ask(&handler, request("POST", "/sink").map(|_| pattern(16))).await;
        assert_eq!(response.status(), 200, "{guest}");
        assert_eq!(text(response).await, (16 * 65_536).to_string(), "{guest}");

        let slow = ask(&handler, request("GET", "/source/1000000")).await;
        let bytes = slow.into_body().collect(1 << 20).await.unwrap();
        assert_eq!(bytes.len(), 1_000_000, "{guest}");
    }
}

#[tokio::test]
async fn a_handler_as_client_keeps_to_the_guests_times() {
    let client = HandlerAsClient::new(Bench::new("probe").handler());
    let (head, body) = RequestHead::split(request("GET", "/sleep/60000"));
    let options = RequestOptions {
        first_byte_timeout: Some(Duration::from_millis(100)),
        ..RequestOptions::default()
    };
    let context = CallContext::default();
    let sent = client.send(&context, head, options, body.map_err(HttpError::Fault));
    let error = sent.await.map(drop).unwrap_err();
    assert_eq!(error, HttpError::ConnectionReadTimeout);
}
