//! What the collector has written, read back: JSON as OTLP has it.

use std::sync::Arc;

use serde_json::Value as Json;
use wrt_contract::async_trait;
use wrt_otel::{
    Attribute, Buckets, Decoded, Event, Exemplar, ExponentialPoint, HistogramPoint, Link, Log,
    Metric, MetricBatch, MetricData, Number, NumberPoint, Resource, Scope, ScopeMetrics, Span,
    SpanContext, SpanKind, SpanStatus, Taken, Temporality, Timestamp, conformance::Collector,
};
use wrt_test_servers::OtelCollector;

/// What a collector has written so far.
pub(crate) struct Collected(Arc<OtelCollector>);

impl Collected {
    pub(crate) fn by(collector: &Arc<OtelCollector>) -> Self {
        Self(Arc::clone(collector))
    }
}

#[async_trait]
impl Collector for Collected {
    async fn about(&self, service: &str) -> Taken {
        let mut taken = Taken::default();
        for line in self.0.taken().unwrap() {
            // Most lines are of other cases.
            if !line.contains(service) {
                continue;
            }
            let line: Json = serde_json::from_str(&line).unwrap();
            for of in list(&line, "resourceSpans") {
                each(of, service, "scopeSpans", "spans", |resource, scope, it| {
                    taken.spans.push(span(resource, scope, it));
                });
            }
            for of in list(&line, "resourceLogs") {
                each(
                    of,
                    service,
                    "scopeLogs",
                    "logRecords",
                    |resource, scope, it| {
                        taken.logs.push(log(resource, scope, it));
                    },
                );
            }
            for of in list(&line, "resourceMetrics") {
                taken.metrics.extend(metrics(of, service));
            }
        }
        taken
    }
}

fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json[name].as_array().map_or(&[], Vec::as_slice)
}

/// Numbers of 64 bits are texts in JSON.
fn integer(json: &Json) -> i128 {
    match json {
        Json::String(text) => text.parse().unwrap(),
        Json::Number(number) => number.as_i128().unwrap(),
        Json::Null => 0,
        other => panic!("{other} is no number"),
    }
}

