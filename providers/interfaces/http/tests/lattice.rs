//! Remote, dispatcher, guard and link, joined in memory: no bus between them. Which bodies travel
//! inside their message is the request path's, and tested there.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use parking_lot::Mutex;
use proptest::prelude::*;
use wrt_contract::{
    Answer, Body, BodyFrame, CallContext, Caller, Dispatch, DispatchRequest, Gate, GateLimits,
    Interface, Invocation, LocalSlot, Replica,
};
use wrt_http::{HttpHandler, HttpHandlerInterface, RequestHead, ResponseHead};
use wrt_protocol::{ActorAddress, Fault, FaultKind, Hop, Name};

type Response = Result<http::Response<Body>, Fault>;
type Work = dyn Fn(http::Request<Body>) -> BoxFuture<'static, Response> + Send + Sync;

struct Does(Box<Work>);

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

fn does<F>(work: impl Fn(http::Request<Body>) -> F + Send + Sync + 'static) -> Arc<dyn HttpHandler>
where
    F: Future<Output = Response> + Send + 'static,
{
    Arc::new(Does(Box::new(move |request| work(request).boxed())))
}

fn echo() -> Arc<dyn HttpHandler> {
    does(|request| async {
        let (parts, body) = request.into_parts();
        let mut response = http::Response::new(body);
        *response.status_mut() = http::StatusCode::ACCEPTED;
        *response.headers_mut() = parts.headers;
        let seen = format!("{} {}", parts.method, parts.uri);
        response
            .headers_mut()
            .insert("x-seen", seen.parse().unwrap());
        Ok(response)
    })
}

/// Hands invocations to a dispatcher as they are, and notes whether they were idempotent.
struct Loop {
    dispatcher: Arc<dyn Dispatch>,
    seen: Mutex<VecDeque<bool>>,
}

impl Caller for Loop {
    fn call<'a>(
        &'a self,
        context: &'a CallContext,
        invocation: Invocation,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        async move {
            let idempotent = invocation.idempotent;
            let request = DispatchRequest {
                operation: invocation.operation,
                arguments: invocation.arguments,
                bulk: invocation.bulk,
                body: invocation.body,
            };
            let answer = self.dispatcher.dispatch(context, request).await?;
            self.seen.lock().push_back(idempotent);
            Ok(answer)
        }
        .boxed()
    }
}

fn target() -> ActorAddress {
    let name = |text| Name::new(text).unwrap();
    ActorAddress::component(name("test"), name("handler"))
}

/// A client of `handler`, and which calls of it were idempotent.
fn over(handler: Arc<dyn HttpHandler>) -> (Arc<dyn HttpHandler>, Arc<Loop>) {
    let dispatcher = HttpHandlerInterface::dispatcher(handler);
    let joined = Arc::new(Loop {
        dispatcher,
        seen: Mutex::default(),
    });
    (
        HttpHandlerInterface::remote(Arc::clone(&joined) as Arc<dyn Caller>, target().into()),
        joined,
    )
}

fn request(method: &str, body: Body) -> http::Request<Body> {
    http::Request::builder()
        .method(method)
        .uri("http://a.test/x?y=1")
        .header("x-two", "1")
        .header("x-two", &b"\xff"[..])
        .body(body)
        .unwrap()
}

async fn call(handler: &Arc<dyn HttpHandler>, request: http::Request<Body>) -> Response {
    handler.respond(&CallContext::default(), request).await
}

fn piece(number: usize) -> Bytes {
    (number as u64).to_le_bytes().repeat(8192).into()
}

fn pieces(count: usize) -> Body {
    let frames = stream::iter(0..count).map(|number| Ok(BodyFrame::Data(piece(number))));
    Body::new(None, frames)
}

#[tokio::test]
async fn heads_arrive_as_they_were() {
    let (remote, joined) = over(echo());
    let response = call(&remote, request("PUT", Body::whole("small".into())))
        .await
        .unwrap();
    assert_eq!(response.status(), 202);
    assert_eq!(response.headers()["x-seen"], "PUT http://a.test/x?y=1");
    let two: Vec<_> = response
        .headers()
        .get_all("x-two")
        .iter()
        .map(|v| v.as_bytes())
        .collect();
    assert_eq!(two, [&b"1"[..], b"\xff"]);
    assert_eq!(response.into_body().collect(10).await.unwrap(), "small");
    assert_eq!(joined.seen.lock().pop_front(), Some(true));
}

#[tokio::test]
async fn long_bodies_stream_byte_exact() {
    let (remote, joined) = over(echo());
    let response = call(&remote, request("POST", pieces(1600))).await.unwrap();
    let mut body = response.into_body();
    let mut expected = (0..1600).map(piece);
    while let Some(frame) = body.next().await {
        assert_eq!(frame.unwrap(), BodyFrame::Data(expected.next().unwrap()));
    }
    assert_eq!(expected.next(), None);
    assert_eq!(joined.seen.lock().pop_front(), Some(false));
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_not_waited_for() {
    let (remote, joined) = over(echo());
    let slow = stream::iter(0..3).then(|number| async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(BodyFrame::Data(piece(number)))
    });
    let response = call(&remote, request("POST", Body::new(None, slow)))
        .await
        .unwrap();
    assert_eq!(joined.seen.lock().pop_front(), Some(false));
    let whole = response.into_body().collect(1 << 20).await.unwrap();
    assert_eq!(whole, [piece(0), piece(1), piece(2)].concat());
}

