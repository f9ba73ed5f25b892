//! The suite over the default, and the WIT in both of its shapes.

use std::sync::Arc;

use wrt_otel::{OtelDefault, OtelInterface, WasiOtel, conformance};
use wrt_test_kit::{
    Served::{By, Locally},
    WitCoverage, by_default, everywhere,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_conforms() {
    let memory = by_default::<OtelDefault>().await;
    let suite = async |otel| conformance::run(otel, Arc::clone(&memory) as _).await;
    everywhere::<OtelInterface>(Arc::clone(&memory) as _, suite).await;
}

#[test]
fn each_function_is_served_and_each_interface_is_listed() {
    let coverage = WitCoverage {
        table: &[
            (
                "tracing.on-start",
                Locally("what the guest calls from now on is a part of it: known to its host"),
            ),
            ("tracing.on-end", By("spans")),
            (
                "tracing.current-span-context",
                Locally("of the guest's open spans, or of the call that it serves"),
            ),
            (
                "tracing.outer-span-context",
                Locally("of the call that the guest serves"),
            ),
            ("metrics.export", By("metrics")),
            ("logs.on-emit", By("logs")),
        ],
        ..WitCoverage::of(&[
            "../../../wit/deps/otel-0.2.0-rc.2",
            "../../../wit/deps/otel-0.2.0-rc.2-outer",
        ])
    };
    coverage.check::<WasiOtel, OtelInterface>();
}
