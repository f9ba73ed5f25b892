//! The node's own spans: to a collector, where the environment names one.
//!
//! The variables are OpenTelemetry's. `OTEL_TRACES_EXPORTER=otlp` or an address in
//! `OTEL_EXPORTER_OTLP_ENDPOINT` turns it on, `OTEL_TRACES_EXPORTER=none` and `OTEL_SDK_DISABLED=true` off;
//! `OTEL_TRACES_SAMPLER` with `OTEL_TRACES_SAMPLER_ARG` says which traces are kept.

use std::sync::Arc;

use wrt_contract::{EndedSpan, SpanKind, SpanSink, SpanValue, Tracing, trace_by};
use wrt_opentelemetry::{Exporter, OpenTelemetryConfig};
use wrt_otel::{Attribute, Decoded, Resource, Scope, Span, SpanContext, SpanStatus, Timestamp};
use wrt_runtime::FromEnv as _;

use super::exit::Failure;

/// The way of the node's spans; none where nobody wants them.
pub(super) struct Telemetry(Option<Arc<Exporter>>);

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
        if !is_wanted(&environment)? {
            return Ok(Self(None));
        }
        let Sampling {
            ratio,
            follows_parent,
        } = sampling(&environment)?;
        let config = OpenTelemetryConfig::from_env().map_err(wrong)?;
        let exporter = Exporter::prepare(&config).map_err(wrong)?.start();
        let exporter = Arc::new(exporter);
        let name = environment("OTEL_SERVICE_NAME").unwrap_or_else(|| "wrt-node".to_owned());
        let sink = Sink {
            exporter: Arc::clone(&exporter),
            about: Resource {
                attributes: vec![
                    Attribute::text("service.name", name),
                    Attribute::text("service.instance.id", node),
                ],
                schema_url: None,
            },
        };
        trace_by(Tracing {
            sink: Box::new(sink),
            ratio,
            follows_parent,
        });
        Ok(Self(Some(exporter)))
    }

    /// Sends what waits.
    pub(super) async fn finish(self) {
        if let Some(exporter) = self.0 {
            exporter.finish().await;
        }
    }
}

fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    let what = "the environment asks for the node's spans, and it cannot be done";
    Failure::from(anyhow::Error::from(error).context(what))
}

fn is_wanted(environment: Variables<'_>) -> Result<bool, Failure> {
    let is_disabled = environment("OTEL_SDK_DISABLED");
    if is_disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(false);
    }
    match environment("OTEL_TRACES_EXPORTER").as_deref() {
        Some("otlp") => Ok(true),
        Some("none") => Ok(false),
        Some(_) => Err(Failure::usage(
            "OTEL_TRACES_EXPORTER is `otlp` or `none`".to_owned(),
        )),
        None => Ok(environment("OTEL_EXPORTER_OTLP_ENDPOINT").is_some()),
    }
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

/// Takes the runtime's spans, and sends them under the node's name.
struct Sink {
    exporter: Arc<Exporter>,
    about: Resource,
}

impl SpanSink for Sink {
    fn ended(&self, span: EndedSpan) {
        // What does not fit is counted, and told, where it is dropped.
        let _full = self.exporter.spans(vec![told(span, self.about.clone())]);
    }
}

fn told(span: EndedSpan, resource: Resource) -> Span {
    let attribute = |(key, value): (&'static str, SpanValue)| match value {
        SpanValue::Text(text) => Attribute::text(key, text),
        SpanValue::Number(number) => Attribute {
            key: key.to_owned(),
            value: Decoded::Integer(number).into(),
        },
    };
    let mut context = SpanContext::from(&span.context);
    context.is_remote = false;
    Span {
        resource,
        scope: Scope {
            name: "wrt".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            ..Scope::default()
        },
        context,
        parent: span.parent,
        kind: match span.kind {
            SpanKind::Client => wrt_otel::SpanKind::Client,
            SpanKind::Server => wrt_otel::SpanKind::Server,
            SpanKind::Consumer => wrt_otel::SpanKind::Consumer,
            SpanKind::Internal => wrt_otel::SpanKind::Internal,
        },
        name: span.name,
        start: Timestamp(span.start_unix_nanos),
        end: Timestamp(span.end_unix_nanos),
        attributes: span.attributes.into_iter().map(attribute).collect(),
        events: Vec::new(),
        links: Vec::new(),
        status: match span.error {
            Some(why) => SpanStatus::Error(why),
            None => SpanStatus::Unset,
        },
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    }
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
    fn nobody_is_traced_who_has_not_asked() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1");
        for (variables, expected) in [
            (&[][..], Some(false)),
            (&[endpoint], Some(true)),
            (&[("OTEL_TRACES_EXPORTER", "otlp")], Some(true)),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], Some(false)),
            (&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")], Some(false)),
            (&[("OTEL_TRACES_EXPORTER", "zipkin")], None),
        ] {
            assert_eq!(is_wanted(&of(variables)).ok(), expected, "{variables:?}");
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
