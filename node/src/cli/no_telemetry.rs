//! A program that was built without the exporter sends nothing of its own.

use wrt_contract::Measured;

use super::{exit::Failure, metrics::Source};

/// Nothing.
pub(super) struct Telemetry;

impl Telemetry {
    /// Starts nothing.
    pub(super) fn start(_node: &str) -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Sends none.
    pub(super) fn wants_metrics(&self) -> bool {
        false
    }

    /// Counts nothing.
    pub(super) fn counts(&self) -> impl Fn() -> Vec<Measured> + Send + Sync + use<> {
        Vec::new
    }

    /// Sends none.
    pub(super) fn send_metrics(&mut self, _source: Source) {}

    /// Sends none.
    pub(super) fn report(&self) {}

    /// Has nothing to send.
    pub(super) async fn finish(self) {}
}
