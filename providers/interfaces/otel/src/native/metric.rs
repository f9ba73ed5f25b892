//! Metrics, summed up by whoever hands them over.

use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

use crate::{Attribute, Resource, Scope, Timestamp};

/// Metrics of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub struct MetricBatch {
    /// What they are about.
    pub resource: Resource,
    /// By the part of the program that made them.
    pub scopes: Vec<ScopeMetrics>,
}

/// Metrics of one part of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub struct ScopeMetrics {
    /// Which part.
    pub scope: Scope,
    /// The metrics.
    pub metrics: Vec<Metric>,
}

/// What an instrument has measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// What it is counted in.
    pub unit: String,
    /// What was measured.
    pub data: MetricData,
}

/// What was measured, by the kind of instrument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub enum MetricData {
    /// Values as they are now.
    Gauge {
        /// Since when.
        start: Option<Timestamp>,
        /// Until when.
        time: Timestamp,
        /// One for each set of attributes.
        points: Vec<NumberPoint>,
    },
    /// Sums.
    Sum {
        /// Since when.
        start: Timestamp,
        /// Until when.
        time: Timestamp,
        /// Whether it begins anew with each report.
        temporality: Temporality,
        /// Whether it never falls.
        is_monotonic: bool,
        /// One for each set of attributes.
        points: Vec<NumberPoint>,
    },
    /// How often measurements fell where.
    Histogram {
        /// Since when.
        start: Timestamp,
        /// Until when.
        time: Timestamp,
        /// Whether it begins anew with each report.
        temporality: Temporality,
        /// One for each set of attributes.
        points: Vec<HistogramPoint>,
    },
    /// The same with buckets that grow by a factor.
    Exponential {
        /// Since when.
        start: Timestamp,
        /// Until when.
        time: Timestamp,
        /// Whether it begins anew with each report.
        temporality: Temporality,
        /// One for each set of attributes.
        points: Vec<ExponentialPoint>,
    },
}

/// A number of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Schema)]
pub enum Number {
    /// Any.
    F64(f64),
    /// A whole one.
    S64(i64),
    /// A whole one that is not below zero.
    U64(u64),
}

/// What a sum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Temporality {
    /// All since the start.
    Cumulative,
    /// All since the last report.
    Delta,
}

/// The value for one set of attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub struct NumberPoint {
    /// Which set.
    pub attributes: Vec<Attribute>,
    /// The value.
    pub value: Number,
    /// Measurements that stand for others.
    pub exemplars: Vec<Exemplar>,
}

/// The histogram for one set of attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub struct HistogramPoint {
    /// Which set.
    pub attributes: Vec<Attribute>,
    /// How many measurements.
    pub count: u64,
    /// The upper bound of each bucket but the last.
    pub bounds: Vec<f64>,
    /// How many fell into each bucket.
    pub bucket_counts: Vec<u64>,
    /// The least.
    pub min: Option<Number>,
    /// The greatest.
    pub max: Option<Number>,
    /// The sum of them.
    pub sum: Number,
    /// Measurements that stand for others.
    pub exemplars: Vec<Exemplar>,
}

/// The exponential histogram for one set of attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub struct ExponentialPoint {
    /// Which set.
    pub attributes: Vec<Attribute>,
    /// How many measurements.
    pub count: u64,
    /// The least.
    pub min: Option<Number>,
    /// The greatest.
    pub max: Option<Number>,
    /// The sum of them.
    pub sum: Number,
    /// How fine it is.
    pub scale: i8,
    /// How many were zero, or nearly.
    pub zero_count: u64,
    /// How near to zero that is.
    pub zero_threshold: f64,
    /// Those above zero.
    pub positive: Buckets,
    /// Those below.
    pub negative: Buckets,
    /// Measurements that stand for others.
    pub exemplars: Vec<Exemplar>,
}

/// Buckets in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Buckets {
    /// The number of the first.
    pub offset: i32,
    /// How many fell into each.
    pub counts: Vec<u64>,
}

/// A measurement that stands for others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Schema)]
pub struct Exemplar {
    /// Its attributes that the sum does not have.
    pub attributes: Vec<Attribute>,
    /// When it was made.
    pub time: Timestamp,
    /// What was measured.
    pub value: Number,
    /// In which trace.
    pub trace_id: Option<u128>,
    /// In which span.
    pub span_id: Option<u64>,
}

impl Number {
    /// As a floating point number, which may round it.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        reason = "sums of histograms are floating point numbers in OTLP"
    )]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::F64(number) => number,
            Self::S64(number) => number as f64,
            Self::U64(number) => number as f64,
        }
    }
}
