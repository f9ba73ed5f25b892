//! The suite, from wherever the provider can be called, by both ways into the collector.

use std::sync::Arc;

use wrt_otel::{OtelInterface, conformance};
use wrt_test_kit::everywhere;
use wrt_test_servers::OtelCollector;

use super::{
    collected::Collected,
    support::{config, connect},
};

async fn conforms(protocol: &str) {
    let collector = Arc::new(OtelCollector::start().expect("otelcol"));
    let provider = connect(config(&collector, protocol)).await;
    let collected = Arc::new(Collected::by(&collector));
    let suite = async |otel| conformance::run(otel, Arc::clone(&collected) as _).await;
    everywhere::<OtelInterface>(Arc::clone(&provider) as _, suite).await;
    let counts = provider.counts();
    assert_eq!(
        (counts.dropped, counts.rejected, counts.retried),
        (0, 0, 0),
        "{counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_conforms() {
    conforms("grpc").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_conforms() {
    conforms("http/protobuf").await;
}
