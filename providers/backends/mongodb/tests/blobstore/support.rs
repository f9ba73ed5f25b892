//! A provider, and what lies in the server.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mongodb::{
    Client, Collection, Database,
    bson::{Document, doc},
};
use wrt_blobstore::{Blobstore as _, BlobstoreError, ByteRange, ContainerName, ObjectId};
use wrt_contract::{Body, CallContext};
use wrt_mongodb::{MongoDb, MongoDbConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::MongoDbServer;

pub const LIMIT: Duration = Duration::from_secs(60);

pub fn config(server: &MongoDbServer) -> MongoDbConfig {
    MongoDbConfig {
        url: ServiceAddress::new(server.url()),
        ..MongoDbConfig::default()
    }
}

pub async fn connect(server: &MongoDbServer) -> MongoDb {
    connect_with(server, |_| ()).await
}

pub async fn connect_with(
    server: &MongoDbServer,
    change: impl FnOnce(&mut MongoDbConfig),
) -> MongoDb {
    let mut config = config(server);
    change(&mut config);
    MongoDb::connect_with(config).await.expect("connect")
}

/// What any other client of the server sees.
pub struct Inside {
    pub database: Database,
    pub bucket: String,
}

impl Inside {
    pub async fn of(server: &MongoDbServer) -> Self {
        let client = Client::with_uri_str(server.url()).await.expect("client");
        let MongoDbConfig {
            database, bucket, ..
        } = config(server);
        Self {
            database: client.database(&database),
            bucket,
        }
    }

    pub fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(&format!("{}.{name}", self.bucket))
    }

    pub async fn count(&self, name: &str) -> u64 {
        let count = self.collection(name).count_documents(doc! {}).await;
        count.expect("count")
    }

    /// Waits until a collection has so many documents.
    pub async fn becomes(&self, name: &str, expected: u64) {
        self.until(name, expected, |count| count == expected).await;
    }

    /// Waits until a collection has so many documents or more.
    pub async fn reaches(&self, name: &str, expected: u64) {
        self.until(name, expected, |count| count >= expected).await;
    }

    async fn until(&self, name: &str, expected: u64, is_so: impl Fn(u64) -> bool) {
        let began = Instant::now();
        loop {
            let found = self.count(name).await;
            if is_so(found) {
                return;
            }
            assert!(
                began.elapsed() < LIMIT,
                "{found} {name}, and {expected} were expected"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

pub fn object(name: &str) -> ObjectId {
    ObjectId::new("c", name).expect("legal names")
}

pub fn container() -> ContainerName {
    object("x").container
}

pub async fn made(store: &MongoDb) {
    let context = CallContext::default();
    let made = store.create_container(&context, &container()).await;
    made.expect("container");
}

pub fn bytes(count: usize) -> Bytes {
    let all: Vec<_> = (0..count).map(|at| (at % 251) as u8).collect();
    all.into()
}

pub async fn write(store: &MongoDb, name: &str, count: usize) -> Result<(), BlobstoreError> {
    let (context, body) = (CallContext::default(), Body::whole(bytes(count)));
    store.write_data(&context, &object(name), body).await
}

pub async fn read(store: &MongoDb, name: &str) -> Bytes {
    let context = CallContext::default();
    let object = object(name);
    let body = store.get_data(&context, &object, ByteRange::WHOLE).await;
    let body = body.expect("open");
    body.collect(1 << 24).await.expect("read")
}

pub async fn names(store: &MongoDb) -> Vec<String> {
    let context = CallContext::default();
    let page = store.list_objects(&context, &container(), None).await;
    let names = page.expect("list").objects;
    let mut names: Vec<_> = names.iter().map(|name| name.as_str().to_owned()).collect();
    names.sort_unstable();
    names
}
