//! Fails unless each function of the published WIT is an operation of the trait, or declared to be
//! local to the host.

use std::{collections::BTreeSet, path::Path};

use wit_parser::Resolve;
use wrt_contract::{Interface, Operation};
use wrt_host::Package;
use wrt_keyvalue::{KeyValueInterface, WasiKeyValue};

/// What serves a function of the WIT.
#[derive(Clone, Copy)]
enum Served {
    /// An operation of the trait.
    By(&'static str),
    /// The host alone, and why.
    Locally(&'static str),
}
use Served::{By, Locally};

const TABLE: &[(&str, Served)] = &[
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
];

/// Interfaces that a component imports; the other one, `watcher`, is an export that nothing calls.
const IMPORTED: [&str; 3] = ["store", "atomics", "batch"];

/// The functions that a draft has and the host serves, as `interface.function`.
fn functions(draft: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit/deps");
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(folder.join(format!("keyvalue-{draft}")))
        .expect("WIT");
    let interfaces = &resolve.packages[package].interfaces;
    let names: BTreeSet<_> = interfaces.keys().map(String::as_str).collect();
    let known: BTreeSet<_> = IMPORTED.into_iter().chain(["watcher"]).collect();
    assert_eq!(names, known, "interfaces of {draft}");
    let functions = |name: &str| {
        let functions = resolve.interfaces[interfaces[name]].functions.keys();
        functions
            .map(|function| format!("{name}.{function}"))
            .collect::<Vec<_>>()
    };
    IMPORTED.into_iter().flat_map(functions).collect()
}

#[test]
fn each_function_is_served() {
    for draft in ["0.2.0-draft", "0.2.0-draft2"] {
        for function in functions(draft) {
            let served = TABLE.iter().find(|(name, _)| *name == function);
            let (_, served) = served.unwrap_or_else(|| panic!("{draft}: {function} is not served"));
            match served {
                By(operation) => assert!(
                    KeyValueInterface::OPERATIONS
                        .iter()
                        .any(|known| known.name.as_str() == *operation),
                    "{function} is served by {operation}, which does not exist"
                ),
                Locally(reason) => assert!(!reason.is_empty()),
            }
        }
    }
}

#[test]
fn nothing_is_served_that_is_not_there() {
    let functions = functions("0.2.0-draft2");
    for (function, _) in TABLE {
        assert!(functions.contains(*function), "{function} is in no draft");
    }
    for operation in KeyValueInterface::OPERATIONS {
        let used = |(_, served): &(_, Served)| matches!(served, By(name) if *name == operation.name.as_str());
        assert!(
            TABLE.iter().any(used),
            "no function needs {}",
            operation.name
        );
    }
}

#[test]
fn what_must_not_run_twice_is_keyed() {
    let not: Vec<_> = KeyValueInterface::OPERATIONS
        .iter()
        .filter(|operation| !operation.idempotent && operation.keyed)
        .map(|operation| operation.name.as_str())
        .collect();
    assert_eq!(not, ["increment", "swap"]);
    let harmless = |operation: &Operation| operation.idempotent || operation.keyed;
    assert!(KeyValueInterface::OPERATIONS.iter().all(harmless));
}

#[test]
fn the_host_lists_what_the_drafts_have() {
    let expected: BTreeSet<_> = ["0.2.0-draft", "0.2.0-draft2"]
        .into_iter()
        .flat_map(|draft| IMPORTED.map(|name| format!("wasi:keyvalue/{name}@{draft}")))
        .collect();
    let listed: BTreeSet<_> = Package::of::<WasiKeyValue>()
        .wit()
        .map(|name| (*name).to_owned())
        .collect();
    assert_eq!(listed, expected);
}
