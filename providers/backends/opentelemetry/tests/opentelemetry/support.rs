//! A provider, and what it is asked to send.

use std::{sync::Arc, time::Duration};

use wrt_contract::CallContext;
use wrt_opentelemetry::{Counts, OpenTelemetry, OpenTelemetryConfig};
use wrt_otel::{
    Attribute, Decoded, Log, Otel as _, OtelError, Resource, Scope, conformance::Collector as _,
};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::OtelCollector;

use super::collected::Collected;

/// Far more than any of this takes.
const SOON: Duration = Duration::from_secs(30);

/// The collector's two ways in.
pub(crate) const PROTOCOLS: [&str; 2] = ["grpc", "http/protobuf"];

/// Batches that hardly wait.
pub(crate) fn config(collector: &OtelCollector, protocol: &str) -> OpenTelemetryConfig {
    let endpoint = match protocol {
        "grpc" => collector.url(),
        _ => collector.http_url().unwrap(),
    };
    OpenTelemetryConfig {
        endpoint: Some(ServiceAddress::new(endpoint)),
        protocol: Some(protocol.to_owned()),
        delay_ms: 10,
        ..OpenTelemetryConfig::default()
    }
}

pub(crate) async fn connect(config: OpenTelemetryConfig) -> Arc<OpenTelemetry> {
    Arc::new(OpenTelemetry::connect_with(config).await.unwrap())
}

pub(crate) fn log(service: &str, body: &str) -> Log {
    Log {
        resource: Resource {
            attributes: vec![Attribute::text("service.name", service)],
            schema_url: None,
        },
        scope: Scope::default(),
        time: None,
        observed: None,
        severity_text: None,
        severity: None,
        body: Some(Decoded::Text(body.to_owned()).into()),
        attributes: Vec::new(),
        event_name: None,
        trace_id: None,
        span_id: None,
        is_sampled: false,
    }
}

/// Logs one line for each number.
pub(crate) async fn tell(
    provider: &OpenTelemetry,
    numbers: impl IntoIterator<Item = usize>,
) -> Result<(), OtelError> {
    let numbers = numbers.into_iter();
    let logs = numbers.map(|number| log("teller", &number.to_string()));
    provider.logs(&CallContext::default(), logs.collect()).await
}

/// Which of the numbers have come, each as often as it has.
pub(crate) async fn told(collected: &Collected) -> Vec<usize> {
    let logs = collected.about("teller").await.logs;
    let number = |log: &Log| match log.body.as_ref()?.decoded() {
        Decoded::Text(text) => text.parse().ok(),
        _ => None,
    };
    logs.iter().filter_map(number).collect()
}

/// Waits until so many numbers have come.
pub(crate) async fn come(collected: &Collected, count: usize) {
    let look = async {
        while told(collected).await.len() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let come = tokio::time::timeout(SOON, look).await;
    assert!(come.is_ok(), "only {:?} have come", told(collected).await);
}

/// Waits until the counts are as they should be.
pub(crate) async fn until(provider: &OpenTelemetry, what: impl Fn(&Counts) -> bool) -> Counts {
    let look = async {
        loop {
            let counts = provider.counts();
            if what(&counts) {
                return counts;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let looked = tokio::time::timeout(SOON, look).await;
    looked.unwrap_or_else(|_| panic!("they stay {:?}", provider.counts()))
}
