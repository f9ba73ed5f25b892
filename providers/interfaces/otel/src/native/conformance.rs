//! What every provider of telemetry does, as code.

mod fixture;
mod records;

use std::sync::Arc;

use wrt_conformance::{Case, cases, run_cases};

pub use self::fixture::Collector;
use self::{
    fixture::Fixture,
    records::{about, attributes, log, metric, metrics, number_point, span},
};
use crate::{
    Attribute, Buckets, Decoded, Event, Exemplar, ExponentialPoint, HistogramPoint, Link, Log,
    MetricData, Number, NumberPoint, Otel, Scope, Span, SpanContext, SpanKind, SpanStatus,
    Temporality, Timestamp, Value,
};

const CASES: &[Case<Fixture>] = cases![
    a_span_arrives_as_it_was_given,
    spans_keep_their_parents,
    each_kind_and_status_of_a_span_arrives,
    events_keep_their_order_and_attributes,
    links_lead_to_other_traces,
    what_was_dropped_before_is_told,
    values_of_each_kind_arrive,
    a_scope_and_a_resource_arrive_whole,
    a_log_arrives_as_it_was_given,
    a_log_of_nothing_arrives,
    a_gauge_arrives,
    sums_of_each_kind_arrive,
    a_histogram_arrives,
    an_exponential_histogram_arrives,
    exemplars_keep_their_spans,
    many_records_at_once_all_arrive,
    the_rest_of_a_batch_arrives_with_nothing_behind_it,
    records_of_several_resources_are_told_apart,
];

/// Runs every case; `collector` is where the provider's telemetry can be looked at.
///
/// # Panics
/// With the cases that failed.
pub async fn run(otel: Arc<dyn Otel>, collector: Arc<dyn Collector>) {
    let fixture = |case: &str| Fixture::new(case, Arc::clone(&otel), Arc::clone(&collector));
    run_cases(CASES, fixture).await;
}

async fn a_span_arrives_as_it_was_given(telemetry: Fixture) {
    let mut given = span(&telemetry.service, 1, 2);
    given.parent = Some(9);
    given.context.state = "vendor=a1,other=b2".to_owned();
    given.status = SpanStatus::Error("out of stock".to_owned());
    telemetry.spans(vec![given.clone()]).await;
    assert_eq!(telemetry.taken(1).await.spans, [given]);
}

async fn spans_keep_their_parents(telemetry: Fixture) {
    let mut given = Vec::new();
    for (id, parent) in [(1, None), (2, Some(1)), (3, Some(2)), (4, Some(1))] {
        let mut of = span(&telemetry.service, 7, id);
        of.parent = parent;
        given.push(of);
    }
    // The inner one ends first.
    for one in given.iter().rev() {
        telemetry.spans(vec![one.clone()]).await;
    }
    let mut spans = telemetry.taken(4).await.spans;
    spans.sort_by_key(|span| span.context.span_id);
    assert_eq!(spans, given);
}

async fn each_kind_and_status_of_a_span_arrives(telemetry: Fixture) {
    let given = [
        (SpanKind::Client, SpanStatus::Unset),
        (SpanKind::Server, SpanStatus::Ok),
        (SpanKind::Producer, SpanStatus::Error(String::new())),
        (SpanKind::Consumer, SpanStatus::Error("why".to_owned())),
        (SpanKind::Internal, SpanStatus::Unset),
    ];
    let given = given.into_iter().zip(1..).map(|((kind, status), id)| Span {
        kind,
        status,
        ..span(&telemetry.service, 1, id)
    });
    let given: Vec<_> = given.collect();
    telemetry.spans(given.clone()).await;
    assert_eq!(telemetry.taken(5).await.spans, given);
}

async fn events_keep_their_order_and_attributes(telemetry: Fixture) {
    let event = |name: &str, time, said: &[(&str, &str)]| Event {
        name: name.to_owned(),
        time: Timestamp(time),
        attributes: attributes(said),
    };
    let given = Span {
        events: vec![
            event("second", 1_700_000_000_000_000_002, &[("a", "1")]),
            event("first", 1_700_000_000_000_000_001, &[]),
            event("second", 1_700_000_000_000_000_002, &[]),
        ],
        ..span(&telemetry.service, 1, 1)
    };
    telemetry.spans(vec![given.clone()]).await;
    assert_eq!(telemetry.taken(1).await.spans, [given]);
}

