//! Requests and their replies.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use tokio::task::JoinSet;
use wrt_transport::{Inbound, Lane, Transport, TransportError};

use super::world::{World, eventually, in_time, next, refused, text};

/// Answers every request with its own payload.
pub async fn echo<T: Transport>(node: &Arc<T>, subject: &str) -> JoinSet<()> {
    let mut requests = node
        .subscribe(Lane::Calls, subject.to_owned(), None)
        .await
        .unwrap();
    let node = Arc::clone(node);
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Some(request) = requests.next().await {
            reply(&*node, request).await;
        }
    });
    task
}

async fn reply(node: &impl Transport, request: Inbound) {
    let to = request.reply.expect("a request has a reply subject");
    node.publish(Lane::Calls, to.0, request.payload)
        .await
        .unwrap();
}

pub async fn a_reply_comes_back(world: &impl World) {
    let (a, b) = (world.node("a").await, world.node("b").await);
    let _echo = echo(&b, "echo").await;
    for bytes in [0, 1, 1000, wrt_protocol::limits::INLINE_BYTES_MAX] {
        let payload = Bytes::from(vec![3; bytes]);
        let answer = in_time(a.request("echo".to_owned(), payload.clone())).await;
        assert_eq!(answer.unwrap(), payload);
    }
    assert_eq!(world.requests_waiting(&a), 0);
}

pub async fn no_responder_is_told_at_once(world: &impl World) {
    let a = world.node("a").await;
    let started = Instant::now();
    let error = refused(in_time(a.request("nobody.here".to_owned(), text("x"))).await);
    let TransportError::NoResponders { subject } = error else {
        panic!("{error:?}");
    };
    assert_eq!(subject, "nobody.here");
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(world.requests_waiting(&a), 0);
}

pub async fn a_reply_may_come_from_another_task_much_later(world: &impl World) {
    let (a, b) = (world.node("a").await, world.node("b").await);
    let mut requests = b
        .subscribe(Lane::Calls, "later".to_owned(), None)
        .await
        .unwrap();
    let first = a.request("later".to_owned(), text("first"));
    let second = a.request("later".to_owned(), text("second"));
    let serve = async {
        let (one, two) = (next(&mut requests).await, next(&mut requests).await);
        // The other way round.
        reply(&*b, two).await;
        reply(&*b, one).await;
    };
    let (first, second, ()) = in_time(async { tokio::join!(first, second, serve) }).await;
    assert_eq!(first.unwrap(), text("first"));
    assert_eq!(second.unwrap(), text("second"));
}

pub async fn many_requests_in_flight_get_their_own_replies(world: &impl World) {
    let (a, b) = (world.node("a").await, world.node("b").await);
    let _echo = echo(&b, "many").await;
    let calls = (0..1000).map(|n| {
        let a = &a;
        async move {
            let payload = text(&n.to_string());
            let answer = a.request("many".to_owned(), payload.clone()).await.unwrap();
            assert_eq!(answer, payload);
        }
    });
    in_time(join_all(calls)).await;
    assert_eq!(world.requests_waiting(&a), 0);
}

/// A caller that gives up at its deadline is the common case under load: it must leave nothing.
pub async fn a_dropped_request_frees_its_place(world: &impl World) {
    let (a, b) = (world.node("a").await, world.node("b").await);
    let mut requests = b
        .subscribe(Lane::Calls, "silent".to_owned(), None)
        .await
        .unwrap();
    for _ in 0..50 {
        let request = a.request("silent".to_owned(), text("x"));
        tokio::select! {
            answer = request => panic!("nobody answered, and yet {answer:?}"),
            request = next(&mut requests) => {
                // A reply that comes too late harms nobody.
                drop(request.reply);
            }
        }
    }
    eventually("nothing waits", || async {
        world.requests_waiting(&a) == 0
    })
    .await;
    // Too late for a request that is gone.
    let stale = async {
        let request = a.request("silent".to_owned(), text("y"));
        tokio::select! {
            answer = request => panic!("nobody answered, and yet {answer:?}"),
            request = next(&mut requests) => request,
        }
    };
    let stale = stale.await;
    reply(&*b, stale).await;
    let _echo = echo(&b, "alive").await;
    let answer = in_time(a.request("alive".to_owned(), text("z"))).await;
    assert_eq!(answer.unwrap(), text("z"));
}
