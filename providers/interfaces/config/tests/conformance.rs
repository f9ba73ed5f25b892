//! The suite over the provider of fixed values.

use std::sync::Arc;

use wrt_config::{ConfigDefault, ConfigDefaultOptions, conformance};

#[tokio::test]
async fn the_default_conforms() {
    let options = ConfigDefaultOptions {
        values: conformance::values(),
    };
    let store = ConfigDefault::new(options).expect("within the limits");
    conformance::run(Arc::new(store)).await;
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
