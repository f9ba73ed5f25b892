//! A metric.

use opentelemetry_proto::tonic::metrics::v1::{
    self, AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge,
    Histogram, HistogramDataPoint, NumberDataPoint, Sum, exemplar,
    exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
};
use wrt_otel::{
    Exemplar, ExponentialPoint, HistogramPoint, Metric, MetricData, Number, NumberPoint,
    Temporality, Timestamp,
};

use super::{attributes, span_id, trace_id};

/// The metric itself; its resource and its scope are told beside it.
pub(crate) fn metric(metric: Metric) -> v1::Metric {
    v1::Metric {
        name: metric.name,
        description: metric.description,
        unit: metric.unit,
        metadata: Vec::new(),
        data: Some(data(metric.data)),
    }
}

fn data(data: MetricData) -> Data {
    match data {
        MetricData::Gauge {
            start,
            time,
            points,
        } => Data::Gauge(Gauge {
            data_points: numbers(start.unwrap_or_default(), time, points),
        }),
        MetricData::Sum {
            start,
            time,
            temporality,
            is_monotonic,
            points,
        } => Data::Sum(Sum {
            data_points: numbers(start, time, points),
            aggregation_temporality: covers(temporality),
            is_monotonic,
        }),
        MetricData::Histogram {
            start,
            time,
            temporality,
            points,
        } => Data::Histogram(Histogram {
            data_points: points
                .into_iter()
                .map(|it| histogram(start, time, it))
                .collect(),
            aggregation_temporality: covers(temporality),
        }),
        MetricData::Exponential {
            start,
            time,
            temporality,
            points,
        } => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: points
                .into_iter()
                .map(|it| exponential(start, time, it))
                .collect(),
            aggregation_temporality: covers(temporality),
        }),
    }
}

fn covers(temporality: Temporality) -> i32 {
    match temporality {
        Temporality::Cumulative => AggregationTemporality::Cumulative,
        Temporality::Delta => AggregationTemporality::Delta,
    }
    .into()
}

fn numbers(start: Timestamp, time: Timestamp, points: Vec<NumberPoint>) -> Vec<NumberDataPoint> {
    let number = |point: NumberPoint| NumberDataPoint {
        attributes: attributes(point.attributes),
        start_time_unix_nano: start.0,
        time_unix_nano: time.0,
        exemplars: exemplars(point.exemplars),
        flags: 0,
        value: Some(match whole(point.value) {
            Ok(whole) => number_data_point::Value::AsInt(whole),
            Err(number) => number_data_point::Value::AsDouble(number),
        }),
    };
    points.into_iter().map(number).collect()
}

/// A whole number as OTLP has it; else, or where it is too large for that, one that is rounded.
fn whole(number: Number) -> Result<i64, f64> {
    match number {
        Number::S64(number) => Ok(number),
        Number::U64(whole) => i64::try_from(whole).map_err(|_too_large| number.as_f64()),
        Number::F64(number) => Err(number),
    }
}

fn histogram(start: Timestamp, time: Timestamp, point: HistogramPoint) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(point.attributes),
        start_time_unix_nano: start.0,
        time_unix_nano: time.0,
        count: point.count,
        sum: Some(point.sum.as_f64()),
        bucket_counts: point.bucket_counts,
        explicit_bounds: point.bounds,
        exemplars: exemplars(point.exemplars),
        flags: 0,
        min: point.min.map(Number::as_f64),
        max: point.max.map(Number::as_f64),
    }
}

fn exponential(
    start: Timestamp,
    time: Timestamp,
    point: ExponentialPoint,
) -> ExponentialHistogramDataPoint {
    let buckets = |buckets: wrt_otel::Buckets| Buckets {
        offset: buckets.offset,
        bucket_counts: buckets.counts,
    };
    ExponentialHistogramDataPoint {
        attributes: attributes(point.attributes),
        start_time_unix_nano: start.0,
        time_unix_nano: time.0,
        count: point.count,
        sum: Some(point.sum.as_f64()),
        scale: point.scale.into(),
        zero_count: point.zero_count,
        positive: Some(buckets(point.positive)),
        negative: Some(buckets(point.negative)),
        flags: 0,
        exemplars: exemplars(point.exemplars),
        min: point.min.map(Number::as_f64),
        max: point.max.map(Number::as_f64),
        zero_threshold: point.zero_threshold,
    }
}

fn exemplars(given: Vec<Exemplar>) -> Vec<v1::Exemplar> {
    let exemplar = |given: Exemplar| v1::Exemplar {
        filtered_attributes: attributes(given.attributes),
        time_unix_nano: given.time.0,
        span_id: span_id(given.span_id),
        trace_id: trace_id(given.trace_id),
        value: Some(match whole(given.value) {
            Ok(whole) => exemplar::Value::AsInt(whole),
            Err(number) => exemplar::Value::AsDouble(number),
        }),
    };
    given.into_iter().map(exemplar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_stays_one_as_far_as_otlp_has_it() {
        assert_eq!(whole(Number::S64(i64::MIN)), Ok(i64::MIN));
        assert_eq!(whole(Number::U64(7)), Ok(7));
        assert_eq!(
            whole(Number::U64(u64::MAX)),
            Err(18_446_744_073_709_551_615.0)
        );
        assert_eq!(whole(Number::F64(7.0)), Err(7.0));
    }
}