async fn links_lead_to_other_traces(telemetry: Fixture) {
    let link = |trace_id, is_sampled, is_remote, state: &str| Link {
        context: SpanContext {
            trace_id,
            span_id: u64::MAX,
            is_sampled,
            is_remote,
            state: state.to_owned(),
        },
        attributes: attributes(&[("why", "batch")]),
    };
    let given = Span {
        links: vec![
            link(u128::MAX, true, true, "a=b"),
            link(2, false, false, ""),
            link(1 << 64, true, false, ""),
        ],
        ..span(&telemetry.service, 1, 1)
    };
    telemetry.spans(vec![given.clone()]).await;
    assert_eq!(telemetry.taken(1).await.spans, [given]);
}

async fn what_was_dropped_before_is_told(telemetry: Fixture) {
    let given = Span {
        dropped_attributes: 1,
        dropped_events: 2,
        dropped_links: u32::MAX,
        ..span(&telemetry.service, 1, 1)
    };
    telemetry.spans(vec![given.clone()]).await;
    assert_eq!(telemetry.taken(1).await.spans, [given]);
}

async fn values_of_each_kind_arrive(telemetry: Fixture) {
    let values = [
        Decoded::Bool(true),
        Decoded::Bool(false),
        Decoded::Integer(0),
        Decoded::Integer(i64::MIN),
        Decoded::Integer(i64::MAX),
        Decoded::Double(0.1),
        Decoded::Double(-1.0),
        Decoded::Double(2.5e-3),
        Decoded::Text(String::new()),
        Decoded::Text("\u{1F511} \"\\\n\0".to_owned()),
        Decoded::Bytes(vec![0, 255, 128]),
        Decoded::List(vec![Decoded::Integer(1), Decoded::Text("a".to_owned())]),
        Decoded::Map(vec![
            ("a".to_owned(), Decoded::List(vec![Decoded::Double(0.5)])),
            ("b".to_owned(), Decoded::Bytes(vec![1])),
        ]),
    ];
    let attribute = |(value, at): (Decoded, usize)| Attribute {
        key: format!("key-{at}"),
        value: value.into(),
    };
    let given = Span {
        attributes: values.clone().into_iter().zip(0..).map(attribute).collect(),
        ..span(&telemetry.service, 1, 1)
    };
    telemetry.spans(vec![given.clone()]).await;
    assert_eq!(telemetry.taken(1).await.spans, [given]);
    for value in values {
        let given = Log {
            body: Some(value.into()),
            ..log(&telemetry.service)
        };
        telemetry.logs(vec![given.clone()]).await;
    }
    let logs = telemetry.taken(1 + 13).await.logs;
    assert_eq!(logs.len(), 13);
    let bytes = Value::from(Decoded::Bytes(vec![0, 255, 128]));
    assert!(logs.iter().any(|log| log.body.as_ref() == Some(&bytes)));
}

async fn a_scope_and_a_resource_arrive_whole(telemetry: Fixture) {
    let mut given = span(&telemetry.service, 1, 1);
    given.scope = Scope {
        name: "library".to_owned(),
        version: Some("1.2.3".to_owned()),
        schema_url: Some("https://opentelemetry.io/schemas/1.30.0".to_owned()),
        attributes: attributes(&[("short", "yes")]),
    };
    given.resource.attributes.extend(attributes(&[("a", "b")]));
    given.resource.schema_url = Some("https://opentelemetry.io/schemas/1.29.0".to_owned());
    telemetry.spans(vec![given.clone()]).await;
    assert_eq!(telemetry.taken(1).await.spans, [given]);
}

async fn a_log_arrives_as_it_was_given(telemetry: Fixture) {
    let given = Log {
        time: Some(Timestamp(1_700_000_000_000_000_001)),
        observed: Some(Timestamp(1_700_000_000_000_000_002)),
        severity_text: Some("WARN".to_owned()),
        severity: Some(13),
        body: Some(Decoded::Text("low on stock".to_owned()).into()),
        attributes: attributes(&[("left", "3")]),
        event_name: Some("stock.low".to_owned()),
        trace_id: Some(1),
        span_id: Some(2),
        is_sampled: true,
        ..log(&telemetry.service)
    };
    telemetry.logs(vec![given.clone()]).await;
    assert_eq!(telemetry.taken(1).await.logs, [given]);
}

async fn a_log_of_nothing_arrives(telemetry: Fixture) {
    let given = log(&telemetry.service);
    telemetry.logs(vec![given.clone()]).await;
    assert_eq!(telemetry.taken(1).await.logs, [given]);
}

async fn a_gauge_arrives(telemetry: Fixture) {
    for (number, start) in [
        (Number::F64(-0.5), None),
        (Number::S64(i64::MIN), Some(Timestamp(5))),
    ] {
        let gauge = MetricData::Gauge {
            start,
            time: Timestamp(1_700_000_000_000_000_000),
            points: vec![
                number_point(number, &[("a", "b")]),
                number_point(number, &[]),
            ],
        };
        telemetry.arrives(metric("temperature", gauge)).await;
    }
}

