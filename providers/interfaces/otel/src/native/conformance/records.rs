//! Records with little in them.

use crate::{
    Attribute, Log, Metric, MetricBatch, MetricData, Number, NumberPoint, Resource, Scope,
    ScopeMetrics, Span, SpanContext, SpanKind, SpanStatus, Timestamp,
};

pub(crate) fn attributes(said: &[(&str, &str)]) -> Vec<Attribute> {
    let said = said.iter();
    said.map(|(key, value)| Attribute::text(*key, *value))
        .collect()
}

pub(crate) fn about(service: &str) -> Resource {
    Resource {
        attributes: attributes(&[("service.name", service)]),
        schema_url: None,
    }
}

fn scope() -> Scope {
    Scope {
        name: "suite".to_owned(),
        ..Scope::default()
    }
}

pub(crate) fn span(service: &str, trace_id: u128, span_id: u64) -> Span {
    Span {
        resource: about(service),
        scope: scope(),
        context: SpanContext {
            trace_id,
            span_id,
            is_sampled: true,
            is_remote: false,
            state: String::new(),
        },
        parent: None,
        kind: SpanKind::Internal,
        name: "check the order".to_owned(),
        start: Timestamp(1_700_000_000_000_000_000),
        end: Timestamp(1_700_000_000_000_000_001),
        attributes: attributes(&[("order.id", "7")]),
        events: Vec::new(),
        links: Vec::new(),
        status: SpanStatus::Unset,
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    }
}

pub(crate) fn log(service: &str) -> Log {
    Log {
        resource: about(service),
        scope: scope(),
        time: None,
        observed: None,
        severity_text: None,
        severity: None,
        body: None,
        attributes: Vec::new(),
        event_name: None,
        trace_id: None,
        span_id: None,
        is_sampled: false,
    }
}

pub(crate) fn number_point(value: Number, said: &[(&str, &str)]) -> NumberPoint {
    NumberPoint {
        attributes: attributes(said),
        value,
        exemplars: Vec::new(),
    }
}

pub(crate) fn metric(name: &str, data: MetricData) -> Metric {
    Metric {
        name: name.to_owned(),
        description: "for people".to_owned(),
        unit: "1".to_owned(),
        data,
    }
}

pub(crate) fn metrics(service: &str, metrics: Vec<Metric>) -> MetricBatch {
    MetricBatch {
        resource: about(service),
        scopes: vec![ScopeMetrics {
            scope: scope(),
            metrics,
        }],
    }
}
