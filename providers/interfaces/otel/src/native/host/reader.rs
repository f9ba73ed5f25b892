//! Reads what a guest gives: checks it, and counts its bytes.

use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

use super::bindings::wasi::otel::{logs, metrics, tracing, types};
use crate::{
    Attribute, Buckets, Event, Exemplar, ExponentialPoint, HistogramPoint, Link, Log, Metric,
    MetricBatch, MetricData, Number, NumberPoint, Resource, Scope, ScopeMetrics, Span, SpanContext,
    SpanKind, SpanStatus, Temporality, Timestamp, Value,
};

/// What a record or a point takes beside its texts.
const EACH_BYTES: usize = 64;
/// What a tracestate may have, and how many entries: the recommendation's limits.
const STATE_BYTES_MAX: usize = 512;
const STATE_ENTRIES_MAX: usize = 32;

/// What is no record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// It is too large.
    #[error("it has more than {0} bytes")]
    TooLarge(usize),
    /// An id that is none.
    #[error("{0} is not {1} digits of hexadecimal, or is zero")]
    Id(&'static str, usize),
}

/// Reads one record.
pub(super) struct Reader {
    bytes: usize,
    bytes_max: usize,
}

type Read<T> = Result<T, Malformed>;

impl Reader {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: 0,
            bytes_max,
        }
    }

    /// How large what was read is.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn count(&mut self, bytes: usize) -> Read<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.bytes <= self.bytes_max {
            true => Ok(()),
            false => Err(Malformed::TooLarge(self.bytes_max)),
        }
    }

    fn text(&mut self, text: String) -> Read<String> {
        self.count(text.len())?;
        Ok(text)
    }

    fn maybe(&mut self, text: Option<String>) -> Read<Option<String>> {
        text.map(|text| self.text(text)).transpose()
    }

    fn attributes(&mut self, given: Vec<types::KeyValue>) -> Read<Vec<Attribute>> {
        self.each(given, |reader, types::KeyValue { key, value }| {
            Ok(Attribute {
                key: reader.text(key)?,
                value: Value(reader.text(value)?),
            })
        })
    }

    fn each<T, U>(
        &mut self,
        given: Vec<T>,
        read: impl Fn(&mut Self, T) -> Read<U>,
    ) -> Read<Vec<U>> {
        self.count(given.len().saturating_mul(EACH_BYTES))?;
        given.into_iter().map(|it| read(self, it)).collect()
    }

    fn scope(&mut self, given: types::InstrumentationScope) -> Read<Scope> {
        Ok(Scope {
            name: self.text(given.name)?,
            version: self.maybe(given.version)?,
            schema_url: self.maybe(given.schema_url)?,
            attributes: self.attributes(given.attributes)?,
        })
    }

    fn resource(&mut self, given: types::Resource) -> Read<Resource> {
        Ok(Resource {
            attributes: self.attributes(given.attributes)?,
            schema_url: self.maybe(given.schema_url)?,
        })
    }

    pub(super) fn span_context(&mut self, given: tracing::SpanContext) -> Read<SpanContext> {
        self.count(EACH_BYTES)?;
        Ok(SpanContext {
            trace_id: trace_id(&given.trace_id)?,
            span_id: span_id(&given.span_id)?,
            is_sampled: given.trace_flags.contains(tracing::TraceFlags::SAMPLED),
            is_remote: given.is_remote,
            state: trace_state(&given.trace_state),
        })
    }

    pub(super) fn span(
        &mut self,
        context: SpanContext,
        given: tracing::SpanData,
        resource: Resource,
    ) -> Read<Span> {
        let parent = match given.parent_span_id.as_str() {
            "" | "0000000000000000" => None,
            parent => Some(span_id(parent)?),
        };
        Ok(Span {
            resource,
            scope: self.scope(given.instrumentation_scope)?,
            context,
            parent,
            kind: match given.span_kind {
                tracing::SpanKind::Client => SpanKind::Client,
                tracing::SpanKind::Server => SpanKind::Server,
                tracing::SpanKind::Producer => SpanKind::Producer,
                tracing::SpanKind::Consumer => SpanKind::Consumer,
                tracing::SpanKind::Internal => SpanKind::Internal,
            },
            name: self.text(given.name)?,
            start: time(given.start_time),
            end: time(given.end_time),
            attributes: self.attributes(given.attributes)?,
            events: self.each(given.events, |reader, event| {
                Ok(Event {
                    name: reader.text(event.name)?,
                    time: time(event.time),
                    attributes: reader.attributes(event.attributes)?,
                })
            })?,
            links: self.each(given.links, |reader, link| {
                Ok(Link {
                    context: reader.span_context(link.span_context)?,
                    attributes: reader.attributes(link.attributes)?,
                })
            })?,
            status: match given.status {
                tracing::Status::Unset => SpanStatus::Unset,
                tracing::Status::Ok => SpanStatus::Ok,
                tracing::Status::Error(why) => SpanStatus::Error(self.text(why)?),
            },
            dropped_attributes: given.dropped_attributes,
            dropped_events: given.dropped_events,
            dropped_links: given.dropped_links,
        })
    }

    pub(super) fn log(&mut self, given: logs::LogRecord, about: Resource) -> Read<Log> {
        self.count(EACH_BYTES)?;
        let own = given.resource.map(|own| self.resource(own)).transpose()?;
        let scope = given.instrumentation_scope;
        let scope = scope.map(|scope| self.scope(scope)).transpose()?;
        let is_given = |id: &String| !id.is_empty() && id.bytes().any(|digit| digit != b'0');
        let flags = given.trace_flags;
        Ok(Log {
            resource: about.with(own.unwrap_or_default()),
            scope: scope.unwrap_or_default(),
            time: given.timestamp.map(time),
            observed: given.observed_timestamp.map(time),
            severity_text: self.maybe(given.severity_text)?,
            severity: given.severity_number.filter(|it| (1..=24).contains(it)),
            body: self.maybe(given.body)?.map(Value),
            attributes: self.attributes(given.attributes.unwrap_or_default())?,
            event_name: self.maybe(given.event_name)?,
            trace_id: given
                .trace_id
                .filter(is_given)
                .map(|id| trace_id(&id))
                .transpose()?,
            span_id: given
                .span_id
                .filter(is_given)
                .map(|id| span_id(&id))
                .transpose()?,
            is_sampled: flags.is_some_and(|it| it.contains(tracing::TraceFlags::SAMPLED)),
        })
    }

    pub(super) fn metrics(
        &mut self,
        given: metrics::ResourceMetrics,
        about: Resource,
    ) -> Read<MetricBatch> {
        let own = self.resource(given.resource)?;
        Ok(MetricBatch {
            resource: about.with(own),
            scopes: self.each(given.scope_metrics, |reader, scope| {
                Ok(ScopeMetrics {
                    scope: reader.scope(scope.scope)?,
                    metrics: reader.each(scope.metrics, Self::metric)?,
                })
            })?,
        })
    }

    fn metric(&mut self, given: metrics::Metric) -> Read<Metric> {
        Ok(Metric {
            name: self.text(given.name)?,
            description: self.text(given.description)?,
            unit: self.text(given.unit)?,
            data: self.data(given.data)?,
        })
    }

    fn data(&mut self, given: metrics::MetricData) -> Read<MetricData> {
        use metrics::MetricData as Given;
        match given {
            Given::F64Gauge(gauge) | Given::U64Gauge(gauge) | Given::S64Gauge(gauge) => {
                Ok(MetricData::Gauge {
                    start: gauge.start_time.map(time),
                    time: time(gauge.time),
                    points: self.each(gauge.data_points, |reader, point| {
                        reader.number_point(point.attributes, point.value, point.exemplars)
                    })?,
                })
            }
            Given::F64Sum(sum) | Given::U64Sum(sum) | Given::S64Sum(sum) => Ok(MetricData::Sum {
                start: time(sum.start_time),
                time: time(sum.time),
                temporality: temporality(sum.temporality, sum.is_monotonic),
                is_monotonic: sum.is_monotonic,
                points: self.each(sum.data_points, |reader, point| {
                    reader.number_point(point.attributes, point.value, point.exemplars)
                })?,
            }),
            Given::F64Histogram(it) | Given::U64Histogram(it) | Given::S64Histogram(it) => {
                Ok(MetricData::Histogram {
                    start: time(it.start_time),
                    time: time(it.time),
                    temporality: temporality(it.temporality, true),
                    points: self.each(it.data_points, Self::histogram_point)?,
                })
            }
            Given::F64ExponentialHistogram(it)
            | Given::U64ExponentialHistogram(it)
            | Given::S64ExponentialHistogram(it) => Ok(MetricData::Exponential {
                start: time(it.start_time),
                time: time(it.time),
                temporality: temporality(it.temporality, true),
                points: self.each(it.data_points, Self::exponential_point)?,
            }),
        }
    }

    fn number_point(
        &mut self,
        attributes: Vec<types::KeyValue>,
        value: metrics::MetricNumber,
        exemplars: Vec<metrics::Exemplar>,
    ) -> Read<NumberPoint> {
        Ok(NumberPoint {
            attributes: self.attributes(attributes)?,
            value: number(value),
            exemplars: self.exemplars(exemplars)?,
        })
    }

    fn histogram_point(&mut self, given: metrics::HistogramDataPoint) -> Read<HistogramPoint> {
        self.count((given.bounds.len() + given.bucket_counts.len()).saturating_mul(8))?;
        Ok(HistogramPoint {
            attributes: self.attributes(given.attributes)?,
            count: given.count,
            bounds: given.bounds,
            bucket_counts: given.bucket_counts,
            min: given.min.map(number),
            max: given.max.map(number),
            sum: number(given.sum),
            exemplars: self.exemplars(given.exemplars)?,
        })
    }

    fn exponential_point(
        &mut self,
        given: metrics::ExponentialHistogramDataPoint,
    ) -> Read<ExponentialPoint> {
        let (positive, negative) = (given.positive_bucket, given.negative_bucket);
        self.count((positive.counts.len() + negative.counts.len()).saturating_mul(8))?;
        let buckets = |given: metrics::ExponentialBucket| Buckets {
            offset: given.offset,
            counts: given.counts,
        };
        Ok(ExponentialPoint {
            attributes: self.attributes(given.attributes)?,
            count: given.count,
            min: given.min.map(number),
            max: given.max.map(number),
            sum: number(given.sum),
            scale: given.scale,
            zero_count: given.zero_count,
            zero_threshold: given.zero_threshold,
            positive: buckets(positive),
            negative: buckets(negative),
            exemplars: self.exemplars(given.exemplars)?,
        })
    }

    fn exemplars(&mut self, given: Vec<metrics::Exemplar>) -> Read<Vec<Exemplar>> {
        self.each(given, |reader, exemplar| {
            Ok(Exemplar {
                attributes: reader.attributes(exemplar.filtered_attributes)?,
                time: time(exemplar.time),
                value: number(exemplar.value),
                // Empty, or zeros, where it was made in no trace.
                trace_id: trace_id(&exemplar.trace_id).ok(),
                span_id: span_id(&exemplar.span_id).ok(),
            })
        })
    }
}

