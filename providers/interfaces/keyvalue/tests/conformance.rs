//! The suite over the in-memory provider, from wherever it can be called.

use std::{sync::Arc, time::Duration};

use wrt_keyvalue::{KeyValueDefault, KeyValueInterface, MemoryConfig, conformance};
use wrt_test_kit::everywhere;

/// The suite runs several times, and its values are large.
fn memory(deduplicate_for_ms: Option<u64>) -> Arc<KeyValueDefault> {
    Arc::new(KeyValueDefault::new(MemoryConfig {
        bytes_max: 512 * 1024 * 1024,
        deduplicate_for_ms,
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_conforms() {
    everywhere::<KeyValueInterface>(memory(None), conformance::run).await;
}

#[tokio::test]
async fn memory_that_deduplicates_conforms() {
    conformance::run_deduplicating(memory(Some(2000)), Duration::from_secs(2)).await;
}
