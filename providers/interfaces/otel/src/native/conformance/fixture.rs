//! A service of its own for a case, and where its telemetry can be seen.

use std::{sync::Arc, time::Duration};

use wrt_conformance::unique_name;
use wrt_contract::{CallContext, async_trait};

use super::records::metrics;
use crate::{Log, Metric, MetricBatch, Otel, OtelDefault, OtelError, Span, Taken};

/// How long telemetry may take to where it can be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(20);
/// Each look reads all that has come: the pauses between them grow.
const LOOK_PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// Where a provider's telemetry can be looked at.
#[async_trait]
pub trait Collector: Send + Sync {
    /// What has come so far about the service of that name.
    async fn about(&self, service: &str) -> Taken;
}

#[async_trait]
impl Collector for OtelDefault {
    async fn about(&self, service: &str) -> Taken {
        OtelDefault::about(self, service)
    }
}

/// What a case works with.
pub(crate) struct Fixture {
    otel: Arc<dyn Otel>,
    collector: Arc<dyn Collector>,
    /// What its telemetry is about.
    pub(crate) service: String,
}

fn must(what: &str, done: Result<(), OtelError>) {
    done.unwrap_or_else(|error| panic!("{what}: {error}"));
}

impl Fixture {
    pub(crate) fn new(case: &str, otel: Arc<dyn Otel>, collector: Arc<dyn Collector>) -> Self {
        Self {
            otel,
            collector,
            service: unique_name(case, 64),
        }
    }

    pub(crate) async fn spans(&self, spans: Vec<Span>) {
        must(
            "spans",
            self.otel.spans(&CallContext::default(), spans).await,
        );
    }

    pub(crate) async fn logs(&self, logs: Vec<Log>) {
        must("logs", self.otel.logs(&CallContext::default(), logs).await);
    }

    pub(crate) async fn metrics(&self, given: MetricBatch) {
        must(
            "metrics",
            self.otel.metrics(&CallContext::default(), given).await,
        );
    }

    /// What has come about the case's service, as soon as it is `count` records.
    pub(crate) async fn taken(&self, count: usize) -> Taken {
        self.taken_about(&self.service, count).await
    }

    pub(crate) async fn taken_about(&self, service: &str, count: usize) -> Taken {
        let [mut pause, longest] = LOOK_PAUSES;
        let look = async {
            loop {
                let taken = self.collector.about(service).await;
                if taken.spans.len() + taken.logs.len() + taken.metrics.len() >= count {
                    return taken;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        };
        match tokio::time::timeout(SEEN_WITHIN, look).await {
            Ok(taken) => taken,
            Err(_elapsed) => {
                let Taken {
                    spans,
                    metrics,
                    logs,
                } = self.collector.about(service).await;
                let [spans, metrics, logs] = [spans.len(), metrics.len(), logs.len()];
                panic!(
                    "{count} records have not come: {spans} spans, {metrics} metrics and {logs} logs have"
                )
            }
        }
    }

    /// Gives a metric, and looks whether it comes as it is.
    pub(crate) async fn arrives(&self, metric: Metric) {
        let before = self.collector.about(&self.service).await.metrics.len();
        let given = metrics(&self.service, vec![metric]);
        self.metrics(given.clone()).await;
        let taken = self.taken(before + 1).await.metrics;
        assert_eq!(taken.last(), Some(&given));
    }
}
