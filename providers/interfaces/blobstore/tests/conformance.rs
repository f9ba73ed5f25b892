//! The suite over the in-memory provider, from wherever it can be called, and the WIT.

use std::sync::Arc;

use wrt_blobstore::{
    BlobstoreDefault, BlobstoreInterface, MemoryConfig, WasiBlobstore, conformance,
};
use wrt_contract::Interface;
use wrt_test_kit::{
    Served::{By, Locally},
    WitCoverage, everywhere,
};

const OF_A_VALUE: &str = "a value is bytes on their way: the operation is that of the container";
const OF_A_LISTING: &str = "a listing holds a page: `list-objects` brings the next one";

const COVERAGE: WitCoverage = WitCoverage {
    folders: &["../../../wit/deps/blobstore-0.2.0-draft"],
    not_served: &[],
    table: &[
        (
            "types.[static]outgoing-value.new-outgoing-value",
            Locally(OF_A_VALUE),
        ),
        (
            "types.[method]outgoing-value.outgoing-value-write-body",
            Locally(OF_A_VALUE),
        ),
        ("types.[static]outgoing-value.finish", By("write-data")),
        (
            "types.[static]incoming-value.incoming-value-consume-sync",
            By("get-data"),
        ),
        (
            "types.[static]incoming-value.incoming-value-consume-async",
            By("get-data"),
        ),
        ("types.[method]incoming-value.size", By("get-data")),
        (
            "container.[method]container.name",
            Locally("the handle has it"),
        ),
        ("container.[method]container.info", By("container-info")),
        (
            "container.[method]container.delete-object",
            By("delete-objects"),
        ),
        ("container.[method]container.has-object", By("object-info")),
        (
            "container.[method]stream-object-names.read-stream-object-names",
            Locally(OF_A_LISTING),
        ),
        (
            "container.[method]stream-object-names.skip-stream-object-names",
            Locally(OF_A_LISTING),
        ),
        ("blobstore.get-container", By("container-info")),
        ("blobstore.container-exists", By("container-info")),
    ],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_conforms() {
    let store = Arc::new(BlobstoreDefault::new(&MemoryConfig {
        object_bytes_max: 256 * 1024 * 1024,
    }));
    everywhere::<BlobstoreInterface>(store.clone(), conformance::run).await;
    assert_eq!(store.bytes_used(), 0, "each case removes what it has made");
}

#[test]
fn each_function_is_served_and_each_interface_is_listed() {
    COVERAGE.check::<WasiBlobstore, BlobstoreInterface>();
}

/// Once it is done, the source of a move is not there.
#[test]
fn what_must_not_run_twice_is_not_idempotent() {
    let operations = BlobstoreInterface::OPERATIONS.iter();
    let once = operations.filter(|operation| !operation.idempotent);
    let once: Vec<_> = once.map(|operation| operation.name.as_str()).collect();
    assert_eq!(once, ["move-object"]);
}
