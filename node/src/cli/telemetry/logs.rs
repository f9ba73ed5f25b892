//! The log, as OTLP has it.

use tracing::Level;
use wrt_otel::{Attribute, Decoded, Log, Resource, Scope, Timestamp};

use super::scope;
use crate::cli::logging::Message;

pub(super) fn told(message: Message, resource: Resource) -> Log {
    let (severity, word) = match message.level {
        _ if message.is_critical => (21, "FATAL"),
        Level::TRACE => (1, "TRACE"),
        Level::DEBUG => (5, "DEBUG"),
        Level::INFO => (9, "INFO"),
        Level::WARN => (13, "WARN"),
        _ => (17, "ERROR"),
    };
    let at = Timestamp(message.unix_nanos);
    let fields = message.fields.into_iter();
    Log {
        resource,
        scope: Scope {
            name: message.target.to_owned(),
            ..scope()
        },
        time: Some(at),
        observed: Some(at),
        severity_text: Some(word.to_owned()),
        severity: Some(severity),
        body: Some(Decoded::Text(message.text).into()),
        attributes: fields
            .map(|(name, value)| Attribute::text(name, value))
            .collect(),
        event_name: None,
        trace_id: message.trace_id,
        span_id: message.span_id,
        is_sampled: message.span_id.is_some(),
    }
}
