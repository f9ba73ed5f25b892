//! Instances that serve several requests at once.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, future::join_all};
use tokio::{
    sync::{Barrier, mpsc},
    time::Instant,
};
use wrt_contract::{Body, CallContext};
use wrt_host::Sharing;
use wrt_http::{HttpClient, HttpError, HttpHandler, RequestHead, RequestOptions, ResponseHead};
use wrt_protocol::{Execution, Fault, FaultKind};

use crate::{
    expect_pattern,
    guests::{Bench, request},
    pattern, text, until,
};

const SHARING: Sharing = Sharing {
    at_once_max: 8,
    invocations_max: 1000,
    idle_max: Duration::from_secs(60),
    idle_instances_max: 8,
};

type Answer = Result<http::Response<Body>, Fault>;

async fn ask(handler: &Arc<dyn HttpHandler>, path: &str, budget: Duration) -> Answer {
    let context = CallContext::with_budget(budget);
    handler.respond(&context, request("GET", path)).await
}

const LONG: Duration = Duration::from_secs(20);

fn scripted() -> (Bench, Arc<dyn HttpHandler>) {
    let bench = Bench::new("scripted_p3").that_shares(SHARING);
    let handler = bench.handler();
    (bench, handler)
}

#[tokio::test]
async fn one_instance_serves_as_many_as_its_manifest_says_and_no_more() {
    for (asked, instances) in [(1_u32, 1), (8, 1), (9, 2), (24, 3)] {
        let (bench, handler) = scripted();
        let begun = Instant::now();
        let all = (0..asked).map(|_| ask(&handler, "/pause:300/head/write:5", LONG));
        let answers = join_all(all).await;
        // Whoever has served waits for more.
        assert_eq!(bench.stores_alive(), instances, "{asked} at once");
        for answer in answers {
            assert_eq!(text(answer.unwrap()).await, "abcde");
        }
        // One after another they would take as often as long.
        let one_by_one = Duration::from_millis(300) * asked;
        assert!(asked == 1 || begun.elapsed() < one_by_one);
    }
}

#[tokio::test]
async fn an_instance_serves_no_more_than_it_may_in_all_and_goes_when_it_is_idle() {
    let sharing = Sharing {
        invocations_max: 3,
        idle_max: Duration::from_millis(50),
        ..SHARING
    };
    let bench = Bench::new("scripted_p3").that_shares(sharing);
    let handler = bench.handler();
    let answers = join_all((0..7).map(|_| ask(&handler, "/pause:100/head/write:3", LONG)));
    let most = async {
        until("three are made", || bench.stores_alive() == 3).await;
    };
    let (answers, ()) = tokio::join!(answers, most);
    for answer in answers {
        assert_eq!(text(answer.unwrap()).await, "abc");
    }
    until("the last one is idle", || bench.stores_alive() == 0).await;
}

