//! The way of records to a collector: a queue for each signal, batches, attempts.

mod outcome;
mod queue;
mod signal;
mod tls;
mod way;
mod worker;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use wrt_otel::{Log, MetricBatch, OtelError, Resource, Span};
use wrt_runtime::SettingsError;

use crate::{OpenTelemetryConfig, config::Parsed};
use queue::{Item, Queue, Tally};
use signal::{Logs, Metrics, Signal, Spans};
pub use tls::TlsError;
use way::Way;

/// How long a batch is tried again before it is dropped: as the collector's own exporters do.
pub const RETRIED_FOR: Duration = Duration::from_secs(300);
/// Bytes that wait, of spans, metrics and logs each, beside the bound on their number.
pub(crate) const QUEUE_BYTES_MAX: usize = 32 << 20;
/// Bytes of a batch: less than what a collector takes in one message of gRPC by default.
pub(crate) const BATCH_BYTES_MAX: usize = 2 << 20;
/// How long what waits has to get to the collector when the exporter is stopped.
pub(crate) const FLUSHED_WITHIN: Duration = Duration::from_secs(5);

/// How often it is looked whether all is sent.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Why there is no way to a collector.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// Settings that make no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Certificates that cannot be used.
    #[error("TLS cannot be set up")]
    Tls(#[source] TlsError),
    /// The program stops.
    #[error("the program stops")]
    Stopped,
}

/// What has become of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Taken by the collector.
    pub sent: u64,
    /// Not taken in, because the queue was full, or dropped when the collector was away for too long.
    pub dropped: u64,
    /// Refused by the collector.
    pub rejected: u64,
    /// Attempts that were not the first of their batch.
    pub retried: u64,
    /// In the queue, or in a batch that is on its way.
    pub waiting: u64,
}

/// Settings that were read, and files with them: what is left needs a runtime.
pub struct Prepared {
    parsed: Parsed,
    way: Way,
}

/// Takes records, and sends them to a collector. Dropping it sends what waits, for at most five seconds.
pub struct Exporter {
    spans: Handle<Spans>,
    metrics: Handle<Metrics>,
    logs: Handle<Logs>,
    about: Resource,
}

/// A queue, and the end of its worker.
struct Handle<S: Signal>(Arc<Queue<S>>);

impl Exporter {
    /// Reads the settings, and the files that they name: not for a thread of the runtime.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn prepare(config: &OpenTelemetryConfig) -> Result<Prepared, ExporterError> {
        let parsed = config.parsed()?;
        let tls =
            tls::client_config(config.authority_file.as_deref()).map_err(ExporterError::Tls)?;
        let way = Way::new(&parsed, tls);
        Ok(Prepared { parsed, way })
    }

    /// Takes spans.
    ///
    /// # Errors
    /// [`OtelError::Full`] where not all of them fit; the first of them are taken then.
    pub fn spans(&self, spans: Vec<Span>) -> Result<(), OtelError> {
        let item = |span: Span| Item::<Spans>::new(span, &self.about);
        self.spans.0.take_in(spans.into_iter().map(item))
    }

    /// Takes metrics.
    ///
    /// # Errors
    /// As [`Exporter::spans`].
    pub fn metrics(&self, metrics: MetricBatch) -> Result<(), OtelError> {
        let items = Item::<Metrics>::each(metrics, &self.about);
        self.metrics.0.take_in(items)
    }

    /// Takes logs.
    ///
    /// # Errors
    /// As [`Exporter::spans`].
    pub fn logs(&self, logs: Vec<Log>) -> Result<(), OtelError> {
        let item = |log: Log| Item::<Logs>::new(log, &self.about);
        self.logs.0.take_in(logs.into_iter().map(item))
    }

    /// Takes nothing more, and waits until what it has taken is sent or dropped: at most five seconds.
    pub async fn finish(&self) {
        self.spans.0.close();
        self.metrics.0.close();
        self.logs.0.close();
        let end = Instant::now() + FLUSHED_WITHIN;
        while self.counts().waiting > 0 && Instant::now() < end {
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// What has become of what it was given.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let all = [
            self.spans.counts(),
            self.metrics.counts(),
            self.logs.counts(),
        ];
        all.into_iter().fold(Counts::default(), |sum, of| Counts {
            sent: sum.sent + of.sent,
            dropped: sum.dropped + of.dropped,
            rejected: sum.rejected + of.rejected,
            retried: sum.retried + of.retried,
            waiting: sum.waiting + of.waiting,
        })
    }
}

impl Prepared {
    /// Starts to send.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(self) -> Exporter {
        let Self { parsed, way } = self;
        Exporter {
            spans: Handle::start(&parsed, &way),
            metrics: Handle::start(&parsed, &way),
            logs: Handle::start(&parsed, &way),
            about: Resource {
                attributes: parsed.attributes,
                schema_url: None,
            },
        }
    }
}

impl<S: Signal> Handle<S> {
    fn start(parsed: &Parsed, way: &Way) -> Self {
        let queue = Arc::new(Queue::new(parsed.queue_max, QUEUE_BYTES_MAX));
        let worker = worker::Worker {
            queue: Arc::clone(&queue),
            way: way.clone(),
            delay: parsed.delay,
            batch_max: parsed.batch_max,
        };
        tokio::spawn(worker.run());
        Self(queue)
    }

    fn counts(&self) -> Counts {
        let Tally {
            sent,
            dropped,
            rejected,
            retried,
        } = &self.0.tally;
        Counts {
            sent: sent.load(Relaxed),
            dropped: dropped.load(Relaxed),
            rejected: rejected.load(Relaxed),
            retried: retried.load(Relaxed),
            waiting: self.0.waiting() as u64,
        }
    }
}

/// Its worker sends what waits, and ends.
impl<S: Signal> Drop for Handle<S> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exporter({:?})", self.counts())
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}
