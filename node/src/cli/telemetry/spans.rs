//! The runtime's spans, as OTLP has them.

use std::sync::Arc;

use wrt_contract::{EndedSpan, SpanKind, SpanSink, SpanValue};
use wrt_opentelemetry::Exporter;
use wrt_otel::{Attribute, Decoded, Resource, Span, SpanContext, SpanStatus, Timestamp};

use super::scope;

/// Takes the runtime's spans, and sends them under the node's name.
pub(super) struct Sink {
    pub(super) exporter: Arc<Exporter>,
    pub(super) about: Resource,
}

impl SpanSink for Sink {
    fn ended(&self, span: EndedSpan) {
        // What does not fit is counted, and told, where it is dropped.
        let _full = self.exporter.spans(vec![told(span, self.about.clone())]);
    }
}

fn told(span: EndedSpan, resource: Resource) -> Span {
    let attribute = |(key, value): (&'static str, SpanValue)| match value {
        SpanValue::Text(text) => Attribute::text(key, text),
        SpanValue::Number(number) => Attribute {
            key: key.to_owned(),
            value: Decoded::Integer(number).into(),
        },
    };
    let mut context = SpanContext::from(&span.context);
    context.is_remote = false;
    Span {
        resource,
        scope: scope(),
        context,
        parent: span.parent,
        kind: match span.kind {
            SpanKind::Client => wrt_otel::SpanKind::Client,
            SpanKind::Server => wrt_otel::SpanKind::Server,
            SpanKind::Consumer => wrt_otel::SpanKind::Consumer,
            SpanKind::Internal => wrt_otel::SpanKind::Internal,
        },
        name: span.name,
        start: Timestamp(span.start_unix_nanos),
        end: Timestamp(span.end_unix_nanos),
        attributes: span.attributes.into_iter().map(attribute).collect(),
        events: Vec::new(),
        links: Vec::new(),
        status: match span.error {
            Some(why) => SpanStatus::Error(why),
            None => SpanStatus::Unset,
        },
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    }
}
