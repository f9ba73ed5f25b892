//! Fails unless each function of the published WIT is an operation of the trait, and the host lists
//! each interface.

use std::{collections::BTreeSet, path::Path};

use wit_parser::Resolve;
use wrt_config::{ConfigStoreInterface, WasiConfig};
use wrt_contract::Interface;
use wrt_host::Package;

const VERSIONS: [&str; 3] = ["0.2.0-rc.1", "0.2.0-draft-2024-09-27", "0.2.0-draft"];

#[test]
fn each_function_is_an_operation_and_each_interface_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit/deps");
    let operations: BTreeSet<_> = ConfigStoreInterface::OPERATIONS
        .iter()
        .map(|operation| operation.name.as_str())
        .collect();
    let mut interfaces = BTreeSet::new();
    for version in VERSIONS {
        let mut resolve = Resolve::default();
        let folder = folder.join(format!("config-{version}"));
        let (package, _) = resolve.push_dir(folder).expect("WIT");
        for (name, id) in &resolve.packages[package].interfaces {
            interfaces.insert(format!("wasi:config/{name}@{version}"));
            let functions: BTreeSet<_> = resolve.interfaces[*id]
                .functions
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(functions, operations, "{name} of {version}");
        }
    }
    let listed: BTreeSet<_> = Package::of::<WasiConfig>()
        .wit()
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, interfaces);
}

#[test]
fn every_operation_may_run_twice() {
    assert!(
        ConfigStoreInterface::OPERATIONS
            .iter()
            .all(|operation| operation.idempotent)
    );
}
