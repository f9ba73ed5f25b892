//! A name behind which another server takes the writes now, and a network that swallows them.

#![cfg(test)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::join_all;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use wrt_contract::CallContext;
use wrt_keyvalue::{Bucket, Key, KeyValue, KeyValueError};
use wrt_protocol::{Execution, FaultKind};
use wrt_redis::{Redis, RedisConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::RedisServer;

/// An address that leads to one server or to another; connections that are open stay where they are.
struct Name {
    address: SocketAddr,
    leads_to: Arc<AtomicU16>,
    task: JoinHandle<()>,
}

impl Drop for Name {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Name {
    async fn of(server: &RedisServer) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let leads_to = Arc::new(AtomicU16::new(server.port()));
        let port = Arc::clone(&leads_to);
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let to = (Ipv4Addr::LOCALHOST, port.load(Relaxed));
                open.spawn(async move {
                    let mut server = TcpStream::connect(to).await.unwrap();
                    let _how_it_ended = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self {
            address,
            leads_to,
            task,
        }
    }

    async fn connect(&self) -> Redis {
        let config = RedisConfig {
            url: ServiceAddress::new(format!("redis://{}", self.address)),
            ..RedisConfig::default()
        };
        Redis::connect_with(config).await.expect("connect")
    }
}

fn key() -> Key {
    Key::new("key").expect("a legal key")
}

async fn make_replica(server: &RedisServer, of: &RedisServer) {
    let client = redis::Client::open(server.url()).expect("client");
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd("REPLICAOF");
    command.arg("127.0.0.1").arg(of.port());
    let _: () = command.query_async(&mut connection).await.unwrap();
}

/// The bug: the connection to the old master stays open, so every write was refused for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_writes_any_more_is_left() {
    let (old, new) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    let name = Name::of(&old).await;
    let store = name.connect().await;
    let increment = async || {
        let (context, bucket) = (CallContext::default(), Bucket::default());
        store.increment(&context, &bucket, &key(), 1).await
    };
    assert_eq!(increment().await, Ok(1));
    make_replica(&old, &new).await;
    // Until the name leads elsewhere, the refusal is told as what it is.
    let Err(KeyValueError::Fault(fault)) = increment().await else {
        panic!("a replica takes no writes");
    };
    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
    assert_eq!(fault.execution(), Execution::NotExecuted);
    name.leads_to.store(new.port(), Relaxed);
    let started = Instant::now();
    let sum = loop {
        match increment().await {
            Ok(sum) => break sum,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(10), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(sum, 1, "the new master had nothing of the old one");
}

/// The bug: the probe asked for no more than an answer, so the provider was ready and of no use.
#[tokio::test(flavor = "multi_thread")]
async fn the_probe_sees_a_replica_and_leaves_it() {
    let (old, new) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    let name = Name::of(&old).await;
    let store = name.connect().await;
    let probe = async || store.probe(&CallContext::default()).await;
    probe().await.expect("it takes writes");
    make_replica(&old, &new).await;
    let error = probe().await.expect_err("it is a replica");
    let Some(KeyValueError::Fault(fault)) = error.downcast_ref() else {
        panic!("the probe does not see it");
    };
    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
    name.leads_to.store(new.port(), Relaxed);
    let started = Instant::now();
    while let Err(error) = probe().await {
        assert!(started.elapsed() < Duration::from_secs(10), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The bug: what nobody acknowledged for `TCP_USER_TIMEOUT` counted as not sent, and was sent again.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_swallowed_may_have_been_executed() {
    let server = RedisServer::start().expect("redis-server");
    let config = RedisConfig {
        url: ServiceAddress::new(server.url()),
        ..RedisConfig::default()
    };
    let store = Redis::connect_with(config).await.expect("connect");
    // Its kernel takes what fits its buffers, and acknowledges nothing beyond.
    server.pause().expect("pause");
    let bytes = Bytes::from(vec![7; 8 * 1024 * 1024]);
    let set = |_| {
        let (store, bytes) = (store.clone(), bytes.clone());
        async move {
            let context = CallContext::with_budget(Duration::from_secs(30));
            store.set(&context, &Bucket::default(), &key(), bytes).await
        }
    };
    for answer in join_all((0..4).map(set)).await {
        let Err(KeyValueError::Fault(fault)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(fault.execution(), Execution::MaybeExecuted, "{fault}");
    }
}