fn number<T: TryFrom<i128, Error: std::fmt::Debug>>(json: &Json) -> T {
    T::try_from(integer(json)).unwrap()
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn maybe(json: &Json) -> Option<String> {
    Some(text(json)).filter(|text| !text.is_empty())
}

fn time(json: &Json) -> Timestamp {
    Timestamp(number(json))
}

fn trace_id(json: &Json) -> Option<u128> {
    maybe(json).map(|text| u128::from_str_radix(&text, 16).unwrap())
}

fn span_id(json: &Json) -> Option<u64> {
    maybe(json).map(|text| u64::from_str_radix(&text, 16).unwrap())
}

fn value(json: &Json) -> Decoded {
    let Some((kind, value)) = json.as_object().and_then(|it| it.iter().next()) else {
        return Decoded::Empty;
    };
    match kind.as_str() {
        "stringValue" => Decoded::Text(text(value)),
        "boolValue" => Decoded::Bool(value.as_bool().unwrap()),
        "intValue" => Decoded::Integer(number(value)),
        "doubleValue" => Decoded::Double(value.as_f64().unwrap()),
        "bytesValue" => Decoded::Bytes(bytes(&text(value))),
        "arrayValue" => Decoded::List(list(value, "values").iter().map(self::value).collect()),
        "kvlistValue" => {
            let pair = |it: &Json| (text(&it["key"]), self::value(&it["value"]));
            Decoded::Map(list(value, "values").iter().map(pair).collect())
        }
        other => panic!("{other} is no kind of value"),
    }
}

/// Read as the interface reads it, which has its own tests.
fn bytes(base64: &str) -> Vec<u8> {
    match wrt_otel::Value(format!("\"{{base64}}:{base64}\"")).decoded() {
        Decoded::Bytes(bytes) => bytes,
        other => panic!("{other:?} is no base64"),
    }
}

fn attributes(json: &Json, name: &str) -> Vec<Attribute> {
    let attribute = |it: &Json| Attribute {
        key: text(&it["key"]),
        value: value(&it["value"]).into(),
    };
    list(json, name).iter().map(attribute).collect()
}

fn resource(json: &Json) -> Resource {
    Resource {
        attributes: attributes(&json["resource"], "attributes"),
        schema_url: maybe(&json["schemaUrl"]),
    }
}

fn scope(json: &Json) -> Scope {
    Scope {
        name: text(&json["scope"]["name"]),
        version: maybe(&json["scope"]["version"]),
        schema_url: maybe(&json["schemaUrl"]),
        attributes: attributes(&json["scope"], "attributes"),
    }
}

fn is_about(resource: &Resource, service: &str) -> bool {
    let service = Attribute::text("service.name", service);
    resource.attributes.contains(&service)
}

fn each(
    json: &Json,
    service: &str,
    scopes: &str,
    records: &str,
    mut found: impl FnMut(Resource, Scope, &Json),
) {
    let resource = resource(json);
    if !is_about(&resource, service) {
        return;
    }
    for of_scope in list(json, scopes) {
        for record in list(of_scope, records) {
            found(resource.clone(), scope(of_scope), record);
        }
    }
}

fn span(resource: Resource, scope: Scope, json: &Json) -> Span {
    let flags: u32 = number(&json["flags"]);
    Span {
        resource,
        scope,
        context: SpanContext {
            trace_id: trace_id(&json["traceId"]).unwrap(),
            span_id: span_id(&json["spanId"]).unwrap(),
            is_sampled: flags & 1 == 1,
            is_remote: false,
            state: text(&json["traceState"]),
        },
        parent: span_id(&json["parentSpanId"]),
        kind: match integer(&json["kind"]) {
            1 => SpanKind::Internal,
            2 => SpanKind::Server,
            3 => SpanKind::Client,
            4 => SpanKind::Producer,
            5 => SpanKind::Consumer,
            other => panic!("{other} is no kind of span"),
        },
        name: text(&json["name"]),
        start: time(&json["startTimeUnixNano"]),
        end: time(&json["endTimeUnixNano"]),
        attributes: attributes(json, "attributes"),
        events: list(json, "events")
            .iter()
            .map(|it| Event {
                name: text(&it["name"]),
                time: time(&it["timeUnixNano"]),
                attributes: attributes(it, "attributes"),
            })
            .collect(),
        links: list(json, "links").iter().map(link).collect(),
        status: match integer(&json["status"]["code"]) {
            0 => SpanStatus::Unset,
            1 => SpanStatus::Ok,
            2 => SpanStatus::Error(text(&json["status"]["message"])),
            other => panic!("{other} is no status"),
        },
        dropped_attributes: number(&json["droppedAttributesCount"]),
        dropped_events: number(&json["droppedEventsCount"]),
        dropped_links: number(&json["droppedLinksCount"]),
    }
}

fn link(json: &Json) -> Link {
    let flags: u32 = number(&json["flags"]);
    assert_eq!(
        flags & 0x100,
        0x100,
        "whether it came from elsewhere is known"
    );
    Link {
        context: SpanContext {
            trace_id: trace_id(&json["traceId"]).unwrap(),
            span_id: span_id(&json["spanId"]).unwrap(),
            is_sampled: flags & 1 == 1,
            is_remote: flags & 0x200 == 0x200,
            state: text(&json["traceState"]),
        },
        attributes: attributes(json, "attributes"),
    }
}

fn log(resource: Resource, scope: Scope, json: &Json) -> Log {
    let given = |name: &str| Some(time(&json[name])).filter(|time| time.0 != 0);
    let severity: u8 = number(&json["severityNumber"]);
    let flags: u32 = number(&json["flags"]);
    let body = Some(value(&json["body"])).filter(|body| *body != Decoded::Empty);
    Log {
        resource,
        scope,
        time: given("timeUnixNano"),
        observed: given("observedTimeUnixNano"),
        severity_text: maybe(&json["severityText"]),
        severity: Some(severity).filter(|severity| *severity != 0),
        body: body.map(Into::into),
        attributes: attributes(json, "attributes"),
        event_name: maybe(&json["eventName"]),
        trace_id: trace_id(&json["traceId"]),
        span_id: span_id(&json["spanId"]),
        is_sampled: flags & 1 == 1,
    }
}

fn metrics(json: &Json, service: &str) -> Option<MetricBatch> {
    let resource = resource(json);
    is_about(&resource, service).then(|| MetricBatch {
        resource,
        scopes: list(json, "scopeMetrics")
            .iter()
            .map(|of_scope| ScopeMetrics {
                scope: scope(of_scope),
                metrics: list(of_scope, "metrics").iter().map(metric).collect(),
            })
            .collect(),
    })
}

fn metric(json: &Json) -> Metric {
    Metric {
        name: text(&json["name"]),
        description: text(&json["description"]),
        unit: text(&json["unit"]),
        data: data(json),
    }
}

fn data(json: &Json) -> MetricData {
    let of = |kind: &str| json.get(kind).filter(|it| !it.is_null());
    if let Some(gauge) = of("gauge") {
        let (start, time, points) = points(gauge, number_point);
        return MetricData::Gauge {
            start: Some(start).filter(|start| start.0 != 0),
            time,
            points,
        };
    }
    if let Some(sum) = of("sum") {
        let (start, time, points) = points(sum, number_point);
        return MetricData::Sum {
            start,
            time,
            temporality: temporality(sum),
            is_monotonic: sum["isMonotonic"].as_bool().unwrap_or_default(),
            points,
        };
    }
    if let Some(histogram) = of("histogram") {
        let (start, time, points) = points(histogram, histogram_point);
        return MetricData::Histogram {
            start,
            time,
            temporality: temporality(histogram),
            points,
        };
    }
    let histogram = of("exponentialHistogram").unwrap();
    let (start, time, points) = points(histogram, exponential_point);
    MetricData::Exponential {
        start,
        time,
        temporality: temporality(histogram),
        points,
    }
}

fn temporality(json: &Json) -> Temporality {
    match integer(&json["aggregationTemporality"]) {
        1 => Temporality::Delta,
        2 => Temporality::Cumulative,
        other => panic!("{other} is no temporality"),
    }
}

/// Each point has the times of the whole.
fn points<T>(json: &Json, point: fn(&Json) -> T) -> (Timestamp, Timestamp, Vec<T>) {
    let points = list(json, "dataPoints");
    let times = |it: &Json| (time(&it["startTimeUnixNano"]), time(&it["timeUnixNano"]));
    let (start, time) = times(&points[0]);
    assert!(points.iter().all(|it| times(it) == (start, time)));
    (start, time, points.iter().map(point).collect())
}

fn either(json: &Json) -> Number {
    match json.get("asInt") {
        Some(whole) => Number::S64(number(whole)),
        None => Number::F64(json["asDouble"].as_f64().unwrap()),
    }
}

fn number_point(json: &Json) -> NumberPoint {
    NumberPoint {
        attributes: attributes(json, "attributes"),
        value: either(json),
        exemplars: exemplars(json),
    }
}

fn double(json: &Json) -> Option<Number> {
    json.as_f64().map(Number::F64)
}

fn counts(json: &Json, name: &str) -> Vec<u64> {
    list(json, name).iter().map(number).collect()
}

fn histogram_point(json: &Json) -> HistogramPoint {
    let bounds = list(json, "explicitBounds").iter();
    HistogramPoint {
        attributes: attributes(json, "attributes"),
        count: number(&json["count"]),
        bounds: bounds.map(|it| it.as_f64().unwrap()).collect(),
        bucket_counts: counts(json, "bucketCounts"),
        min: double(&json["min"]),
        max: double(&json["max"]),
        sum: double(&json["sum"]).unwrap(),
        exemplars: exemplars(json),
    }
}

fn exponential_point(json: &Json) -> ExponentialPoint {
    let buckets = |name: &str| Buckets {
        offset: number(&json[name]["offset"]),
        counts: counts(&json[name], "bucketCounts"),
    };
    ExponentialPoint {
        attributes: attributes(json, "attributes"),
        count: number(&json["count"]),
        min: double(&json["min"]),
        max: double(&json["max"]),
        sum: double(&json["sum"]).unwrap(),
        scale: number(&json["scale"]),
        zero_count: number(&json["zeroCount"]),
        zero_threshold: json["zeroThreshold"].as_f64().unwrap_or_default(),
        positive: buckets("positive"),
        negative: buckets("negative"),
        exemplars: exemplars(json),
    }
}

fn exemplars(json: &Json) -> Vec<Exemplar> {
    let exemplar = |it: &Json| Exemplar {
        attributes: attributes(it, "filteredAttributes"),
        time: time(&it["timeUnixNano"]),
        value: either(it),
        trace_id: trace_id(&it["traceId"]),
        span_id: span_id(&it["spanId"]),
    };
    list(json, "exemplars").iter().map(exemplar).collect()
}