#[tokio::test]
async fn trailers_arrive_whole_or_streamed() {
    let (remote, _) = over(echo());
    for count in [1, 100] {
        let trailers = vec![("x-sum".to_owned(), b"7".to_vec())];
        let end = stream::iter([Ok(BodyFrame::Trailers(trailers.clone()))]);
        let body = Body::new(None, pieces(count).chain(end));
        let response = call(&remote, request("POST", body)).await.unwrap();
        let frames: Vec<_> = StreamExt::collect(response.into_body()).await;
        assert_eq!(frames.last(), Some(&Ok(BodyFrame::Trailers(trailers))));
    }
}

#[tokio::test]
async fn a_body_that_breaks_arrives_broken() {
    let (remote, _) = over(echo());
    let fault = Fault::maybe_executed(FaultKind::Crashed, Hop::Stream, "trap");
    let broken = stream::iter([Err(fault.clone())]);
    let body = Body::new(None, pieces(1).chain(broken));
    let response = call(&remote, request("POST", body)).await.unwrap();
    assert_eq!(
        response.into_body().collect(1 << 20).await.unwrap_err(),
        fault
    );
}

#[tokio::test]
async fn dropping_a_response_reaches_the_producer() {
    let (remote, _) = over(echo());
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let endless = stream::repeat_with(move || {
        let _held = &held;
        Ok(BodyFrame::Data(piece(0)))
    });
    let response = call(&remote, request("POST", Body::new(None, endless)))
        .await
        .unwrap();
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(response);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test]
async fn a_permit_lives_as_long_as_its_body() {
    let gate = Gate::new(GateLimits {
        concurrency_max: 1,
        queue_max: 0,
    });
    let guarded = HttpHandlerInterface::guarded(echo(), Arc::clone(&gate));
    let response = call(&guarded, request("POST", pieces(2))).await.unwrap();
    let refused = call(&guarded, request("GET", pieces(0))).await.unwrap_err();
    assert!(refused.is_overloaded());
    let mut body = response.into_body();
    while body.next().await.is_some() {}
    assert_eq!(gate.load().running, 0, "the body has ended");
    let response = call(&guarded, request("POST", pieces(2))).await.unwrap();
    drop(response);
    assert_eq!(gate.load().running, 0, "the body is dropped");
}

#[tokio::test(start_paused = true)]
async fn the_guard_keeps_to_the_deadline() {
    let gate = Gate::new(GateLimits::default());
    let guarded =
        HttpHandlerInterface::guarded(does(|_| std::future::pending()), Arc::clone(&gate));
    let fault = call(&guarded, request("GET", pieces(0))).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
    assert_eq!(gate.load().running, 0);
}

/// What the local replica does with the body before it refuses decides whether another may be asked.
#[tokio::test]
async fn a_link_falls_over_with_an_untouched_body_only() {
    for touches in [false, true] {
        let local = does(move |request| async move {
            if touches {
                let mut body = request.into_body();
                body.next().await.unwrap().unwrap();
            }
            Err(Fault::not_executed(FaultKind::Draining, Hop::Gate, "local"))
        });
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let inner = echo();
        let remote = does(move |request| {
            counted.fetch_add(1, Relaxed);
            let inner = Arc::clone(&inner);
            async move { call(&inner, request).await }
        });
        let slot = LocalSlot::empty();
        let gate = Gate::new(GateLimits::default());
        slot.set(Some(Replica::new(local, gate)));
        let link = HttpHandlerInterface::linked(slot, remote);
        let answer = call(&link, request("POST", pieces(3))).await;
        assert_eq!(asked.load(Relaxed), usize::from(!touches));
        match answer {
            Ok(response) => {
                assert!(!touches);
                assert_eq!(response.headers()["x-two"], "1");
                let whole = response.into_body().collect(1 << 20).await.unwrap();
                assert_eq!(whole, [piece(0), piece(1), piece(2)].concat());
            }
            Err(fault) => assert!(touches && fault.detail() == "local", "{fault}"),
        }
    }
}

proptest! {
    /// Bytes from outside are a request, or a fault that says that nothing was executed.
    #[test]
    fn any_bytes_are_a_request_or_a_fault(arguments in prop::collection::vec(any::<u8>(), 0..200)) {
        dispatch(arguments.into())?;
    }

    #[test]
    fn any_head_is_a_request_or_a_fault(
        method in "\\PC{0,8}|GET",
        scheme in prop::option::of("\\PC{0,5}|http"),
        authority in prop::option::of("\\PC{0,9}|a.test"),
        path in prop::option::of("\\PC{0,9}|/x"),
        headers in prop::collection::vec(("\\PC{0,5}|[a-z]{1,5}", prop::collection::vec(any::<u8>(), 0..5)), 0..4),
    ) {
        let head = ((method, scheme, authority, path, headers),);
        dispatch(postcard::to_stdvec(&head).unwrap().into())?;
    }
}

fn dispatch(arguments: Bytes) -> Result<(), TestCaseError> {
    let dispatcher = HttpHandlerInterface::dispatcher(bare_echo());
    let operation = HttpHandlerInterface::OPERATIONS[0].name.clone();
    let request = DispatchRequest {
        operation,
        arguments,
        bulk: Bytes::new(),
        body: Some(Body::empty()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    match runtime.block_on(dispatcher.dispatch(&CallContext::default(), request)) {
        Ok(answer) => prop_assert!(!answer.result.is_empty()),
        Err(fault) => prop_assert_eq!(fault.kind(), FaultKind::Malformed),
    }
    Ok(())
}

fn bare_echo() -> Arc<dyn HttpHandler> {
    does(|request| async { Ok(http::Response::new(request.into_body())) })
}