fn number(given: metrics::MetricNumber) -> Number {
    match given {
        metrics::MetricNumber::F64(number) => Number::F64(number),
        metrics::MetricNumber::S64(number) => Number::S64(number),
        metrics::MetricNumber::U64(number) => Number::U64(number),
    }
}

/// Where the guest saves memory its counters and histograms begin anew, and all else does not.
fn temporality(given: metrics::Temporality, begins_anew_to_save: bool) -> Temporality {
    match given {
        metrics::Temporality::Cumulative => Temporality::Cumulative,
        metrics::Temporality::Delta => Temporality::Delta,
        metrics::Temporality::LowMemory if begins_anew_to_save => Temporality::Delta,
        metrics::Temporality::LowMemory => Temporality::Cumulative,
    }
}

fn time(given: Datetime) -> Timestamp {
    let seconds = given.seconds.saturating_mul(1_000_000_000);
    Timestamp(seconds.saturating_add(given.nanoseconds.into()))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn trace_id(text: &str) -> Read<u128> {
    let read = is_hex(text, 32).then(|| u128::from_str_radix(text, 16).ok());
    let id = read.flatten().filter(|id| *id != 0);
    id.ok_or(Malformed::Id("a trace's id", 32))
}

fn span_id(text: &str) -> Read<u64> {
    let read = is_hex(text, 16).then(|| u64::from_str_radix(text, 16).ok());
    let id = read.flatten().filter(|id| *id != 0);
    id.ok_or(Malformed::Id("a span's id", 16))
}

/// A list with a pair that is not legal counts as empty, as the WIT says.
fn trace_state(pairs: &[(String, String)]) -> String {
    let is_legal = |(key, value): &(String, String)| {
        let printable = |text: &str| {
            text.bytes()
                .all(|byte| (b' '..=b'~').contains(&byte) && !matches!(byte, b',' | b'='))
        };
        !key.is_empty() && !key.contains(' ') && printable(key) && printable(value)
    };
    if pairs.len() > STATE_ENTRIES_MAX || !pairs.iter().all(is_legal) {
        return String::new();
    }
    let written: Vec<_> = pairs
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let state = written.join(",");
    match state.len() <= STATE_BYTES_MAX {
        true => state,
        false => String::new(),
    }
}
