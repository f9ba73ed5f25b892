//! What the node tells of itself: spans, metrics and its log, to a collector, where the environment names one.
//!
//! The variables are OpenTelemetry's. An address in `OTEL_EXPORTER_OTLP_ENDPOINT` turns all three on, and
//! `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER` and `OTEL_LOGS_EXPORTER` each its own: `otlp` on, `none` off.
//! `OTEL_SDK_DISABLED=true` turns all off. `OTEL_TRACES_SAMPLER` with `OTEL_TRACES_SAMPLER_ARG` says which traces
//! are kept, `OTEL_METRIC_EXPORT_INTERVAL` how often metrics are sent, in milliseconds.

mod logs;
mod metrics;
mod spans;

use std::{sync::Arc, time::Duration};

use wrt_contract::{Instrument, Measured, MeasuredValue, Tracing, trace_by};
use wrt_opentelemetry::{Counts, Exporter, OpenTelemetryConfig};
use wrt_otel::{Attribute, Resource, Scope};
use wrt_runtime::FromEnv as _;

use super::{exit::Failure, logging, metrics::Source};
use metrics::Reports;

/// How often metrics are sent by default, as OpenTelemetry has it.
const REPORT_INTERVAL_DEFAULT: Duration = Duration::from_secs(60);

static RECORDS: Instrument = Instrument {
    name: "wrt.telemetry.records",
    unit: "{record}",
    description: "What has become of the spans, metrics and logs of this node.",
};
static GUESTS_LOST: Instrument = Instrument {
    name: "wrt.telemetry.guest_records.lost",
    unit: "{record}",
    description: "Spans and logs of components that did not get to their provider.",
};

/// The way of the node's telemetry; none where nobody wants it.
pub(super) struct Telemetry {
    way: Option<Way>,
    reports: Option<Reports>,
}

#[derive(Clone)]
struct Way {
    exporter: Arc<Exporter>,
    about: Resource,
    /// How often metrics are sent, if they are.
    interval: Option<Duration>,
}

/// Which of it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    spans: bool,
    metrics: bool,
    logs: bool,
}

/// Which traces are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sampling {
    ratio: f64,
    follows_parent: bool,
}

/// What the environment says; a variable that is empty counts as not set.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Telemetry {
    /// Starts what the environment asks for.
    ///
    /// # Errors
    /// When it asks for what cannot be.
    pub(super) fn start(node: &str) -> Result<Self, Failure> {
        let environment = |name: &str| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.trim().is_empty())
        };
        let wanted = Wanted::by(&environment)?;
        if wanted == Wanted::NOTHING {
            return Ok(Self {
                way: None,
                reports: None,
            });
        }
        let (sampling, interval) = (sampling(&environment)?, interval(&environment)?);
        let config = OpenTelemetryConfig::from_env().map_err(wrong)?;
        let exporter = Exporter::prepare(&config).map_err(wrong)?.start();
        let name = environment("OTEL_SERVICE_NAME").unwrap_or_else(|| "wrt-node".to_owned());
        let way = Way {
            exporter: Arc::new(exporter),
            about: Resource {
                attributes: vec![
                    Attribute::text("service.name", name),
                    Attribute::text("service.instance.id", node),
                ],
                schema_url: None,
            },
            interval: wanted.metrics.then_some(interval),
        };
        if wanted.spans {
            way.trace(sampling);
        }
        if wanted.logs {
            way.log();
        }
        Ok(Self {
            way: Some(way),
            reports: None,
        })
    }

    /// Whether metrics are sent.
    pub(super) fn wants_metrics(&self) -> bool {
        self.way.as_ref().is_some_and(|way| way.interval.is_some())
    }

    /// What has become of what was to be sent, of the node and of components.
    pub(super) fn counts(&self) -> impl Fn() -> Vec<Measured> + Send + Sync + use<> {
        let way = self.way.clone();
        move || {
            let lost = MeasuredValue::Total(wrt_otel::lost_records());
            let mut all = vec![Measured::new(&GUESTS_LOST, lost)];
            if let Some(way) = &way {
                all.extend(told(way.exporter.counts()));
            }
            all
        }
    }

    /// Sends what `source` says from now on, if metrics are sent.
    pub(super) fn send_metrics(&mut self, source: Source) {
        if let Some(way) = &self.way
            && let Some(interval) = way.interval
        {
            self.reports = Some(Reports::start(way.clone(), interval, source));
        }
    }

    /// Has metrics sent now: those of servers are gone with them.
    pub(super) fn report(&self) {
        if let Some(reports) = &self.reports {
            reports.report();
        }
    }

    /// Sends what waits, and metrics once more.
    pub(super) async fn finish(self) {
        if let Some(reports) = self.reports {
            reports.report();
        }
        if let Some(way) = self.way {
            logging::export_ends();
            way.exporter.finish().await;
        }
    }
}

