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
    // An export, which nothing calls.
    not_served: &["watcher"],
    table: &[
        (
            "store.open",
            Locally("a bucket is a name: looking up the link is all there is to it"),
        ),
        ("atomics.[static]cas.new", By("read-for-swap")),
        (
            "atomics.[method]cas.current",
            Locally("the handle holds the value"),
        ),
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
