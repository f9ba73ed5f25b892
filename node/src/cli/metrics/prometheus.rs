//! The text that Prometheus reads, format 0.0.4. Names are made as OpenTelemetry's page on it says.
//!
//! Sources: <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>.

use std::{collections::BTreeMap, fmt::Write as _};

use wrt_contract::{DurationCounts, Instrument, Measured, MeasuredValue};

/// What it is, for a header.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes all of it, the values of an instrument one after another.
pub(super) fn text(measured: Vec<Measured>) -> String {
    let mut families: BTreeMap<String, Vec<Measured>> = BTreeMap::new();
    for one in measured {
        let name = name(one.instrument, &one.value);
        families.entry(name).or_default().push(one);
    }
    let mut text = String::new();
    for (name, family) in families {
        let Measured {
            instrument, value, ..
        } = &family[0];
        let kind = match value {
            MeasuredValue::Total(_) | MeasuredValue::TotalTime(_) => "counter",
            MeasuredValue::Level(_) => "gauge",
            MeasuredValue::Durations(_) => "histogram",
        };
        // To write to a text cannot fail.
        let _written = writeln!(
            text,
            "# HELP {name} {}\n# TYPE {name} {kind}",
            instrument.description.replace('\\', "\\\\")
        );
        for one in &family {
            let labels = labels(one);
            match &one.value {
                MeasuredValue::Total(number) | MeasuredValue::Level(number) => {
                    line(&mut text, &name, &labels, None, number);
                }
                MeasuredValue::TotalTime(time) => {
                    line(&mut text, &name, &labels, None, time.as_secs_f64());
                }
                MeasuredValue::Durations(counts) => histogram(&mut text, &name, &labels, counts),
            }
        }
    }
    text
}

fn histogram(text: &mut String, name: &str, labels: &str, counts: &DurationCounts) {
    let (mut below, bucket) = (0, format!("{name}_bucket"));
    let bounds = DurationCounts::bounds().map(|bound| bound.to_string());
    let bounds = bounds.into_iter().chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(counts.buckets) {
        below += count;
        line(text, &bucket, labels, Some(&bound), below);
    }
    let sum = counts.sum.as_secs_f64();
    line(text, &format!("{name}_sum"), labels, None, sum);
    line(text, &format!("{name}_count"), labels, None, below);
}

fn line(
    text: &mut String,
    name: &str,
    labels: &str,
    bound: Option<&str>,
    value: impl std::fmt::Display,
) {
    let bound = bound.map(|bound| format!("le=\"{bound}\""));
    let labels: Vec<_> = [labels, bound.as_deref().unwrap_or_default()]
        .into_iter()
        .filter(|it| !it.is_empty())
        .collect();
    let labels = match labels.is_empty() {
        true => String::new(),
        false => format!("{{{}}}", labels.join(",")),
    };
    let _written = writeln!(text, "{name}{labels} {value}");
}

/// With its unit, and what a counter ends with.
fn name(instrument: &Instrument, value: &MeasuredValue) -> String {
    let mut name = plain(instrument.name);
    let unit = match instrument.unit {
        "s" => "seconds",
        "By" => "bytes",
        _ => "",
    };
    let suffix = match value {
        MeasuredValue::Total(_) | MeasuredValue::TotalTime(_) => "total",
        MeasuredValue::Level(_) | MeasuredValue::Durations(_) => "",
    };
    for part in [unit, suffix] {
        if !part.is_empty() && !name.ends_with(part) {
            name.push('_');
            name.push_str(part);
        }
    }
    name
}

fn plain(name: &str) -> String {
    name.replace(|it: char| !it.is_ascii_alphanumeric(), "_")
}

fn labels(measured: &Measured) -> String {
    let label = |(key, value): &(&str, String)| {
        let value = value.replace('\\', "\\\\");
        let value = value.replace('"', "\\\"").replace('\n', "\\n");
        format!("{}=\"{value}\"", plain(key))
    };
    let labels: Vec<_> = measured.attributes.iter().map(label).collect();
    labels.join(",")
}
