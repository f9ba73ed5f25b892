//! The suite over the provider of fixed values, from wherever it can be called.

use std::sync::Arc;

use wrt_config::{ConfigDefault, ConfigDefaultOptions, ConfigStoreInterface, conformance};
use wrt_test_kit::everywhere;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_conforms() {
    let options = ConfigDefaultOptions {
        values: conformance::values(),
    };
    let store = ConfigDefault::new(options).expect("within the limits");
    everywhere::<ConfigStoreInterface>(Arc::new(store), conformance::run).await;
}

#[test]
fn values_are_not_printed() {
    let options = ConfigDefaultOptions {
        values: [("password".to_owned(), "hunter2".to_owned())].into(),
    };
    let shown = format!("{options:?}");
    assert!(
        shown.contains("password") && !shown.contains("hunter2"),
        "{shown}"
    );
    let store = ConfigDefault::new(options).expect("within the limits");
    assert!(!format!("{store:?}").contains("hunter2"));
}