impl Way {
    fn trace(&self, sampling: Sampling) {
        let Sampling {
            ratio,
            follows_parent,
        } = sampling;
        trace_by(Tracing {
            sink: Box::new(spans::Sink {
                exporter: Arc::clone(&self.exporter),
                about: self.about.clone(),
            }),
            ratio,
            follows_parent,
        });
    }

    fn log(&self) {
        let (exporter, about) = (Arc::clone(&self.exporter), self.about.clone());
        logging::export_by(Box::new(move |message| {
            // What does not fit is counted where it is dropped.
            let _full = exporter.logs(vec![logs::told(message, about.clone())]);
        }));
    }
}

/// Who makes what the node tells.
fn scope() -> Scope {
    Scope {
        name: "wrt".to_owned(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        ..Scope::default()
    }
}

fn told(counts: Counts) -> impl Iterator<Item = Measured> {
    let Counts {
        sent,
        dropped,
        rejected,
        retried,
        waiting: _,
    } = counts;
    let outcomes = [
        ("sent", sent),
        ("dropped", dropped),
        ("rejected", rejected),
        ("retried", retried),
    ];
    outcomes.into_iter().map(|(outcome, count)| {
        Measured::new(&RECORDS, MeasuredValue::Total(count)).with("wrt.event", outcome)
    })
}

fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    let what = "the environment asks for the node's telemetry, and it cannot be done";
    Failure::from(anyhow::Error::from(error).context(what))
}

impl Wanted {
    const NOTHING: Self = Self {
        spans: false,
        metrics: false,
        logs: false,
    };

    fn by(environment: Variables<'_>) -> Result<Self, Failure> {
        let is_disabled = environment("OTEL_SDK_DISABLED");
        if is_disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self::NOTHING);
        }
        let by_default = environment("OTEL_EXPORTER_OTLP_ENDPOINT").is_some();
        let is_wanted = |variable: &str| match environment(variable).as_deref() {
            Some("otlp") => Ok(true),
            Some("none") => Ok(false),
            Some(_) => Err(Failure::usage(format!("{variable} is `otlp` or `none`"))),
            None => Ok(by_default),
        };
        Ok(Self {
            spans: is_wanted("OTEL_TRACES_EXPORTER")?,
            metrics: is_wanted("OTEL_METRICS_EXPORTER")?,
            logs: is_wanted("OTEL_LOGS_EXPORTER")?,
        })
    }
}

fn interval(environment: Variables<'_>) -> Result<Duration, Failure> {
    let Some(text) = environment("OTEL_METRIC_EXPORT_INTERVAL") else {
        return Ok(REPORT_INTERVAL_DEFAULT);
    };
    let millis = text
        .trim()
        .parse()
        .ok()
        .filter(|it| (100..=86_400_000).contains(it));
    let interval = millis.map(Duration::from_millis);
    interval.ok_or_else(|| {
        let what = "OTEL_METRIC_EXPORT_INTERVAL is a number of milliseconds, from 100 to a day";
        Failure::usage(what.to_owned())
    })
}

