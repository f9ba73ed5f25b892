//! Telemetry in memory: the newest of it, gone with its process.

use std::collections::VecDeque;

use parking_lot::Mutex;
use wrt_contract::{CallContext, async_trait};
use wrt_runtime::{Entry, InProcess, Serves};

use crate::{
    Decoded, Log, MetricBatch, Otel, OtelError, OtelInterface, Resource, Span, WasiOtel,
    limits::KEPT_IN_MEMORY,
};

/// Telemetry in the memory of this process, for tests and trials: [`KEPT_IN_MEMORY`] records of each kind,
/// and a line for each in the node's log, at level debug. A part of the provider in memory.
#[derive(Debug, Default)]
pub struct OtelDefault {
    spans: Mutex<VecDeque<Span>>,
    metrics: Mutex<VecDeque<MetricBatch>>,
    logs: Mutex<VecDeque<Log>>,
}

/// What was taken, in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taken {
    /// Spans.
    pub spans: Vec<Span>,
    /// Metrics.
    pub metrics: Vec<MetricBatch>,
    /// Logs.
    pub logs: Vec<Log>,
}

impl OtelDefault {
    /// What is kept about the service of that name (`service.name`).
    #[must_use]
    pub fn about(&self, service: &str) -> Taken {
        let is_it = |resource: &Resource| service_of(resource).as_deref() == Some(service);
        let (spans, metrics, logs) = (self.spans.lock(), self.metrics.lock(), self.logs.lock());
        let spans = spans.iter().filter(|span| is_it(&span.resource));
        let metrics = metrics.iter().filter(|batch| is_it(&batch.resource));
        let logs = logs.iter().filter(|log| is_it(&log.resource));
        Taken {
            spans: spans.cloned().collect(),
            metrics: metrics.cloned().collect(),
            logs: logs.cloned().collect(),
        }
    }
}

fn service_of(resource: &Resource) -> Option<String> {
    let mut attributes = resource.attributes.iter();
    let name = attributes.find(|attribute| attribute.key == "service.name")?;
    match name.value.decoded() {
        Decoded::Text(name) => Some(name),
        _ => None,
    }
}

/// Puts records behind those that are kept, and forgets the oldest that are too many.
fn keep<T>(kept: &Mutex<VecDeque<T>>, records: impl IntoIterator<Item = T>) {
    let mut kept = kept.lock();
    kept.extend(records);
    let over = kept.len().saturating_sub(KEPT_IN_MEMORY);
    drop(kept.drain(..over));
}

impl InProcess for OtelDefault {
    const NAME: &'static str = "memory";
}

impl Serves<WasiOtel> for OtelDefault {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<OtelInterface>(|memory| memory);
    }
}

#[async_trait]
impl Otel for OtelDefault {
    async fn spans(&self, _: &CallContext, spans: Vec<Span>) -> Result<(), OtelError> {
        for span in &spans {
            let service = service_of(&span.resource);
            let trace = format_args!("{:032x}", span.context.trace_id);
            let name = span.name.escape_debug();
            tracing::debug!(service, %trace, status = ?span.status, "span {name}");
        }
        keep(&self.spans, spans);
        Ok(())
    }

    async fn metrics(&self, _: &CallContext, metrics: MetricBatch) -> Result<(), OtelError> {
        let service = service_of(&metrics.resource);
        for metric in metrics.scopes.iter().flat_map(|scope| &scope.metrics) {
            let name = metric.name.escape_debug();
            tracing::debug!(service, data = ?metric.data, "metric {name}");
        }
        keep(&self.metrics, [metrics]);
        Ok(())
    }

    async fn logs(&self, _: &CallContext, logs: Vec<Log>) -> Result<(), OtelError> {
        for log in &logs {
            let service = service_of(&log.resource);
            let body = log.body.as_ref().map(|body| body.0.escape_debug());
            let body = body.map(|body| body.to_string());
            tracing::debug!(service, severity = log.severity, body, "log");
        }
        keep(&self.logs, logs);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let kept = Mutex::default();
        keep(&kept, 0..KEPT_IN_MEMORY);
        keep(&kept, [KEPT_IN_MEMORY, KEPT_IN_MEMORY + 1]);
        let kept = kept.into_inner();
        assert_eq!(kept.len(), KEPT_IN_MEMORY);
        assert_eq!(
            (kept.front(), kept.back()),
            (Some(&2), Some(&(KEPT_IN_MEMORY + 1)))
        );
    }
}
