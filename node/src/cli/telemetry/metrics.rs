//! What is measured, as OTLP has it, and sent from time to time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::task::AbortOnDropHandle;
use wrt_contract::{DurationCounts, Measured, MeasuredValue};
use wrt_otel::{
    Attribute, HistogramPoint, Metric, MetricBatch, MetricData, Number, NumberPoint, Resource,
    ScopeMetrics, Temporality, Timestamp,
};

use super::{Source, Way, scope};

/// Sends metrics until it is dropped.
pub(super) struct Reports {
    reporter: Arc<Reporter>,
    _task: AbortOnDropHandle<()>,
}

struct Reporter {
    way: Way,
    source: Source,
    started: Timestamp,
}

impl Reports {
    /// Sends what `source` says, from the first interval on.
    pub(super) fn start(way: Way, interval: Duration, source: Source) -> Self {
        let reporter = Arc::new(Reporter {
            way,
            source,
            started: now(),
        });
        let reports = Arc::clone(&reporter);
        let task = tokio::spawn(async move {
            let mut ticks = interval_at(Instant::now() + interval, interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                reports.report();
            }
        });
        Self {
            reporter,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Hands over what there is now.
    pub(super) fn report(&self) {
        self.reporter.report();
    }
}

impl Reporter {
    fn report(&self) {
        let (measured, about) = ((self.source)(), self.way.about.clone());
        let batch = batch(measured, about, (self.started, now()));
        // What does not fit is counted where it is dropped; sums tell it the next time.
        let _full = self.way.exporter.metrics(batch);
    }
}

/// A metric for each instrument, with a point for each set of attributes.
fn batch(
    measured: Vec<Measured>,
    resource: Resource,
    (start, time): (Timestamp, Timestamp),
) -> MetricBatch {
    let mut metrics: Vec<Metric> = Vec::new();
    for one in measured {
        let metric = metrics.iter_mut().find(|it| it.name == one.instrument.name);
        match metric {
            Some(metric) => add(&mut metric.data, one),
            None => metrics.push(Metric {
                name: one.instrument.name.to_owned(),
                description: one.instrument.description.to_owned(),
                unit: one.instrument.unit.to_owned(),
                data: {
                    let mut data = empty(&one.value, start, time);
                    add(&mut data, one);
                    data
                },
            }),
        }
    }
    MetricBatch {
        resource,
        scopes: vec![ScopeMetrics {
            scope: scope(),
            metrics,
        }],
    }
}

fn empty(value: &MeasuredValue, start: Timestamp, time: Timestamp) -> MetricData {
    let temporality = Temporality::Cumulative;
    let sum = |is_monotonic| MetricData::Sum {
        start,
        time,
        temporality,
        is_monotonic,
        points: Vec::new(),
    };
    match value {
        MeasuredValue::Total(_) | MeasuredValue::TotalTime(_) => sum(true),
        MeasuredValue::Level(_) => sum(false),
        MeasuredValue::Durations(_) => MetricData::Histogram {
            start,
            time,
            temporality,
            points: Vec::new(),
        },
    }
}

fn add(data: &mut MetricData, measured: Measured) {
    let attributes = measured.attributes.into_iter();
    let attributes = attributes
        .map(|(key, value)| Attribute::text(key, value))
        .collect();
    let value = match measured.value {
        MeasuredValue::Total(number) | MeasuredValue::Level(number) => Number::U64(number),
        MeasuredValue::TotalTime(time) => Number::F64(time.as_secs_f64()),
        MeasuredValue::Durations(counts) => {
            if let MetricData::Histogram { points, .. } = data {
                points.push(histogram(attributes, &counts));
            }
            return;
        }
    };
    if let MetricData::Sum { points, .. } = data {
        points.push(NumberPoint {
            attributes,
            value,
            exemplars: Vec::new(),
        });
    }
}

fn histogram(attributes: Vec<Attribute>, counts: &DurationCounts) -> HistogramPoint {
    HistogramPoint {
        attributes,
        count: counts.count(),
        bounds: DurationCounts::bounds().to_vec(),
        bucket_counts: counts.buckets.to_vec(),
        min: None,
        max: None,
        sum: Number::F64(counts.sum.as_secs_f64()),
        exemplars: Vec::new(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measure tells the time of day, and nothing is decided by it"
)]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.unwrap_or_default().as_nanos();
    Timestamp(u64::try_from(nanos).unwrap_or(u64::MAX))
}