fn sampling(environment: Variables<'_>) -> Result<Sampling, Failure> {
    let sampler = environment("OTEL_TRACES_SAMPLER");
    let sampler = sampler.as_deref().unwrap_or("parentbased_always_on");
    let (follows_parent, root) = match sampler.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, sampler),
    };
    let ratio = match root {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => {
            let ratio = environment("OTEL_TRACES_SAMPLER_ARG");
            let ratio = ratio.map_or(Some(1.0), |text| text.trim().parse().ok());
            let ratio = ratio.filter(|ratio| (0.0..=1.0).contains(ratio));
            ratio.ok_or_else(|| {
                Failure::usage("OTEL_TRACES_SAMPLER_ARG is a number from 0 to 1".to_owned())
            })?
        }
        _ => {
            let known = "always_on, always_off or traceidratio, each also behind `parentbased_`";
            return Err(Failure::usage(format!("OTEL_TRACES_SAMPLER is {known}")));
        }
    };
    Ok(Sampling {
        ratio,
        follows_parent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<_> = variables.iter().map(owned).collect();
        move |asked| {
            let found = variables.iter().find(|(name, _)| name == asked);
            found.map(|(_, value)| value.clone())
        }
    }

    #[test]
    fn nothing_is_sent_that_nobody_has_asked_for() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1");
        for (variables, expected) in [
            (&[][..], Some([false; 3])),
            (&[endpoint], Some([true; 3])),
            (
                &[("OTEL_TRACES_EXPORTER", "otlp")],
                Some([true, false, false]),
            ),
            (
                &[endpoint, ("OTEL_TRACES_EXPORTER", "none")],
                Some([false, true, true]),
            ),
            (
                &[
                    ("OTEL_METRICS_EXPORTER", "otlp"),
                    ("OTEL_LOGS_EXPORTER", "none"),
                ],
                Some([false, true, false]),
            ),
            (
                &[("OTEL_LOGS_EXPORTER", "otlp")],
                Some([false, false, true]),
            ),
            (&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")], Some([false; 3])),
            (&[("OTEL_TRACES_EXPORTER", "zipkin")], None),
            (&[("OTEL_METRICS_EXPORTER", "prometheus")], None),
        ] {
            let wanted = Wanted::by(&of(variables)).ok();
            let wanted = wanted.map(|it| [it.spans, it.metrics, it.logs]);
            assert_eq!(wanted, expected, "{variables:?}");
        }
    }

    #[test]
    fn an_interval_is_read() {
        for (text, expected) in [
            ("", Some(60_000)),
            ("250", Some(250)),
            ("0", None),
            ("1s", None),
        ] {
            let variables = [("OTEL_METRIC_EXPORT_INTERVAL", text)];
            let variables = of(&variables);
            let environment = |name: &str| variables(name).filter(|it| !it.is_empty());
            let read = interval(&environment).ok();
            assert_eq!(read.map(|it| it.as_millis()), expected, "{text}");
        }
    }

    #[test]
    fn a_sampler_is_read() {
        let sampler = |name, argument| {
            let variables = [
                ("OTEL_TRACES_SAMPLER", name),
                ("OTEL_TRACES_SAMPLER_ARG", argument),
            ];
            sampling(&of(&variables))
                .ok()
                .map(|it| (it.ratio, it.follows_parent))
        };
        for (name, argument, expected) in [
            ("parentbased_always_on", "", Some((1.0, true))),
            ("always_off", "0.5", Some((0.0, false))),
            ("traceidratio", "0.25", Some((0.25, false))),
            ("parentbased_traceidratio", "0.5", Some((0.5, true))),
            ("traceidratio", "2", None),
            ("traceidratio", "half", None),
            ("jaeger_remote", "", None),
        ] {
            assert_eq!(sampler(name, argument), expected, "{name} {argument}");
        }
        let by_default = sampling(&of(&[])).ok();
        assert_eq!(
            by_default.map(|it| (it.ratio, it.follows_parent)),
            Some((1.0, true))
        );
    }
}
