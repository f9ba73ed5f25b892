//! A guest in front of another one: `examples/gate`, which imports `wasi:http/handler`.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use wrt_contract::{Body, BodyFrame, CallContext, Gate, GateLimits, Interface};
use wrt_http::{HttpHandler, HttpHandlerInterface, RequestHead, ResponseHead};
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::{
    ECHOES, endless, expect_pattern,
    guests::{Bench, TOKEN, request},
    pattern, piece, text, until,
};

type Response = Result<http::Response<Body>, Fault>;

/// A handler that does what a closure says.
struct Does(Box<dyn Fn(http::Request<Body>) -> BoxFuture<'static, Response> + Send + Sync>);

#[async_trait]
impl HttpHandler for Does {
    async fn handle(
        &self,
        _: &CallContext,
        request: RequestHead,
        body: Body,
    ) -> Result<(ResponseHead, Body), Fault> {
        let response = (self.0)(request.with_body(body)).await?;
        Ok(ResponseHead::split(response))
    }
}

/// The gate in front of whoever does what a closure says.
fn gate<F>(next: impl Fn(http::Request<Body>) -> F + Send + Sync + 'static) -> Arc<dyn HttpHandler>
where
    F: Future<Output = Response> + Send + 'static,
{
    let next = Does(Box::new(move |request| next(request).boxed()));
    Bench::in_front_of("gate", Arc::new(next)).handler()
}

/// The gate in front of a guest, with a gate of the lattice before each, as on a node.
struct Chain {
    first: Arc<dyn HttpHandler>,
    guests: [Bench; 2],
    gates: [Arc<Gate>; 2],
}

impl Chain {
    fn to(guest: &'static str) -> Self {
        let gates = [(); 2].map(|()| Gate::new(GateLimits::default()));
        let guarded = |bench: &Bench, gate: &Arc<Gate>| {
            HttpHandlerInterface::guarded(bench.handler(), Arc::clone(gate))
        };
        let last = Bench::new(guest);
        let first = Bench::in_front_of("gate", guarded(&last, &gates[1]));
        Self {
            first: guarded(&first, &gates[0]),
            guests: [first, last],
            gates,
        }
    }

    fn running(&self) -> [usize; 2] {
        let running = |gate: &Arc<Gate>| usize::try_from(gate.load().running).unwrap();
        [running(&self.gates[0]), running(&self.gates[1])]
    }

    fn stores(&self) -> [usize; 2] {
        [self.guests[0].stores_alive(), self.guests[1].stores_alive()]
    }

    async fn is_gone(&self, what: &str) {
        let what = format!("{what}: nothing runs, no store is left");
        until(&what, || {
            self.running() == [0; 2] && self.stores() == [0; 2]
        })
        .await;
    }
}

fn with_token(method: &str, path: &str) -> http::Request<Body> {
    let mut request = request(method, path);
    let token = format!("Bearer {TOKEN}").parse().unwrap();
    request.headers_mut().insert("authorization", token);
    request
}

async fn ask(handler: &Arc<dyn HttpHandler>, request: http::Request<Body>) -> http::Response<Body> {
    let context = CallContext::default();
    handler.respond(&context, request).await.unwrap()
}

#[tokio::test]
async fn without_the_token_nobody_behind_is_asked() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let gate = gate(move |_| {
        count.fetch_add(1, Relaxed);
        async { Ok(http::Response::new(Body::whole("secret".into()))) }
    });
    let mut wrong = with_token("GET", "/");
    let token = "Bearer open-sesam".parse().unwrap();
    wrong.headers_mut().insert("authorization", token);
    for refused in [request("GET", "/"), wrong] {
        let response = ask(&gate, refused).await;
        assert_eq!(response.status(), 401);
        assert_eq!(text(response).await, "no token, or a wrong one\n");
    }
    assert_eq!(asked.load(Relaxed), 0);
    assert_eq!(
        text(ask(&gate, with_token("GET", "/")).await).await,
        "secret"
    );
    assert_eq!(asked.load(Relaxed), 1);
}

#[tokio::test]
async fn heads_and_trailers_go_through() {
    let trailers = || BodyFrame::Trailers(vec![("x-sum".to_owned(), b"7".to_vec())]);
    let gate = gate(|request| async move {
        let (head, mut body) = request.into_parts();
        assert_eq!(head.method, "PATCH");
        assert_eq!(head.uri, "http://test/a/b?c=d");
        assert_eq!(head.headers["x-admitted-by"], "gate");
        assert_eq!(head.headers["accept"], "text/plain");
        assert!(
            !head.headers.contains_key("authorization"),
            "the token leaks"
        );
        let mut frames = Vec::new();
        while let Some(frame) = body.next().await {
            frames.push(frame);
        }
        let response = http::Response::builder().status(207).header("etag", "w");
        Ok(response
            .body(Body::new(None, stream::iter(frames)))
            .unwrap())
    });
    let frames = [Ok(BodyFrame::Data("abc".into())), Ok(trailers())];
    let mut request =
        with_token("PATCH", "/a/b?c=d").map(|_| Body::new(None, stream::iter(frames)));
    let accept = "text/plain".parse().unwrap();
    request.headers_mut().insert("accept", accept);
    let response = ask(&gate, request).await;
    assert_eq!(response.status(), 207);
    assert_eq!(response.headers()["etag"], "w");
    let frames: Vec<_> = StreamExt::collect(response.into_body()).await;
    assert_eq!(frames, [Ok(BodyFrame::Data("abc".into())), Ok(trailers())]);
}

#[tokio::test]
async fn bodies_go_through_both_ways_to_guests_of_both_versions() {
    for guest in ECHOES {
        let chain = Chain::to(guest);
        let small = with_token("POST", "/echo").map(|_| Body::whole("abc".into()));
        assert_eq!(text(ask(&chain.first, small).await).await, "abc", "{guest}");
        let large = with_token("POST", "/echo").map(|_| pattern(256));
        let response = ask(&chain.first, large).await;
        expect_pattern(response.into_body(), 256).await;
        chain.is_gone(guest).await;
    }
}

/// Each fault is an error of `wasi:http` to the gate, which lives on and says so.
#[tokio::test]
async fn the_next_ones_fault_is_the_gates_to_tell() {
    for (kind, expected) in [
        (FaultKind::Unavailable, "DestinationUnavailable"),
        (FaultKind::NodeLost, "ConnectionTerminated"),
        (FaultKind::DeadlineExceeded, "HttpResponseTimeout"),
        (FaultKind::Denied, "HttpRequestDenied"),
        (
            FaultKind::Overloaded { retry_after_ms: 7 },
            "ConnectionLimitReached",
        ),
        (FaultKind::Crashed, "InternalError"),
        (FaultKind::VersionMismatch, "InternalError"),
    ] {
        let gate = gate(move |_| async move {
            Err(Fault::maybe_executed(kind, Hop::Route, "node 10.0.0.7"))
        });
        let response = ask(&gate, with_token("GET", "/")).await;
        assert_eq!(response.status(), 502);
        let told = text(response).await;
        assert!(
            told.contains(expected) && !told.contains("10.0.0.7"),
            "{told}"
        );
    }
    let chain = Chain::to("probe");
    let response = ask(&chain.first, with_token("GET", "/trap")).await;
    assert_eq!(response.status(), 502);
    assert_eq!(
        text(response).await,
        "ErrorCode::InternalError(Some(\"crashed\"))\n"
    );
    chain.is_gone("a trap").await;
}

#[tokio::test]
async fn a_body_that_breaks_off_behind_the_gate_breaks_off_before_it() {
    let gate = gate(|_| async {
        let gone = Fault::maybe_executed(FaultKind::NodeLost, Hop::Stream, "its node is gone");
        let frames = [Ok(BodyFrame::Data(piece(0))), Err(gone)];
        Ok(http::Response::new(Body::new(None, stream::iter(frames))))
    });
    let response = ask(&gate, with_token("GET", "/")).await;
    assert_eq!(response.status(), 200);
    let ended = response.into_body().collect(1 << 20).await;
    assert!(
        ended.is_err(),
        "a whole body of {} bytes",
        ended.unwrap().len()
    );

    for guest in ECHOES {
        let chain = Chain::to(guest);
        let gone = Fault::maybe_executed(FaultKind::Disconnected, Hop::Stream, "client gone");
        let frames = [Ok(BodyFrame::Data(piece(0))), Err(gone)];
        let request = with_token("POST", "/echo").map(|_| Body::new(None, stream::iter(frames)));
        let response = ask(&chain.first, request).await;
        let ended = response.into_body().collect(1 << 20).await;
        assert!(ended.is_err(), "{guest}: a whole body");
        chain.is_gone(guest).await;
    }
}

#[tokio::test]
async fn whoever_leaves_stops_both_guests() {
    for guest in ECHOES {
        let chain = Chain::to(guest);
        let (body, alive) = endless();
        let request = with_token("POST", "/echo").map(|_| body);
        let mut body = ask(&chain.first, request).await.into_body();
        for _ in 0..100 {
            body.next().await.unwrap().unwrap();
        }
        assert_eq!(
            chain.running(),
            [1, 1],
            "{guest}: permits outlive the heads"
        );
        drop(body);
        chain.is_gone(guest).await;
        until("the request's body is dropped", || {
            Arc::strong_count(&alive) == 1
        })
        .await;
    }
    // And before there is a head.
    let chain = Chain::to("probe");
    let first = Arc::clone(&chain.first);
    let call = tokio::spawn(async move {
        let context = CallContext::default();
        first
            .respond(&context, with_token("GET", "/sleep/60000"))
            .await
    });
    until("both run", || {
        chain.running() == [1, 1] && chain.stores() == [1, 1]
    })
    .await;
    call.abort();
    chain.is_gone("without a head").await;
}
