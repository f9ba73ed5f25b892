//! The three signals: what their records are, and how a batch of them is asked to be taken.

use std::{future::Future, time::Duration};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{
            ExportLogsServiceRequest, ExportLogsServiceResponse,
            logs_service_client::LogsServiceClient,
        },
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_client::MetricsServiceClient,
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_client::TraceServiceClient,
        },
    },
    common::v1::InstrumentationScope,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{Metric, ResourceMetrics, ScopeMetrics},
    resource::v1,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use tonic::{Request, Status, transport::Channel};
use wrt_otel::{Log, MetricBatch, Resource, Scope};

use super::queue::Item;
use crate::encode;

/// A signal of OpenTelemetry.
pub(crate) trait Signal: Send + Sync + Sized + 'static {
    /// Its name in logs.
    const NAME: &'static str;
    /// Where it is sent to, behind the path of a collector of HTTP.
    const PATH: &'static str;

    type Record: Send + Sync + 'static;
    type Group: Send;
    type Request: Message + Clone + Default + 'static;
    type Response: Message + Default + Send;

    /// Records of one resource and one scope.
    fn group(resource: Told<v1::Resource>, scopes: Vec<Scoped<Self>>) -> Self::Group;

    /// All of a batch.
    fn request(groups: Vec<Self::Group>) -> Self::Request;

    /// Asks by gRPC.
    fn call(
        channel: Channel,
        request: Request<Self::Request>,
    ) -> impl Future<Output = Result<Self::Response, Status>> + Send;

    /// How many records the collector has refused, and why.
    fn refused(response: Self::Response) -> Option<(i64, String)>;
}

/// Something, and the address of its schema.
pub(crate) type Told<T> = (T, String);

/// Records of one scope.
pub(crate) struct Scoped<S: Signal> {
    scope: Told<InstrumentationScope>,
    records: Vec<S::Record>,
}

/// Records by what is told beside them.
type Grouped<R> = Vec<(Resource, Vec<(Scope, Vec<R>)>)>;

/// Puts together what is of one resource, and in that what is of one scope; each in the order of its first.
pub(crate) fn request<S: Signal>(items: Vec<Item<S>>) -> S::Request {
    let mut groups: Grouped<S::Record> = Vec::new();
    for item in items {
        let known = groups.iter().rposition(|(it, _)| *it == item.resource);
        let at = known.unwrap_or_else(|| {
            groups.push((item.resource, Vec::new()));
            groups.len() - 1
        });
        let scopes = &mut groups[at].1;
        match scopes.iter_mut().rfind(|(scope, _)| *scope == item.scope) {
            Some((_, records)) => records.push(item.record),
            None => scopes.push((item.scope, vec![item.record])),
        }
    }
    let groups = groups.into_iter().map(|(resource, scopes)| {
        let scoped = |(scope, records)| Scoped {
            scope: encode::scope(scope),
            records,
        };
        S::group(
            encode::resource(resource),
            scopes.into_iter().map(scoped).collect(),
        )
    });
    S::request(groups.collect())
}

fn item<S: Signal>(resource: Resource, scope: Scope, record: S::Record, bytes: usize) -> Item<S> {
    let told = [&resource.attributes, &scope.attributes]
        .into_iter()
        .flatten();
    let told: usize = told.map(|it| it.key.len() + it.value.0.len()).sum();
    Item {
        resource,
        scope,
        record,
        bytes: bytes + told,
    }
}

macro_rules! signal {
    ($(#[$doc:meta])* $signal:ident: $name:literal, $path:literal, $record:ident,
        $resource:ident { $scopes:ident }, $scope:ident { $records:ident },
        $request:ident { $groups:ident } -> $response:ident { $rejected:ident }, $client:ident) => {
        $(#[$doc])*
        pub(crate) struct $signal;

        impl Signal for $signal {
            const NAME: &'static str = $name;
            const PATH: &'static str = $path;

            type Record = $record;
            type Group = $resource;
            type Request = $request;
            type Response = $response;

            fn group((resource, schema_url): Told<v1::Resource>, scopes: Vec<Scoped<Self>>) -> $resource {
                let scopes = scopes.into_iter().map(|Scoped { scope: (scope, schema_url), records }| {
                    $scope { scope: Some(scope), $records: records, schema_url }
                });
                $resource { resource: Some(resource), $scopes: scopes.collect(), schema_url }
            }

            fn request($groups: Vec<$resource>) -> $request {
                $request { $groups }
            }

            async fn call(channel: Channel, request: Request<$request>) -> Result<$response, Status> {
                let answer = $client::new(channel).export(request).await?;
                Ok(answer.into_inner())
            }

            fn refused(response: $response) -> Option<(i64, String)> {
                let partial = response.partial_success?;
                Some((partial.$rejected, partial.error_message))
            }
        }
    };
}

signal! {
    /// Spans.
    Spans: "spans", "/v1/traces", Span, ResourceSpans { scope_spans }, ScopeSpans { spans },
    ExportTraceServiceRequest { resource_spans } -> ExportTraceServiceResponse { rejected_spans },
    TraceServiceClient
}
signal! {
    /// Metrics.
    Metrics: "metrics", "/v1/metrics", Metric, ResourceMetrics { scope_metrics }, ScopeMetrics { metrics },
    ExportMetricsServiceRequest { resource_metrics } -> ExportMetricsServiceResponse { rejected_data_points },
    MetricsServiceClient
}
signal! {
    /// Logs.
    Logs: "logs", "/v1/logs", LogRecord, ResourceLogs { scope_logs }, ScopeLogs { log_records },
    ExportLogsServiceRequest { resource_logs } -> ExportLogsServiceResponse { rejected_log_records },
    LogsServiceClient
}

impl Item<Spans> {
    pub(crate) fn new(mut span: wrt_otel::Span, about: &Resource) -> Self {
        let resource = about.clone().with(std::mem::take(&mut span.resource));
        let scope = std::mem::take(&mut span.scope);
        let record = encode::span(span);
        let bytes = record.encoded_len();
        item(resource, scope, record, bytes)
    }
}

impl Item<Logs> {
    pub(crate) fn new(mut log: Log, about: &Resource) -> Self {
        let resource = about.clone().with(std::mem::take(&mut log.resource));
        let scope = std::mem::take(&mut log.scope);
        let record = encode::log(log);
        let bytes = record.encoded_len();
        item(resource, scope, record, bytes)
    }
}

impl Item<Metrics> {
    pub(crate) fn each(batch: MetricBatch, about: &Resource) -> Vec<Self> {
        let resource = about.clone().with(batch.resource);
        let mut items = Vec::new();
        for scope in batch.scopes {
            for metric in scope.metrics {
                let record = encode::metric(metric);
                let bytes = record.encoded_len();
                items.push(item(resource.clone(), scope.scope.clone(), record, bytes));
            }
        }
        items
    }
}

/// The header by which gRPC is told how long a call may take.
pub(crate) fn with_timeout<T>(mut request: Request<T>, timeout: Duration) -> Request<T> {
    request.set_timeout(timeout);
    request
}
