//! The provider: what it is given goes to its exporter.

use wrt_contract::{CallContext, async_trait};
use wrt_otel::{Log, MetricBatch, Otel, OtelError, OtelInterface, Span, WasiOtel};
use wrt_runtime::{Backend, Entry, Serves, SettingsError};

use crate::{Counts, Exporter, ExporterError, OpenTelemetryConfig};

/// A collector, as a provider. Once connected it stays: it is no matter to it whether the collector is there.
#[derive(Debug)]
pub struct OpenTelemetry(Exporter);

/// Why the provider cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Settings that make no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The way to the collector cannot be set up.
    #[error("the way to the collector cannot be set up")]
    Exporter(#[source] ExporterError),
}

impl OpenTelemetry {
    /// What has become of what it was given.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.counts()
    }
}

impl Backend for OpenTelemetry {
    const NAME: &'static str = "opentelemetry";
    const NODE_FILES: &'static [&'static str] = &["authority_file"];

    type ConnectOptions = OpenTelemetryConfig;
    type ConnectError = ConnectError;

    async fn connect_with(config: OpenTelemetryConfig) -> Result<Self, ConnectError> {
        // Files are read: not on a thread of the runtime.
        let made = tokio::task::spawn_blocking(move || Exporter::prepare(&config));
        match made.await {
            Ok(Ok(prepared)) => Ok(Self(prepared.start())),
            Ok(Err(ExporterError::Settings(error))) => Err(ConnectError::Settings(error)),
            Ok(Err(error)) => Err(ConnectError::Exporter(error)),
            Err(_stopped) => Err(ConnectError::Exporter(ExporterError::Stopped)),
        }
    }

    fn is_for_good(error: &ConnectError) -> bool {
        matches!(error, ConnectError::Settings(_))
    }

    /// What its components have said is on its way to the collector when they are told so, and not there.
    async fn close(&self) {
        self.0.finish().await;
    }

    fn check(config: &OpenTelemetryConfig) -> Result<(), SettingsError> {
        config.parsed().map(drop)
    }
}

impl Serves<WasiOtel> for OpenTelemetry {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<OtelInterface>(|collector| collector);
    }
}

#[async_trait]
impl Otel for OpenTelemetry {
    async fn spans(&self, _: &CallContext, spans: Vec<Span>) -> Result<(), OtelError> {
        self.0.spans(spans)
    }

    async fn metrics(&self, _: &CallContext, metrics: MetricBatch) -> Result<(), OtelError> {
        self.0.metrics(metrics)
    }

    async fn logs(&self, _: &CallContext, logs: Vec<Log>) -> Result<(), OtelError> {
        self.0.logs(logs)
    }
}
