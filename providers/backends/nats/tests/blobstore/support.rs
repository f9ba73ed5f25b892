//! A server, stores on it, and what is in them.

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream::Stream};
use bytes::Bytes;
use futures::TryStreamExt as _;
use wrt_blobstore::{Blobstore as _, BlobstoreError, ByteRange, ContainerName, ObjectId};
use wrt_contract::{Body, CallContext};
use wrt_nats::{Nats, NatsConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::NatsServer;

pub const LIMIT: Duration = Duration::from_secs(20);

pub async fn connect(server: &NatsServer) -> Nats {
    connect_with(server, |_| ()).await
}

pub async fn connect_with(server: &NatsServer, change: impl FnOnce(&mut NatsConfig)) -> Nats {
    let mut config = NatsConfig {
        url: ServiceAddress::new(server.url()),
        ..NatsConfig::default()
    };
    change(&mut config);
    Nats::connect_with(config).await.expect("connect")
}

/// What any other client of the server sees.
pub async fn other(server: &NatsServer) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.expect("connect"))
}

pub async fn stream_of(server: &NatsServer, container: &str) -> Stream {
    let name = format!("OBJ_{}{container}", NatsConfig::default().bucket_prefix);
    other(server).await.get_stream(name).await.expect("stream")
}

/// Chunks that are there, of all objects of a container.
pub async fn chunks(stream: &Stream) -> usize {
    let subjects = stream.info_with_subjects("$O.*.C.*").await.expect("info");
    let subjects: Vec<_> = subjects.try_collect().await.expect("subjects");
    subjects.into_iter().map(|(_, count)| count).sum()
}

pub async fn become_chunks(stream: &Stream, expected: usize) {
    let began = Instant::now();
    loop {
        let found = chunks(stream).await;
        if found == expected {
            return;
        }
        assert!(
            began.elapsed() < LIMIT,
            "{found} chunks, and {expected} were expected"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub fn object(name: &str) -> ObjectId {
    ObjectId::new("c", name).expect("legal names")
}

pub async fn made(store: &Nats) {
    let container = ContainerName::new("c").expect("a legal name");
    let context = CallContext::default();
    let made = store.create_container(&context, &container);
    made.await.expect("container");
}

pub fn bytes(count: usize) -> Bytes {
    (0..count).map(|at| (at % 251) as u8).collect()
}

pub async fn write(store: &Nats, name: &str, count: usize) -> Result<(), BlobstoreError> {
    let context = CallContext::default();
    let body = Body::whole(bytes(count));
    store.write_data(&context, &object(name), body).await
}

pub async fn read(store: &Nats, name: &str) -> Bytes {
    let body = store
        .get_data(&CallContext::default(), &object(name), ByteRange::WHOLE)
        .await;
    body.expect("open").collect(1 << 24).await.expect("read")
}
