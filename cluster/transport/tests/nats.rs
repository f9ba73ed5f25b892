//! What only NATS has: servers that stall, refuse or start late, and NATS's own tools.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    collections::{HashMap, HashSet},
    fs,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::{task::block_in_place, time::timeout};
use wrt_protocol::{
    Epoch, LatticeName, NodeId,
    subject::{SERVICE_PING, SERVICE_STATS, Subjects},
};
use wrt_test_servers::{NatsServer, Process, free_port, nats_server_binary};
use wrt_transport::{
    Lane, LinkState, Nats, NatsOptions, SERVICE_NAME, ServiceHandle, ServiceInfo, Transport,
    TransportError,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn server() -> NatsServer {
    block_in_place(NatsServer::start).expect("a NATS server")
}

fn options(url: String, node: &str) -> NatsOptions {
    NatsOptions::new(NodeId::new(node).unwrap(), vec![url])
}

async fn announce(nats: &Nats, node: &str) -> ServiceHandle {
    let node = NodeId::new(node).unwrap();
    let info = ServiceInfo {
        status_subject: Subjects::new(&LatticeName::new("test").unwrap()).status(&node),
        node,
        epoch: Epoch(7),
        version: "0.1.0".to_owned(),
        metadata: HashMap::from([("zone".to_owned(), "north".to_owned())]),
    };
    let answer = |asked: &[u8]| (asked == b"what else?").then(|| json!("nothing"));
    let announced = nats.announce(info, || json!({"running": 3}), answer).await;
    announced.unwrap()
}

/// Asks everybody and takes the answers of `expected` nodes.
async fn ask_all(client: &async_nats::Client, subject: &str, expected: usize) -> Vec<Value> {
    let inbox = client.new_inbox();
    let answers = client.subscribe(inbox.clone()).await.unwrap();
    client
        .publish_with_reply(subject.to_owned(), inbox, Bytes::new())
        .await
        .unwrap();
    let answers = answers
        .take(expected)
        .map(|answer| serde_json::from_slice(&answer.payload).unwrap());
    timeout(PATIENCE, answers.collect()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tools_of_nats_see_the_nodes() {
    let server = server();
    let tool = async_nats::connect(server.url()).await.unwrap();
    let one = Nats::connect(options(server.url(), "one")).await.unwrap();
    let two = Nats::connect(options(server.url(), "two")).await.unwrap();
    let announced = [announce(&one, "one").await, announce(&two, "two").await];

    let pings = ask_all(&tool, SERVICE_PING, 2).await;
    let nodes: HashSet<_> = pings
        .iter()
        .map(|p| p["metadata"]["node"].clone())
        .collect();
    assert_eq!(nodes, HashSet::from([json!("one"), json!("two")]));
    for ping in &pings {
        assert_eq!(ping["type"], "io.nats.micro.v1.ping_response");
        assert_eq!(ping["name"], SERVICE_NAME);
        assert_eq!(ping["version"], "0.1.0");
        assert_eq!(ping["metadata"]["epoch"], "7");
        assert_eq!(ping["metadata"]["zone"], "north");
    }
    let stats = ask_all(&tool, &format!("{SERVICE_STATS}.{SERVICE_NAME}"), 2).await;
    for stats in &stats {
        assert_eq!(stats["endpoints"][0]["name"], "status");
        assert_eq!(stats["endpoints"][0]["data"], json!({"running": 3}));
        let subject = stats["endpoints"][0]["subject"]
            .as_str()
            .unwrap()
            .to_owned();
        let questions = [
            ("", r#"{"running":3}"#),
            ("what else?", r#""nothing""#),
            ("?", r#"{"running":3}"#),
        ];
        for (question, answer) in questions {
            let answered = tool
                .request(subject.clone(), question.into())
                .await
                .unwrap();
            assert_eq!(answered.payload, answer, "{question}");
        }
    }

    // A node that stops is no longer listed.
    let [_one, two] = announced;
    drop(two);
    timeout(PATIENCE, async {
        let subjects = Subjects::new(&LatticeName::new("test").unwrap());
        let status = subjects.status(&NodeId::new("two").unwrap());
        while tool.request(status.clone(), Bytes::new()).await.is_ok() {}
    })
    .await
    .unwrap();
    let pings = ask_all(&tool, SERVICE_PING, 1).await;
    assert_eq!(pings[0]["metadata"]["node"], "one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stalls_is_noticed() {
    let server = server();
    let nats = Nats::connect(options(server.url(), "one")).await.unwrap();
    let _silent = nats
        .subscribe(Lane::Calls, "silent".to_owned(), None)
        .await
        .unwrap();
    let mut link = nats.link();
    let requests: Vec<_> = (0..100)
        .map(|_| {
            let nats = Arc::clone(&nats);
            tokio::spawn(async move { nats.request("silent".to_owned(), Bytes::new()).await })
        })
        .collect();
    timeout(PATIENCE, async {
        while nats.requests_waiting() < 100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
    let paused = Instant::now();
    server.pause().unwrap();
    // More than the queue to the socket holds: who waits for room must not wait for the server.
    let publishes: Vec<_> = (0..200)
        .map(|_| {
            let (nats, payload) = (Arc::clone(&nats), Bytes::from(vec![0; 512 * 1024]));
            tokio::spawn(async move { nats.publish(Lane::Bulk, "b".to_owned(), payload).await })
        })
        .collect();
    timeout(PATIENCE, link.wait_for(|state| *state == LinkState::Down))
        .await
        .unwrap()
        .unwrap();
    for request in requests {
        let error = timeout(PATIENCE, request).await.unwrap().unwrap();
        assert!(
            matches!(error, Err(TransportError::Disconnected { sent: true })),
            "{error:?}"
        );
    }
    for publish in publishes {
        let result = timeout(PATIENCE, publish).await.unwrap().unwrap();
        assert!(
            matches!(
                result,
                Ok(()) | Err(TransportError::Disconnected { sent: false })
            ),
            "{result:?}"
        );
    }
    let noticed = paused.elapsed();
    assert!(noticed < Duration::from_secs(8), "{noticed:?}");
    server.resume().unwrap();
    timeout(PATIENCE, link.wait_for(|state| *state == LinkState::Up))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(nats.requests_waiting(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_server_is_an_error_in_time_that_shows_no_password() {
    let port = free_port().unwrap();
    let mut options = options(format!("nats://bob:hush@127.0.0.1:{port}"), "one");
    options.connect_timeout = Duration::from_secs(1);
    let started = Instant::now();
    let error = Nats::connect(options).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(3));
    let shown = format!("{error} {error:?}");
    assert!(shown.contains(&port.to_string()), "{shown}");
    assert!(!shown.contains("hush"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_late_is_waited_for() {
    let server = server();
    server.kill().unwrap();
    let connect = tokio::spawn(Nats::connect(options(server.url(), "one")));
    // The first attempt has failed by the time that the server is there.
    block_in_place(|| server.restart()).unwrap();
    let nats = timeout(PATIENCE, connect).await.unwrap().unwrap().unwrap();
    assert_eq!(*nats.link().borrow(), LinkState::Up);
}

/// A request is dropped without a word to whoever waits, who would wait for all of its time.
async fn requests_that_are_forbidden_are_refused(nats: &Nats) {
    let request = |subject: &str| nats.request(subject.to_owned(), Bytes::new());
    let requests = [
        request("forbidden.a"),
        request("nobody.is.there"),
        request("forbidden.a"),
        request("forbidden.b"),
    ];
    let answers = timeout(PATIENCE, futures::future::join_all(requests));
    for (answer, is_permitted) in answers
        .await
        .unwrap()
        .iter()
        .zip([false, true, false, false])
    {
        let as_expected = match (answer, is_permitted) {
            (Err(TransportError::NotPermitted { what }), false) => what.contains("forbidden."),
            (Err(TransportError::NoResponders { .. }), true) => true,
            _ => false,
        };
        assert!(as_expected, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_forbids_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let configuration = folder.path().join("nats.conf");
    let text = format!(
        r#"
        listen: "127.0.0.1:{port}"
        authorization {{ users = [ {{
            user: "node", password: "right", permissions {{
                subscribe {{ deny: ["forbidden.>"] }}, publish {{ deny: ["forbidden.>"] }}
            }}
        }} ] }}
        "#
    );
    fs::write(&configuration, text).unwrap();
    let mut command = Command::new(nats_server_binary().unwrap());
    command.arg("--config").arg(&configuration);
    let _server = Process::spawn("nats-server", command, folder.path().join("log")).unwrap();

    // Also in the URL, where other clients of NATS find it.
    let in_url = options(format!("nats://node:right@127.0.0.1:{port}"), "one");
    drop(Nats::connect(in_url).await.unwrap());
    let mut right = options(format!("nats://127.0.0.1:{port}"), "one");
    right.login.user = Some("node".to_owned());
    right.login.password = Some("right".into());
    let mut wrong = right.clone();
    wrong.login.password = Some("wrong".into());

    let refused = right.refused.clone();
    let nats = Nats::connect(right).await.unwrap();
    let subscribe = |subject: &str| nats.subscribe(Lane::Calls, subject.to_owned(), None);
    let mut allowed = subscribe("allowed.a").await.unwrap();
    for _ in 0..20 {
        // Not silent for ever, which is what the client makes of it.
        match subscribe("forbidden.a").await {
            Err(error) => {
                assert!(
                    matches!(error, TransportError::NotPermitted { .. }),
                    "{error:?}"
                );
            }
            Ok(mut late) => assert!(timeout(PATIENCE, late.next()).await.unwrap().is_none()),
        }
    }
    requests_that_are_forbidden_are_refused(&nats).await;
    assert_eq!(nats.requests_waiting(), 0);
    let told = timeout(PATIENCE, refused.refused()).await.unwrap();
    assert!(told.starts_with("forbidden."), "{told}");
    nats.publish(Lane::Calls, "allowed.a".to_owned(), Bytes::new())
        .await
        .unwrap();
    assert!(timeout(PATIENCE, allowed.next()).await.unwrap().is_some());

    // At once, and not after the ten seconds for a server to come up.
    let started = Instant::now();
    let error = Nats::connect(wrong).await.unwrap_err();
    assert!(
        matches!(error, TransportError::NotLetIn { .. }),
        "{error:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(5), "{error:?}");
}
