//! Real guests behind the export glue, without a component actor.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod guests;
mod kept;
mod middleware;
mod outgoing;
mod shared;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use guests::{Bench, request};
use tokio::time::Instant;
use wrt_contract::{Body, BodyFrame, CallContext, Gate, GateLimits, Interface};
use wrt_http::HttpHandlerInterface;
use wrt_protocol::{Execution, Fault, FaultKind, Hop, limits::STREAM_IDLE_MAX};

/// The two versions of `wasi:http`: what is said of one must hold for the other.
const HELLOS: [&str; 2] = ["hello_http", "hello_http_p3"];
const ECHOES: [&str; 2] = ["probe", "hello_http_p3"];

async fn text(response: http::Response<Body>) -> String {
    let bytes = response.into_body().collect(1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// `pieces` times 64 KiB, each with its number in it.
fn pattern(pieces: usize) -> Body {
    let length = pieces as u64 * 65_536;
    Body::new(
        Some(length),
        stream::iter(0..pieces).map(|n| Ok(BodyFrame::Data(piece(n)))),
    )
}

fn piece(number: usize) -> Bytes {
    (number as u64).to_le_bytes().repeat(8192).into()
}

async fn expect_pattern(mut body: Body, pieces: usize) {
    let mut seen = 0;
    let mut expected = (0..pieces).flat_map(piece);
    while let Some(frame) = body.next().await {
        let BodyFrame::Data(bytes) = frame.unwrap() else {
            continue;
        };
        seen += bytes.len();
        let same = bytes.iter().all(|byte| expected.next() == Some(*byte));
        assert!(same, "bytes differ before {seen}");
    }
    assert_eq!(seen, pieces * 65_536);
}

#[tokio::test]
async fn hello() {
    for guest in HELLOS {
        let component = Bench::new(guest).handler();
        for _ in 0..3 {
            let context = CallContext::default();
            let response = component
                .respond(&context, request("GET", "/"))
                .await
                .unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(text(response).await, "Hello from WRT\n", "{guest}");
        }
    }
}

#[tokio::test]
async fn a_body_goes_through_both_ways() {
    for guest in ECHOES {
        let component = Bench::new(guest).handler();
        let request = request("POST", "/echo").map(|_| pattern(256));
        let response = component
            .respond(&CallContext::default(), request)
            .await
            .unwrap();
        expect_pattern(response.into_body(), 256).await;
    }
}

#[tokio::test]
async fn a_length_is_kept_and_a_head_has_no_body() {
    let component = Bench::new("probe").handler();
    let context = CallContext::default();
    let response = component
        .respond(&context, request("GET", "/source/1000000"))
        .await
        .unwrap();
    assert_eq!(response.body().length(), Some(1_000_000));
    let bytes = response.into_body().collect(1 << 20).await.unwrap();
    assert!(
        bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| usize::from(*byte) == at % 251)
    );

    let response = component
        .respond(&context, request("HEAD", "/source/1000000"))
        .await
        .unwrap();
    assert_eq!(response.headers()["content-length"], "1000000");
    assert_eq!(response.into_body().collect(0).await.unwrap(), "");
}

#[tokio::test]
async fn a_trap_is_a_fault_with_its_cause() {
    let component = Bench::new("probe").handler();
    let fault = component
        .respond(&CallContext::default(), request("GET", "/trap"))
        .await
        .unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Crashed);
    assert_eq!(fault.execution(), Execution::MaybeExecuted);
    assert!(fault.detail().contains("unreachable"), "{fault}");
}

#[tokio::test]
async fn the_deadline_stops_a_guest_that_waits_and_one_that_spins() {
    let component = Bench::new("probe").handler();
    for path in ["/sleep/60000", "/spin"] {
        let start = Instant::now();
        let context = CallContext::with_budget(Duration::from_millis(200));
        let fault = component
            .respond(&context, request("GET", path))
            .await
            .unwrap_err();
        assert_eq!(fault.kind(), FaultKind::DeadlineExceeded, "{path}: {fault}");
        assert!(
            start.elapsed() < Duration::from_millis(500),
            "{path}: {:?}",
            start.elapsed()
        );
    }
}

