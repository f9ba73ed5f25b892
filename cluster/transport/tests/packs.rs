//! Calls that come in bursts travel in packs, and nobody can tell from what comes back.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_nats::Subscriber;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::join_all};
use tokio::{
    task::{JoinSet, block_in_place, spawn_blocking, unconstrained},
    time::timeout,
};
use wrt_protocol::{
    NodeId,
    limits::{PACK_ENTRIES_MAX, PACK_ENTRY_BYTES_MAX},
    pack::{self, PackEntry},
};
use wrt_test_servers::NatsServer;
use wrt_transport::{Lane, Nats, NatsOptions, Transport, TransportError};

const PATIENCE: Duration = Duration::from_secs(20);
const BURST: usize = 1000;

fn server() -> NatsServer {
    block_in_place(NatsServer::start).expect("a NATS server")
}

async fn node(server: &NatsServer, name: &str) -> Arc<Nats> {
    let options = NatsOptions::new(NodeId::new(name).unwrap(), vec![server.url()]);
    Nats::connect(options).await.unwrap()
}

/// Answers every request with its own payload, each from a task of its own.
async fn echo(node: &Arc<Nats>, subject: &str) -> JoinSet<()> {
    let requests = node.subscribe(Lane::Calls, subject.to_owned(), None).await;
    let mut requests = requests.unwrap();
    let node = Arc::clone(node);
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Some(request) = requests.next().await {
            let to = request.reply.expect("a request has a reply subject");
            let node = Arc::clone(&node);
            tokio::spawn(async move {
                let sent = node.publish(Lane::Calls, to.0, request.payload).await;
                sent.unwrap();
            });
        }
    });
    task
}

/// A round trip: the server knows of what was subscribed before. A flush only says that the socket does.
async fn settle(tool: &async_nats::Client) {
    let subject = "settle";
    let mut own = tool.subscribe(subject).await.unwrap();
    tool.publish(subject, Bytes::new()).await.unwrap();
    timeout(PATIENCE, own.next()).await.unwrap().unwrap();
}

/// Messages that have come and that nobody has looked at yet.
fn arrived(messages: &mut Subscriber) -> usize {
    let next = || messages.next().now_or_never().flatten();
    std::iter::from_fn(next).count()
}

fn payload(n: usize) -> Bytes {
    // One in eight is too large for a pack.
    let bytes = if n.is_multiple_of(8) {
        PACK_ENTRY_BYTES_MAX
    } else {
        n % 100
    };
    Bytes::from([&n.to_le_bytes()[..], &vec![7; bytes]].concat())
}

