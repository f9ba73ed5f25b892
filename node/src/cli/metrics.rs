//! What the process measures, told in two ways from one source: to whoever asks (`--metrics`), and to a
//! collector.

mod process;
mod prometheus;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use wrt_contract::{Instrument, Measured, MeasuredValue, measure_calls};

use super::{
    args::ListenAddress,
    exit::Failure,
    output::Output,
    port::{Port, text},
    telemetry::Telemetry,
};
use crate::Node;
use process::Process;

static LOG_DROPPED: Instrument = Instrument {
    name: "wrt.log.messages.dropped",
    unit: "{message}",
    description: "Messages of the log that found no room: standard error is read too slowly.",
};

/// All that is measured, as of now.
pub(super) type Source = Arc<dyn Fn() -> Vec<Measured> + Send + Sync>;

/// Tells, where somebody wants to know, until it is dropped.
pub(super) struct Metrics(Option<Port>);

impl Metrics {
    /// Takes the address that was asked for.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub(super) async fn listen(address: Option<ListenAddress>) -> Result<Self, Failure> {
        Ok(Self(match address {
            Some(address) => Some(Port::bind(address, "metrics", "--metrics").await?),
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
        if let Some(port) = &mut self.0 {
            let address = port.address();
            output.progress(&format!("metrics are at http://{address}/metrics"));
            let source = Arc::clone(&source);
            port.serve(Arc::new(move |request| page(request.uri().path(), &source)));
        }
        telemetry.send_metrics(source);
    }
}

fn page(path: &str, source: &Source) -> Response<Full<Bytes>> {
    if path != "/metrics" {
        return text(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    let mut response = Response::new(Full::from(prometheus::text(source())));
    let text = HeaderValue::from_static(prometheus::CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
