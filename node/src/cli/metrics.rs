//! What the process measures, told in two ways from one source: to whoever asks (`--metrics`), and to a
//! collector.

mod endpoint;
mod process;
mod prometheus;

use std::sync::Arc;

use wrt_contract::{Instrument, Measured, MeasuredValue, measure_calls};

use super::{args::MetricsAddress, exit::Failure, output::Output, telemetry::Telemetry};
use crate::Node;
use endpoint::Endpoint;
use process::Process;

static LOG_DROPPED: Instrument = Instrument {
    name: "wrt.log.messages.dropped",
    unit: "{message}",
    description: "Messages of the log that found no room: standard error is read too slowly.",
};

/// All that is measured, as of now.
pub(super) type Source = Arc<dyn Fn() -> Vec<Measured> + Send + Sync>;

/// Tells, where somebody wants to know, until it is dropped.
pub(super) struct Metrics(Option<Endpoint>);

impl Metrics {
    /// Takes the address that was asked for.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub(super) async fn listen(address: Option<MetricsAddress>) -> Result<Self, Failure> {
        Ok(Self(match address {
            Some(MetricsAddress(address)) => Some(Endpoint::bind(address).await?),
            None => None,
        }))
    }

    /// Tells of `node` from now on: at the address, and by `telemetry` where that sends metrics.
    pub(super) fn tell_of(&mut self, node: &Node, telemetry: &mut Telemetry, output: Output) {
        if self.0.is_none() && !telemetry.wants_metrics() {
            return;
        }
        measure_calls();
        let (node, process) = (node.measures(), Process::begun_now());
        let sent = telemetry.counts();
        let source: Source = Arc::new(move || {
            let mut all = node();
            all.extend(process.measured());
            let dropped = MeasuredValue::Total(output.log_messages_dropped());
            all.push(Measured::new(&LOG_DROPPED, dropped));
            all.extend(sent());
            all
        });
        if let Some(endpoint) = &mut self.0 {
            let address = endpoint.address();
            output.progress(&format!("metrics are at http://{address}/metrics"));
            endpoint.serve(Arc::clone(&source));
        }
        telemetry.send_metrics(source);
    }
}