/// On one thread, so that it does not depend on who runs when: what is asked together is put in
/// together.
#[tokio::test]
async fn a_burst_takes_fewer_messages_and_each_gets_its_own_reply() {
    let server = spawn_blocking(NatsServer::start).await.unwrap().unwrap();
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let tool = async_nats::connect(server.url()).await.unwrap();
    let _echo = echo(&b, "many").await;
    let mut requests = tool.subscribe("many").await.unwrap();
    let mut replies = tool.subscribe("_INBOX.>").await.unwrap();
    settle(&tool).await;
    arrived(&mut replies);
    let calls = (0..BURST).map(|n| {
        let a = &a;
        async move { (n, a.request("many".to_owned(), payload(n)).await.unwrap()) }
    });
    for (n, answer) in timeout(PATIENCE, join_all(calls)).await.unwrap() {
        assert_eq!(answer, payload(n));
    }
    assert_eq!(a.requests_waiting(), 0);
    assert_eq!(a.dropped_payloads() + b.dropped_payloads(), 0);
    // What the server passed on before is here when its own message is back.
    settle(&tool).await;
    let large = BURST / 8;
    for (what, messages) in [
        (
            "requests",
            unconstrained(async { arrived(&mut requests) }).await,
        ),
        (
            "replies",
            unconstrained(async { arrived(&mut replies) }).await,
        ),
    ] {
        // Each large one travels alone. Of the others, at least two go together; as a rule dozens.
        let most = large + (BURST - large) / 2;
        let least = large + (BURST - large) / PACK_ENTRIES_MAX;
        assert!((least..=most).contains(&messages), "{messages} {what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_to_nobody_is_told_at_once() {
    let server = server();
    let a = node(&server, "a").await;
    let began = Instant::now();
    let calls = (0..BURST).map(|n| a.request("nobody".to_owned(), payload(n)));
    for answer in timeout(PATIENCE, join_all(calls)).await.unwrap() {
        let told =
            matches!(&answer, Err(TransportError::NoResponders { subject }) if subject == "nobody");
        assert!(told, "{answer:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(a.requests_waiting(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_is_answered_message_by_message() {
    let server = server();
    let b = node(&server, "b").await;
    let _echo = echo(&b, "many").await;
    let tool = async_nats::connect(server.url()).await.unwrap();
    let calls = (0..BURST).map(|n| {
        let tool = tool.clone();
        async move { (n, tool.request("many", payload(n)).await.unwrap()) }
    });
    for (n, answer) in timeout(PATIENCE, join_all(calls)).await.unwrap() {
        assert_eq!(answer.payload, payload(n));
    }
}

/// A peer that cannot read a pack refuses it like any message, and all in it are refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_a_whole_pack_is_everybodys() {
    let server = server();
    let a = node(&server, "a").await;
    let tool = async_nats::connect(server.url()).await.unwrap();
    let mut messages = tool.subscribe("many").await.unwrap();
    settle(&tool).await;
    let client = tool.clone();
    let packs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&packs);
    let mut refuse = JoinSet::new();
    refuse.spawn(async move {
        while let Some(message) = messages.next().await {
            counted.fetch_add(pack::decode(&message.payload).is_ok().into(), Relaxed);
            let to = message.reply.unwrap();
            client.publish(to, "no".into()).await.unwrap();
        }
    });
    let calls = (0..BURST).map(|n| a.request("many".to_owned(), payload(n)));
    for answer in timeout(PATIENCE, join_all(calls)).await.unwrap() {
        assert_eq!(answer.unwrap(), "no");
    }
    assert_eq!(a.requests_waiting(), 0);
    assert!(packs.load(Relaxed) > 0);
}

/// More than there is room for at a time, one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_given_back() {
    let server = server();
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let _echo = echo(&b, "many").await;
    for n in 0..1500 {
        let calls = join_all([n, n + 1].map(|n| a.request("many".to_owned(), payload(n))));
        let answers = timeout(PATIENCE, calls).await.unwrap();
        assert!(answers.iter().all(Result::is_ok), "{n}: {answers:?}");
    }
}

/// On one thread: nothing is sent before all of it is put in.
#[tokio::test]
async fn what_becomes_of_one_pack_does_not_touch_another() {
    let server = spawn_blocking(NatsServer::start).await.unwrap().unwrap();
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let _echo = echo(&b, "somebody").await;
    let calls = (0..100).map(|n| {
        let subject = ["somebody", "nobody"][n % 2];
        let a = &a;
        async move { (n, a.request(subject.to_owned(), payload(n)).await) }
    });
    for (n, answer) in timeout(PATIENCE, join_all(calls)).await.unwrap() {
        match answer {
            Ok(answer) => assert_eq!((n % 2, answer), (0, payload(n))),
            Err(TransportError::NoResponders { .. }) => assert_eq!(n % 2, 1),
            Err(error) => panic!("{n}: {error}"),
        }
    }
}

/// A cancellation comes after its call, in a burst too. On one thread, as above.
#[tokio::test]
async fn what_is_published_after_requests_arrives_after_them() {
    let server = spawn_blocking(NatsServer::start).await.unwrap().unwrap();
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let calls = b.subscribe(Lane::Calls, "node.>".to_owned(), None).await;
    let mut calls = calls.unwrap();
    let call = |n: usize| a.request("node.call".to_owned(), payload(n));
    let mut put_in = Vec::new();
    for n in 0..20 {
        let mut call = call(n);
        assert!(call.as_mut().now_or_never().is_none());
        put_in.push(call);
    }
    let cancel = a.publish(Lane::Calls, "node.cancel".to_owned(), payload(5));
    cancel.now_or_never().expect("there is room").unwrap();
    for n in 20..40 {
        let mut call = call(n);
        assert!(call.as_mut().now_or_never().is_none());
        put_in.push(call);
    }
    let mut arrived = Vec::new();
    while arrived.len() <= put_in.len() {
        let inbound = timeout(PATIENCE, calls.next()).await.unwrap().unwrap();
        arrived.push((inbound.subject, inbound.payload));
    }
    let cancelled = arrived
        .iter()
        .position(|(subject, _)| subject == "node.cancel");
    let before: HashSet<_> = arrived[..cancelled.unwrap()]
        .iter()
        .map(|(_, p)| p.clone())
        .collect();
    assert_eq!(before, (0..20).map(payload).collect());
    drop(put_in);
    assert_eq!(a.requests_waiting(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_looks_like_a_pack_harms_nobody() {
    let server = server();
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let calls = b.subscribe(Lane::Calls, "node".to_owned(), None).await;
    let mut calls = calls.unwrap();
    let tool = async_nats::connect(server.url()).await.unwrap();
    let whole = pack::encode(&[PackEntry {
        slot: 1,
        payload: "x".into(),
    }])
    .unwrap();
    let nothing = pack::encode(&[]).unwrap();
    let cut = whole.slice(..whole.len() - 1);
    for (reply, payload) in [
        ("_INBOX.x.wrt-pack-1", cut.clone()),
        (
            "_INBOX.x.wrt-pack-1",
            Bytes::from_static(b"\x01\x06\xff\xff\xff\xff"),
        ),
        ("_INBOX.x.wrt-pack-99999999999999999999999", whole.clone()),
        ("_INBOX.x.wrt-packed", whole.clone()),
        ("_INBOX.x", whole.clone()),
    ] {
        tool.publish_with_reply("node", reply, payload.clone())
            .await
            .unwrap();
        // As it came: whoever reads it can answer that it is none.
        let inbound = timeout(PATIENCE, calls.next()).await.unwrap().unwrap();
        assert_eq!(
            (inbound.reply.unwrap().0.as_str(), inbound.payload),
            (reply, payload)
        );
    }
    tool.publish_with_reply("node", "_INBOX.x.wrt-pack-1", nothing)
        .await
        .unwrap();
    tool.publish_with_reply("node", "_INBOX.x.wrt-pack-1", whole.clone())
        .await
        .unwrap();
    let inbound = timeout(PATIENCE, calls.next()).await.unwrap().unwrap();
    assert_eq!(
        (inbound.reply.unwrap().0.as_str(), &*inbound.payload),
        ("_INBOX.x.wrt-1", &b"x"[..])
    );

    // To the inbox of one who waits: its name is in what it sends.
    let mut asked = tool.subscribe("ask").await.unwrap();
    settle(&tool).await;
    let asking = tokio::spawn({
        let a = Arc::clone(&a);
        async move { a.request("ask".to_owned(), Bytes::new()).await }
    });
    let reply = timeout(PATIENCE, asked.next())
        .await
        .unwrap()
        .unwrap()
        .reply
        .unwrap();
    let (inbox, _slot) = reply.rsplit_once(".wrt-").unwrap();
    for (token, payload) in [
        ("wrt-packed", cut),
        ("wrt-packed", Bytes::new()),
        ("wrt-x", Bytes::new()),
        ("anything", whole),
    ] {
        tool.publish(format!("{inbox}.{token}"), payload)
            .await
            .unwrap();
    }
    // Not its own, and not dropped as unreadable: too late is no error.
    tool.publish(format!("{inbox}.wrt-12345"), Bytes::new())
        .await
        .unwrap();
    tool.publish(reply, "yes".into()).await.unwrap();
    assert_eq!(
        timeout(PATIENCE, asking).await.unwrap().unwrap().unwrap(),
        "yes"
    );
    assert_eq!(a.dropped_payloads(), 4);
}
