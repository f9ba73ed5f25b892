//! A span.

use opentelemetry_proto::tonic::trace::v1::{
    self, SpanFlags, Status,
    span::{Event, Link, SpanKind},
    status::StatusCode,
};
use wrt_otel::{Span, SpanContext, SpanStatus};

use super::{SAMPLED, attributes, span_id, trace_id};

/// The span itself; its resource and its scope are told beside it.
pub(crate) fn span(span: Span) -> v1::Span {
    v1::Span {
        trace_id: trace_id(Some(span.context.trace_id)),
        span_id: span_id(Some(span.context.span_id)),
        parent_span_id: span_id(span.parent),
        flags: u32::from(span.context.is_sampled) * SAMPLED,
        trace_state: span.context.state,
        name: span.name,
        kind: match span.kind {
            wrt_otel::SpanKind::Client => SpanKind::Client,
            wrt_otel::SpanKind::Server => SpanKind::Server,
            wrt_otel::SpanKind::Producer => SpanKind::Producer,
            wrt_otel::SpanKind::Consumer => SpanKind::Consumer,
            wrt_otel::SpanKind::Internal => SpanKind::Internal,
        }
        .into(),
        start_time_unix_nano: span.start.0,
        end_time_unix_nano: span.end.0,
        attributes: attributes(span.attributes),
        dropped_attributes_count: span.dropped_attributes,
        events: span.events.into_iter().map(event).collect(),
        dropped_events_count: span.dropped_events,
        links: span.links.into_iter().map(link).collect(),
        dropped_links_count: span.dropped_links,
        status: status(span.status),
    }
}

fn event(event: wrt_otel::Event) -> Event {
    Event {
        time_unix_nano: event.time.0,
        name: event.name,
        attributes: attributes(event.attributes),
        dropped_attributes_count: 0,
    }
}

fn link(link: wrt_otel::Link) -> Link {
    Link {
        flags: flags_of_another(&link.context),
        trace_id: trace_id(Some(link.context.trace_id)),
        span_id: span_id(Some(link.context.span_id)),
        trace_state: link.context.state,
        attributes: attributes(link.attributes),
        dropped_attributes_count: 0,
    }
}

/// Of another span it is told whether it came from elsewhere.
fn flags_of_another(context: &SpanContext) -> u32 {
    let known = SpanFlags::ContextHasIsRemoteMask as u32;
    let remote = SpanFlags::ContextIsRemoteMask as u32;
    u32::from(context.is_sampled) * SAMPLED + known + u32::from(context.is_remote) * remote
}

fn status(status: SpanStatus) -> Option<Status> {
    let (code, message) = match status {
        SpanStatus::Unset => return None,
        SpanStatus::Ok => (StatusCode::Ok, String::new()),
        SpanStatus::Error(why) => (StatusCode::Error, why),
    };
    Some(Status {
        message,
        code: code.into(),
    })
}
