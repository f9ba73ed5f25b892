//! A log.

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use wrt_otel::Log;

use super::{SAMPLED, any, attributes, span_id, trace_id};

/// The log itself; its resource and its scope are told beside it.
pub(crate) fn log(log: Log) -> LogRecord {
    LogRecord {
        time_unix_nano: log.time.map_or(0, |time| time.0),
        observed_time_unix_nano: log.observed.map_or(0, |time| time.0),
        severity_number: log.severity.map_or(0, i32::from),
        severity_text: log.severity_text.unwrap_or_default(),
        body: log.body.map(|body| any(body.decoded())),
        attributes: attributes(log.attributes),
        dropped_attributes_count: 0,
        flags: u32::from(log.is_sampled) * SAMPLED,
        trace_id: trace_id(log.trace_id),
        span_id: span_id(log.span_id),
        event_name: log.event_name.unwrap_or_default(),
    }
}
