//! The node's side: the trait, its host glue, a provider in memory and the suite.

mod attribute;
mod error;
mod log;
mod memory;
mod metric;
mod span;

pub mod conformance;
pub mod host;
pub mod limits;

use wrt_contract::CallContext;

pub use attribute::{Attribute, Decoded, Resource, Scope, Timestamp, Value};
pub use error::OtelError;
pub use host::{WasiOtel, lost_records};
pub use log::Log;
pub use memory::{OtelDefault, Taken};
pub use metric::{
    Buckets, Exemplar, ExponentialPoint, HistogramPoint, Metric, MetricBatch, MetricData, Number,
    NumberPoint, ScopeMetrics, Temporality,
};
pub use span::{Event, Link, Span, SpanContext, SpanKind, SpanStatus};

/// Takes telemetry.
///
/// What is taken is in the provider's hand: on its way to a collector, or in a bounded queue for it. A
/// record may come twice where an answer was lost, as with OTLP itself.
#[wrt_contract::interface(name = "wasi:otel", error = OtelError)]
pub trait Otel {
    /// Takes spans that have ended.
    ///
    /// # Errors
    /// [`OtelError::Full`] where not all of them were taken.
    #[operation(idempotent)]
    async fn spans(&self, context: &CallContext, spans: Vec<Span>) -> Result<(), OtelError>;

    /// Takes metrics of one resource.
    ///
    /// # Errors
    /// [`OtelError::Full`] where not all of them were taken.
    #[operation(idempotent)]
    async fn metrics(&self, context: &CallContext, metrics: MetricBatch) -> Result<(), OtelError>;

    /// Takes logs.
    ///
    /// # Errors
    /// [`OtelError::Full`] where not all of them were taken.
    #[operation(idempotent)]
    async fn logs(&self, context: &CallContext, logs: Vec<Log>) -> Result<(), OtelError>;
}
