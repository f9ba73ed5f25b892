//! Instances that serve one request after another.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::time::Instant;
use wrt_contract::{Body, CallContext};
use wrt_http::{HttpClient, HttpError, RequestHead, RequestOptions, ResponseHead};

use crate::{
    ECHOES, HELLOS, endless, expect_pattern,
    guests::{Bench, request},
    pattern, text, until,
};

#[tokio::test]
async fn one_instance_serves_one_request_after_another() {
    for guest in HELLOS {
        let bench = Bench::new(guest).that_keeps();
        let component = bench.handler();
        for served in 1..=5 {
            let context = CallContext::default();
            let answer = component.respond(&context, request("GET", "/"));
            assert_eq!(text(answer.await.unwrap()).await, "Hello from WRT\n");
            until("it is kept", || bench.kept() == [served]).await;
        }
    }
}

/// Each turn of the task that a request is on goes to the end of a queue, and gets up a thread for it.
#[tokio::test]
async fn a_request_whose_guest_waits_for_nobody_is_over_in_one_turn() {
    for guest in HELLOS {
        let bench = Bench::new(guest).that_keeps();
        let component = bench.handler();
        for served in 1..=5 {
            let context = CallContext::default();
            let answer = component.respond(&context, request("GET", "/"));
            let answer = answer.now_or_never().expect("it was polled once");
            let body = answer.unwrap().into_body();
            assert!(body.is_whole(), "{guest}");
            assert_eq!(bench.kept(), [served], "{guest}");
        }
    }
}

#[tokio::test]
async fn an_instance_that_has_streamed_serves_on() {
    for guest in ECHOES {
        let bench = Bench::new(guest).that_keeps();
        let component = bench.handler();
        for served in 1..=3 {
            let request = request("POST", "/echo").map(|_| pattern(64));
            let context = CallContext::default();
            let answer = component.respond(&context, request);
            expect_pattern(answer.await.unwrap().into_body(), 64).await;
            until("it is kept", || bench.kept() == [served]).await;
        }
    }
}

/// Its guest is in the middle of the answer, and holds the request.
#[tokio::test]
async fn an_instance_whose_caller_has_left_serves_no_other() {
    for guest in ECHOES {
        let bench = Bench::new(guest).that_keeps();
        let component = bench.handler();
        let (body, _alive) = endless();
        let request = request("POST", "/echo").map(|_| body);
        let context = CallContext::default();
        let mut answer = component.respond(&context, request).await.unwrap();
        answer.body_mut().next().await.unwrap().unwrap();
        drop(answer);
        until("the guest is gone", || bench.stores_alive() == 0).await;
        assert_eq!(bench.kept(), [0; 0], "{guest}");
    }
}

#[tokio::test]
async fn a_trap_retires_its_instance() {
    let bench = Bench::new("probe").that_keeps();
    let component = bench.handler();
    let context = CallContext::default();
    let answer = component.respond(&context, request("GET", "/source/10"));
    assert_eq!(text(answer.await.unwrap()).await.len(), 10);
    until("it is kept", || bench.kept() == [1]).await;
    let trap = component.respond(&context, request("GET", "/trap")).await;
    trap.unwrap_err();
    assert_eq!(bench.kept(), [0; 0]);
    assert_eq!(bench.stores_alive(), 0);
}

/// Notes the deadline that each request has, and answers it.
#[derive(Default)]
struct Notes(Mutex<Vec<Instant>>);

#[async_trait]
impl HttpClient for Notes {
    async fn send(
        &self,
        context: &CallContext,
        _: RequestHead,
        _: RequestOptions,
        _: Body<HttpError>,
    ) -> Result<(ResponseHead, Body<HttpError>), HttpError> {
        self.0.lock().push(context.deadline());
        Ok(ResponseHead::split(http::Response::new(Body::whole(
            "noted".into(),
        ))))
    }
}

/// It was that of the request for which the instance was made.
#[tokio::test]
async fn a_request_goes_out_with_the_context_of_the_request_in_hand() {
    for guest in ["fetch", "fetch_p3"] {
        let notes = Arc::new(Notes::default());
        let bench = Bench::with_client(guest, Arc::clone(&notes) as Arc<dyn HttpClient>);
        let bench = bench.that_keeps();
        let component = bench.handler();
        let mut expected = Vec::new();
        for seconds in [20, 5, 50] {
            let context = CallContext::with_budget(Duration::from_secs(seconds));
            expected.push(context.deadline());
            let answer = component.respond(&context, request("GET", "/"));
            assert_eq!(text(answer.await.unwrap()).await, "noted");
        }
        assert_eq!(*notes.0.lock(), expected, "{guest}");
        until("it is kept", || bench.kept() == [3]).await;
    }
}