#[tokio::test]
async fn idle_instances_go_with_their_component_and_no_more_wait_than_may() {
    let sharing = Sharing {
        at_once_max: 2,
        idle_instances_max: 1,
        ..SHARING
    };
    let bench = Bench::new("scripted_p3").that_shares(sharing);
    let handler = bench.handler();
    let answers = join_all((0..6).map(|_| ask(&handler, "/pause:100/head/write:3", LONG))).await;
    for answer in answers {
        assert_eq!(text(answer.unwrap()).await, "abc");
    }
    until("one waits", || bench.stores_alive() == 1).await;
    drop(handler);
    until("none waits", || bench.stores_alive() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_several_requests_pass_each_other() {
    let (bench, handler) = scripted();
    let echoes = join_all((0..8).map(|at| {
        let handler = Arc::clone(&handler);
        async move {
            let pieces = 16 + at;
            let request = request("POST", "/head/echo").map(|_| pattern(pieces));
            let answer = handler.respond(&CallContext::default(), request).await;
            expect_pattern(answer.unwrap().into_body(), pieces).await;
        }
    }));
    echoes.await;
    assert_eq!(bench.stores_alive(), 1);
}

/// Holds each request until all are here, and notes what it is called with.
struct Meets {
    barrier: Barrier,
    seen: mpsc::Sender<(String, Instant)>,
}

#[async_trait]
impl HttpClient for Meets {
    async fn send(
        &self,
        context: &CallContext,
        request: RequestHead,
        _: RequestOptions,
        _: Body<HttpError>,
    ) -> Result<(ResponseHead, Body<HttpError>), HttpError> {
        let path = request.uri.path().to_owned();
        self.barrier.wait().await;
        let _read_below = self.seen.try_send((path.clone(), context.deadline()));
        let answer = http::Response::new(Body::whole(path.into()));
        Ok(ResponseHead::split(answer))
    }
}

/// All of them are in the instance when the first one goes on.
#[tokio::test]
async fn each_request_goes_out_with_its_own_context() {
    let (seen, mut notes) = mpsc::channel(24);
    let client = Meets {
        barrier: Barrier::new(8),
        seen,
    };
    // What has been answered may have its place for a moment longer.
    let sharing = Sharing {
        at_once_max: 24,
        ..SHARING
    };
    let bench = Bench::with_client("fetch_p3", Arc::new(client)).that_shares(sharing);
    let handler = bench.handler();
    for _round in 0..3 {
        let asked = (0..8_u64).map(|at| {
            let (handler, path) = (Arc::clone(&handler), format!("/{at}"));
            let context = CallContext::with_budget(Duration::from_secs(10 + at));
            async move {
                let answer = handler.respond(&context, request("GET", &path)).await;
                assert_eq!(text(answer.unwrap()).await, path);
                (path, context.deadline())
            }
        });
        let mut expected = join_all(asked).await;
        let mut seen = Vec::new();
        for _ in 0..8 {
            seen.push(notes.recv().await.unwrap());
        }
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
    }
    assert_eq!(bench.stores_alive(), 1);
}

/// Which one has failed is told by whose turn it was: the last one to begin is not it.
#[tokio::test]
async fn a_trap_answers_its_own_request_and_takes_the_others_along() {
    let (bench, handler) = scripted();
    let paths = [
        "/pause:5000",
        "/pause:100/trap",
        "/pause:5000",
        "/pause:5000/head",
    ];
    let answers = join_all(paths.map(|path| ask(&handler, path, LONG))).await;
    for (path, answer) in paths.into_iter().zip(answers) {
        let fault = answer.unwrap_err();
        assert_eq!(fault.execution(), Execution::MaybeExecuted);
        let (kind, word) = match path.contains("trap") {
            true => (FaultKind::Crashed, "unreachable"),
            false => (FaultKind::Unavailable, "another request"),
        };
        assert_eq!(fault.kind(), kind, "{path}: {fault}");
        assert!(fault.detail().contains(word), "{path}: {fault}");
    }
    until("it is gone", || bench.stores_alive() == 0).await;
    let next = ask(&handler, "/head/write:3", LONG).await;
    assert_eq!(text(next.unwrap()).await, "abc");
}

#[tokio::test]
async fn a_trap_breaks_the_bodies_of_the_others() {
    let (_bench, handler) = scripted();
    let mut body = ask(&handler, "/head/write:3/pause:9000", LONG)
        .await
        .unwrap()
        .into_body();
    body.next().await.unwrap().unwrap();
    ask(&handler, "/trap", LONG).await.unwrap_err();
    let fault = body.next().await.unwrap().unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
}

#[tokio::test]
async fn an_overrun_answers_its_own_request_and_retires_the_instance() {
    let (bench, handler) = scripted();
    let begun = Instant::now();
    let (over, well) = tokio::join!(
        ask(&handler, "/pause:9000", Duration::from_millis(100)),
        ask(&handler, "/pause:600/head/write:3", LONG),
    );
    assert_eq!(over.unwrap_err().kind(), FaultKind::DeadlineExceeded);
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(text(well.unwrap()).await, "abc");
    until("it is gone", || bench.stores_alive() == 0).await;
}

#[tokio::test]
async fn a_retired_instance_takes_no_other_request() {
    let (bench, handler) = scripted();
    let others = async {
        let over = ask(&handler, "/pause:9000", Duration::from_millis(100)).await;
        assert_eq!(over.unwrap_err().kind(), FaultKind::DeadlineExceeded);
        let next = ask(&handler, "/head/write:3", LONG).await;
        assert_eq!(bench.stores_alive(), 2);
        assert_eq!(text(next.unwrap()).await, "abc");
    };
    let (well, ()) = tokio::join!(ask(&handler, "/pause:600/head/write:4", LONG), others);
    assert_eq!(text(well.unwrap()).await, "abcd");
    until("one is left", || bench.stores_alive() == 1).await;
}

/// Nobody else in the instance gets a word; each is answered in its own time all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_computes_beyond_its_time_is_stopped_and_holds_nobody_up() {
    let (bench, handler) = scripted();
    let (brief, middle, long) = (
        Duration::from_millis(300),
        Duration::from_millis(800),
        Duration::from_secs(30),
    );
    let timed = |path, budget| {
        let handler = Arc::clone(&handler);
        async move {
            let begun = Instant::now();
            let fault = ask(&handler, path, budget).await.unwrap_err();
            (fault.kind(), begun.elapsed())
        }
    };
    let (waits, computes, lives) = tokio::join!(
        timed("/pause:5000", brief),
        timed("/pause:50/loop", middle),
        timed("/pause:5000", long),
    );
    assert_eq!(waits.0, FaultKind::DeadlineExceeded);
    assert!(waits.1 < middle, "{waits:?}");
    assert_eq!(computes.0, FaultKind::DeadlineExceeded);
    assert_eq!(lives.0, FaultKind::Unavailable);
    assert!(lives.1 < Duration::from_secs(4), "{lives:?}");
    until("it is gone", || bench.stores_alive() == 0).await;
}

#[tokio::test]
async fn a_caller_that_leaves_retires_the_instance_and_harms_no_other() {
    let (bench, handler) = scripted();
    let leaves = async {
        let mut answer = ask(&handler, "/head/write:3/pause:200/write:3", LONG)
            .await
            .unwrap();
        answer.body_mut().next().await.unwrap().unwrap();
        drop(answer);
        let unanswered = ask(&handler, "/pause:5000", LONG);
        let _left = tokio::time::timeout(Duration::from_millis(50), unanswered).await;
    };
    let (well, ()) = tokio::join!(ask(&handler, "/pause:500/head/write:4", LONG), leaves);
    assert_eq!(text(well.unwrap()).await, "abcd");
    until("both are gone", || bench.stores_alive() == 0).await;
}
