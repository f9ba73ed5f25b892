//! The suite over the in-memory provider, from wherever it can be called.

use std::sync::Arc;

use wrt_keyvalue::{KeyValueInterface, MemoryConfig, MemoryKeyValue, conformance};
use wrt_test_kit::everywhere;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_conforms() {
    // The suite runs several times, and its values are large.
    let store = MemoryKeyValue::new(MemoryConfig {
        bytes_max: 512 * 1024 * 1024,
    });
    everywhere::<KeyValueInterface>(Arc::new(store), conformance::run).await;
}
