//! An OpenTelemetry collector as a provider of wasi:otel: OTLP over gRPC, or over HTTP.
//!
//! Invariants:
//! - nobody waits for the collector: what is given goes into a bounded queue, and from there in batches.
//!   What does not fit is refused and counted;
//! - a collector that is away, at the start or later, is no failure of the provider: batches are tried
//!   again, as OTLP says, and for no longer than [`RETRIED_FOR`];
//! - what the collector itself refuses is not sent again, and counted;
//! - headers, in which a secret may be, are in no log and no error.
//!
//! Start reading at [`OpenTelemetry`], then [`Exporter`].

mod config;
mod encode;
mod exporter;
mod provider;

pub use config::{OpenTelemetryConfig, Protocol};
pub use exporter::{Counts, Exporter, ExporterError, RETRIED_FOR};
pub use provider::{ConnectError, OpenTelemetry};