/// A body whose end is never reached, and a flag that it was dropped.
fn endless() -> (Body, Arc<()>) {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let frames = stream::repeat_with(move || {
        let _held = &held;
        Ok(BodyFrame::Data(piece(0)))
    });
    (Body::new(None, frames), alive)
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn dropping_the_response_stops_the_guest() {
    for guest in ECHOES {
        let bench = Bench::new(guest);
        let gate = Gate::new(GateLimits::default());
        let component = HttpHandlerInterface::guarded(bench.handler(), Arc::clone(&gate));
        let (body, alive) = endless();
        let request = request("POST", "/echo").map(|_| body);
        let response = component
            .respond(&CallContext::default(), request)
            .await
            .unwrap();
        let mut body = response.into_body();
        for _ in 0..100 {
            body.next().await.unwrap().unwrap();
        }
        assert_eq!(
            gate.load().running,
            1,
            "{guest}: the permit outlives the head"
        );
        drop(body);
        until("request body and permit given back", || {
            Arc::strong_count(&alive) == 1 && gate.load().running == 0
        })
        .await;
        until("store gone", || bench.stores_alive() == 0).await;
    }
}

#[tokio::test]
async fn dropping_the_call_stops_the_guest() {
    let bench = Bench::new("probe");
    let component = bench.handler();
    let context = CallContext::default();
    let call = component.respond(&context, request("GET", "/sleep/60000"));
    assert!(
        tokio::time::timeout(Duration::from_millis(100), call)
            .await
            .is_err()
    );
    assert_eq!(bench.stores_alive(), 0);
}

/// A guest that has sent its head and then has its request's body cut off MUST NOT end its response
/// as if it were whole.
#[tokio::test]
async fn a_request_cut_off_is_a_response_cut_off() {
    for guest in ECHOES {
        let component = Bench::new(guest).handler();
        let gone = Fault::maybe_executed(FaultKind::Disconnected, Hop::Stream, "client gone");
        let frames = vec![Ok(BodyFrame::Data(piece(0))), Err(gone)];
        let request = request("POST", "/echo").map(|_| Body::new(None, stream::iter(frames)));
        let response = component
            .respond(&CallContext::default(), request)
            .await
            .unwrap();
        let ended = response.into_body().collect(1 << 20).await;
        assert!(
            ended.is_err(),
            "{guest}: a whole body of {} bytes",
            ended.unwrap().len()
        );
    }
}

#[tokio::test]
async fn a_guest_may_take_longer_than_the_budget_while_its_body_moves() {
    let component = Bench::new("probe").handler();
    let context = CallContext::with_budget(Duration::from_millis(300));
    let slow = stream::iter(0..20).then(|n| async move {
        tokio::time::sleep(Duration::from_millis(40)).await;
        Ok(BodyFrame::Data(piece(n)))
    });
    let request = request("POST", "/echo").map(|_| Body::new(None, slow));
    let response = component.respond(&context, request).await.unwrap();
    expect_pattern(response.into_body(), 20).await;
}

/// The guest waits for its request, which stands still; its store goes, and its body must not look as
/// if the guest had finished it.
#[tokio::test(start_paused = true)]
async fn bodies_that_stand_still_end_the_guest_and_not_the_body() {
    for guest in ECHOES {
        let bench = Bench::new(guest);
        let stalls = stream::iter([Ok(BodyFrame::Data(piece(0)))]).chain(stream::pending());
        let request = request("POST", "/echo").map(|_| Body::new(None, stalls));
        let start = Instant::now();
        let response = bench
            .handler()
            .respond(&CallContext::default(), request)
            .await
            .unwrap();
        let fault = response.into_body().collect(1 << 20).await.unwrap_err();
        assert_eq!(
            fault.kind(),
            FaultKind::DeadlineExceeded,
            "{guest}: {fault}"
        );
        assert!(start.elapsed() >= STREAM_IDLE_MAX, "{:?}", start.elapsed());
        assert_eq!(bench.stores_alive(), 0);
    }
}

#[tokio::test]
async fn the_host_may_be_named_in_the_header_but_must_be_named() {
    for guest in HELLOS {
        let bench = Bench::new(guest);
        let mut request = request("GET", "/");
        *request.uri_mut() = "/".parse().unwrap();
        request
            .headers_mut()
            .insert("host", "a.test:8080".parse().unwrap());
        let context = CallContext::default();
        let response = bench.handler().respond(&context, request).await.unwrap();
        assert_eq!(text(response).await, "Hello from WRT\n", "{guest}");

        let nowhere = http::Request::new(Body::whole(Bytes::new()));
        let fault = bench
            .handler()
            .respond(&context, nowhere)
            .await
            .unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Malformed, "{fault}");
        assert_eq!(fault.execution(), Execution::NotExecuted);
    }
}
