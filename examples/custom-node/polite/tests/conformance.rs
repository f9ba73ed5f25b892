//! The suite over the backend.

use std::sync::Arc;

use polite::{Polite, PoliteOptions};
use wrt_runtime::{Backend as _, FromEnv as _, Settings};

#[tokio::test]
async fn it_conforms() {
    let options = PoliteOptions::load(Settings::default()).expect("every setting has a default");
    let polite = Polite::connect_with(options).await;
    greeting::conformance::run(Arc::new(polite.expect("it cannot fail"))).await;
}
