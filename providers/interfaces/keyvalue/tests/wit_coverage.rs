//! Fails unless each function of the published WIT is an operation of the trait, or declared to be
//! local to the host.

use wrt_contract::{Interface, Operation};
use wrt_keyvalue::{KeyValueInterface, WasiKeyValue};
use wrt_test_kit::{
    Served::{By, Locally},
    WitCoverage,
};

const COVERAGE: WitCoverage = WitCoverage {
    folders: &[
        "../../../wit/deps/keyvalue-0.2.0-draft",
        "../../../wit/deps/keyvalue-0.2.0-draft2",
    ],
    served: &["store", "atomics", "batch"],
    // An export, which nothing calls.
    not_served: &["watcher"],
    table: &[
        (
            "store.open",
            Locally("a bucket is a name: looking up the link is all there is to it"),
        ),
        ("store.[method]bucket.get", By("get")),
        ("store.[method]bucket.set", By("set")),
        ("store.[method]bucket.delete", By("delete")),
        ("store.[method]bucket.exists", By("exists")),
        ("store.[method]bucket.list-keys", By("list-keys")),
        ("atomics.increment", By("increment")),
        ("atomics.[static]cas.new", By("read-for-swap")),
        (
            "atomics.[method]cas.current",
            Locally("the handle holds the value"),
        ),
        ("atomics.swap", By("swap")),
        ("batch.get-many", By("get-many")),
        ("batch.set-many", By("set-many")),
        ("batch.delete-many", By("delete-many")),
    ],
};

#[test]
fn each_function_is_served_and_each_interface_is_listed() {
    COVERAGE.check::<WasiKeyValue, KeyValueInterface>();
}

#[test]
fn what_must_not_run_twice_is_not_idempotent() {
    let not: Vec<_> = KeyValueInterface::OPERATIONS
        .iter()
        .filter(|operation| !operation.idempotent)
        .map(|operation| operation.name.as_str())
        .collect();
    assert_eq!(not, ["increment", "swap"]);
    let harmless = |operation: &Operation| operation.idempotent || operation.keyed;
    assert!(KeyValueInterface::OPERATIONS.iter().all(harmless));
}