async fn sums_of_each_kind_arrive(telemetry: Fixture) {
    for (temporality, is_monotonic) in
        [(Temporality::Cumulative, true), (Temporality::Delta, false)]
    {
        let sum = MetricData::Sum {
            start: Timestamp(1),
            time: Timestamp(1_700_000_000_000_000_000),
            temporality,
            is_monotonic,
            points: vec![number_point(Number::S64(7), &[("a", "b")])],
        };
        telemetry.arrives(metric("orders", sum)).await;
    }
}

async fn a_histogram_arrives(telemetry: Fixture) {
    let point = |min, max| HistogramPoint {
        attributes: attributes(&[("a", "b")]),
        count: 6,
        bounds: vec![0.5, 1.0],
        bucket_counts: vec![1, 2, 3],
        min,
        max,
        sum: Number::F64(7.5),
        exemplars: Vec::new(),
    };
    let histogram = MetricData::Histogram {
        start: Timestamp(1),
        time: Timestamp(2),
        temporality: Temporality::Delta,
        points: vec![
            point(Some(Number::F64(0.25)), Some(Number::F64(3.0))),
            point(None, None),
        ],
    };
    telemetry.arrives(metric("duration", histogram)).await;
}

async fn an_exponential_histogram_arrives(telemetry: Fixture) {
    let buckets = |offset, counts: &[u64]| Buckets {
        offset,
        counts: counts.to_vec(),
    };
    let point = ExponentialPoint {
        attributes: attributes(&[("a", "b")]),
        count: 7,
        min: Some(Number::F64(-2.0)),
        max: None,
        sum: Number::F64(0.5),
        scale: -3,
        zero_count: 1,
        zero_threshold: 0.001,
        positive: buckets(-4, &[1, 2]),
        negative: buckets(3, &[3]),
        exemplars: Vec::new(),
    };
    let histogram = MetricData::Exponential {
        start: Timestamp(1),
        time: Timestamp(2),
        temporality: Temporality::Cumulative,
        points: vec![point],
    };
    telemetry.arrives(metric("size", histogram)).await;
}

async fn exemplars_keep_their_spans(telemetry: Fixture) {
    let exemplar = |trace_id, span_id| Exemplar {
        attributes: attributes(&[("user", "anna")]),
        time: Timestamp(3),
        value: Number::S64(-1),
        trace_id,
        span_id,
    };
    let sum = MetricData::Sum {
        start: Timestamp(1),
        time: Timestamp(2),
        temporality: Temporality::Cumulative,
        is_monotonic: true,
        points: vec![NumberPoint {
            exemplars: vec![exemplar(Some(1), Some(2)), exemplar(None, None)],
            ..number_point(Number::F64(1.5), &[])
        }],
    };
    telemetry.arrives(metric("orders", sum)).await;
}

fn many(telemetry: &Fixture) -> Vec<Span> {
    let ids = 1..=1000;
    ids.map(|id| span(&telemetry.service, 1, id)).collect()
}

async fn all_arrive(telemetry: &Fixture, given: Vec<Span>) {
    let mut spans = telemetry.taken(given.len()).await.spans;
    spans.sort_by_key(|span| span.context.span_id);
    assert_eq!(spans, given);
}

async fn many_records_at_once_all_arrive(telemetry: Fixture) {
    let given = many(&telemetry);
    for part in given.chunks(250) {
        telemetry.spans(part.to_vec()).await;
    }
    all_arrive(&telemetry, given).await;
}

/// More than goes out at once, and no record comes after it.
async fn the_rest_of_a_batch_arrives_with_nothing_behind_it(telemetry: Fixture) {
    let given = many(&telemetry);
    telemetry.spans(given.clone()).await;
    all_arrive(&telemetry, given).await;
}

async fn records_of_several_resources_are_told_apart(telemetry: Fixture) {
    let other = format!("{}-2", telemetry.service);
    let (mine, theirs) = (span(&telemetry.service, 1, 1), span(&other, 1, 2));
    telemetry
        .spans(vec![mine.clone(), theirs.clone(), mine.clone()])
        .await;
    telemetry.metrics(metrics(&other, Vec::new())).await;
    assert_eq!(telemetry.taken(2).await.spans, [mine.clone(), mine]);
    let taken = telemetry.taken_about(&other, 1).await;
    assert_eq!(taken.spans, [theirs]);
    assert_eq!(about(&other).attributes, taken.spans[0].resource.attributes);
}
