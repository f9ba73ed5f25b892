//! The suite over the default, and the WIT.

use wrt_test_kit::{
    Served::{By, Locally},
    WitCoverage, by_default, everywhere,
};
use wrt_vault::{VaultDefault, VaultInterface, WrtVault, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_conforms() {
    everywhere::<VaultInterface>(by_default::<VaultDefault>().await, conformance::run).await;
}

#[test]
fn each_function_is_served_and_each_interface_is_listed() {
    let coverage = WitCoverage {
        table: &[
            (
                "vault.open",
                Locally("a locker is a name: looking up the link is all there is to it"),
            ),
            ("vault.[method]locker.get-version", By("get")),
        ],
        ..WitCoverage::of(&["../../../wit/vault"])
    };
    coverage.check::<WrtVault, VaultInterface>();
}
