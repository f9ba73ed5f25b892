//! The suite on another server that speaks MongoDB's protocol: what one of them takes by its own reading alone,
//! the other refuses. `cargo xtask ferretdb` builds the server, and runs this.

use std::sync::Arc;

use wrt_blobstore::conformance;
use wrt_mongodb::{MongoDb, MongoDbConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::FerretDbServer;

/// It loses one of two changes that are made to a document at the same time; it looks at every chunk that there
/// is for each that is asked for; and of dozens of writes that come together some wait for longer than a call may.
const WITHOUT: [&str; 3] = [
    "of_writers_that_come_together_one_is_the_last",
    "a_large_object_comes_back",
    "a_listing_ends_and_names_each_object_that_stays_whatever_else_changes",
];

#[tokio::main]
async fn main() {
    let server = FerretDbServer::start().expect("ferretdb");
    let config = MongoDbConfig {
        url: ServiceAddress::new(server.url()),
        // What a case has left is not looked at for long.
        unnamed_bytes_kept_for_ms: 5000,
        ..MongoDbConfig::default()
    };
    let store = MongoDb::connect_with(config).await.expect("connect");
    conformance::run_without(Arc::new(store), &WITHOUT).await;
}
