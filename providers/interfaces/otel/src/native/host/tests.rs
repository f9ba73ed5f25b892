//! The glue as a guest meets it, without a guest; and both shapes as components import them.

use std::{path::Path, sync::Arc, time::Duration};

use wasmtime::{Engine, component::Component};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;
use wrt_contract::{CallContext, Links};
use wrt_protocol::{ActorAddress, TraceContext};
use wrt_test_kit::{instance_in, name};

use super::*;
use crate::{Decoded, OtelDefault, Span, Taken, limits::OPEN_SPANS_MAX};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OUTER: &str = "00f067aa0ba902b7";

/// A component that serves a call in a trace, or in none.
struct Guest {
    state: InstanceState,
    memory: Arc<OtelDefault>,
}

impl Guest {
    fn in_trace(parent: Option<&str>) -> Self {
        let trace = parent.map(|parent| {
            TraceContext::parse(parent, Some("vendor=1")).expect("a legal traceparent")
        });
        let memory = Arc::new(OtelDefault::default());
        let mut links = Links::default();
        links.insert::<OtelInterface>(name("default"), Arc::clone(&memory) as _);
        let context = CallContext::default().with_trace(trace);
        let state = instance_in(context, links)
            .of_actor(ActorAddress::component(name("shop"), name("cart")));
        Self { state, memory }
    }

    fn sampled() -> Self {
        Self::in_trace(Some(&format!("00-{TRACE}-{OUTER}-01")))
    }

    async fn start(&mut self, span: &str) {
        let context = context(TRACE, span);
        tracing::Host::on_start(&mut self.state, context)
            .await
            .unwrap();
    }

    async fn end(&mut self, span: &str, parent: &str) {
        let data = data(context(TRACE, span), parent);
        tracing::Host::on_end(&mut self.state, data).await.unwrap();
    }

    /// In which span what it calls now is made.
    fn calls_in(&self) -> Option<String> {
        let trace = self.state.context().trace()?;
        Some(format!("{:016x}", trace.span_id))
    }

    async fn current(&mut self) -> String {
        let current = tracing::Host::current_span_context(&mut self.state);
        current.await.unwrap().span_id
    }

    /// What has been sent, as soon as it is `count` records.
    async fn taken(&self, count: usize) -> Taken {
        let look = async {
            loop {
                let taken = self.memory.about("cart");
                if taken.spans.len() + taken.logs.len() >= count {
                    return taken;
                }
                tokio::task::yield_now().await;
            }
        };
        let taken = tokio::time::timeout(Duration::from_secs(10), look).await;
        taken.unwrap_or_else(|_| panic!("only {:?} came", self.memory.about("cart")))
    }
}

fn context(trace: &str, span: &str) -> tracing::SpanContext {
    tracing::SpanContext {
        trace_id: trace.to_owned(),
        span_id: span.to_owned(),
        trace_flags: tracing::TraceFlags::SAMPLED,
        is_remote: false,
        trace_state: Vec::new(),
    }
}

fn data(span_context: tracing::SpanContext, parent: &str) -> tracing::SpanData {
    let at = |seconds| Datetime {
        seconds,
        nanoseconds: 5,
    };
    tracing::SpanData {
        span_context,
        parent_span_id: parent.to_owned(),
        span_kind: tracing::SpanKind::Internal,
        name: "work".to_owned(),
        start_time: at(1),
        end_time: at(2),
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        status: tracing::Status::Unset,
        instrumentation_scope: types::InstrumentationScope {
            name: "lib".to_owned(),
            version: None,
            schema_url: None,
            attributes: Vec::new(),
        },
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    }
}

fn log(body: &str) -> logs::LogRecord {
    logs::LogRecord {
        timestamp: None,
        observed_timestamp: None,
        severity_text: None,
        severity_number: Some(9),
        body: Some(body.to_owned()),
        attributes: None,
        event_name: None,
        resource: None,
        instrumentation_scope: None,
        trace_id: None,
        span_id: None,
        trace_flags: None,
    }
}

const A: &str = "000000000000000a";
const B: &str = "000000000000000b";

#[tokio::test]
async fn what_is_called_within_a_span_is_a_part_of_it() {
    let mut guest = Guest::sampled();
    assert_eq!(guest.calls_in().as_deref(), Some(OUTER));
    assert_eq!(guest.current().await, OUTER);
    guest.start(A).await;
    assert_eq!(guest.calls_in().as_deref(), Some(A));
    guest.start(B).await;
    assert_eq!(guest.calls_in().as_deref(), Some(B));
    assert_eq!(guest.current().await, B);
    // The host's own stays what it is.
    let outer = glue::outer_span_context(&mut guest.state);
    assert_eq!(
        (outer.trace_id.as_str(), outer.span_id.as_str()),
        (TRACE, OUTER)
    );
    assert!(outer.is_remote && outer.trace_flags.contains(tracing::TraceFlags::SAMPLED));
    assert_eq!(outer.trace_state, [("vendor".to_owned(), "1".to_owned())]);
    guest.end(B, A).await;
    assert_eq!(guest.calls_in().as_deref(), Some(A));
    guest.end(A, OUTER).await;
    assert_eq!(guest.calls_in().as_deref(), Some(OUTER));
    assert_eq!(guest.current().await, OUTER);
    let spans = guest.taken(2).await.spans;
    let parents: Vec<_> = spans
        .iter()
        .map(|it| (it.context.span_id, it.parent))
        .collect();
    let outer = u64::from_str_radix(OUTER, 16).unwrap();
    assert_eq!(parents, [(0xb, Some(0xa)), (0xa, Some(outer))]);
    assert_eq!(
        (spans[0].start.0, spans[0].end.0),
        (1_000_000_005, 2_000_000_005)
    );
}

#[tokio::test]
async fn a_span_that_ends_before_one_within_it_changes_nothing_for_that() {
    let mut guest = Guest::sampled();
    guest.start(A).await;
    guest.start(B).await;
    guest.end(A, OUTER).await;
    assert_eq!(guest.calls_in().as_deref(), Some(B));
    guest.end(B, A).await;
    assert_eq!(guest.calls_in().as_deref(), Some(OUTER));
}

#[tokio::test]
async fn what_was_decided_at_the_root_counts() {
    let mut guest = Guest::in_trace(Some(&format!("00-{TRACE}-{OUTER}-00")));
    guest.start(A).await;
    let flags = guest.state.context().trace().unwrap().flags;
    assert_eq!(flags, 0, "the guest says that it is kept");
    guest.end(A, OUTER).await;
    // A trace that the guest itself begins is the guest's to decide on.
    let mut own = context("000000000000000000000000000000aa", B);
    tracing::Host::on_start(&mut guest.state, own.clone())
        .await
        .unwrap();
    tracing::Host::on_end(&mut guest.state, data(own.clone(), ""))
        .await
        .unwrap();
    let kept: Vec<Span> = guest.taken(1).await.spans;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0].context.trace_id, 0xaa);
    own.trace_flags = tracing::TraceFlags::empty();
    tracing::Host::on_end(&mut guest.state, data(own, ""))
        .await
        .unwrap();
    logs::Host::on_emit(&mut guest.state, log("\"last\""))
        .await
        .unwrap();
    assert_eq!(guest.taken(2).await.spans.len(), 1);
}

#[tokio::test]
async fn without_a_trace_a_guest_sees_zeros() {
    let mut guest = Guest::in_trace(None);
    let outer = glue::outer_span_context(&mut guest.state);
    assert_eq!(outer.trace_id, "0".repeat(32));
    assert_eq!(outer.span_id, "0".repeat(16));
    assert_eq!(guest.current().await, "0".repeat(16));
    guest.start(A).await;
    assert_eq!(guest.calls_in().as_deref(), Some(A));
    guest.end(A, &"0".repeat(16)).await;
    assert_eq!(guest.calls_in(), None);
    assert_eq!(guest.taken(1).await.spans[0].parent, None);
}

#[tokio::test]
async fn a_log_is_a_part_of_the_span_at_work_and_says_whose_it_is() {
    let mut guest = Guest::sampled();
    guest.start(A).await;
    logs::Host::on_emit(&mut guest.state, log("\"within\""))
        .await
        .unwrap();
    guest.end(A, OUTER).await;
    let mut named = log("\"named\"");
    named.trace_id = Some("000000000000000000000000000000aa".to_owned());
    named.severity_number = Some(25);
    named.resource = Some(types::Resource {
        attributes: vec![types::KeyValue {
            key: "service.namespace".to_owned(),
            value: "\"own\"".to_owned(),
        }],
        schema_url: None,
    });
    logs::Host::on_emit(&mut guest.state, named).await.unwrap();
    let taken = guest.taken(3).await;
    let [within, named] = &taken.logs[..] else {
        panic!("{taken:?}");
    };
    assert_eq!((within.span_id, within.is_sampled), (Some(0xa), true));
    assert_eq!(
        within.body.as_ref().unwrap().decoded(),
        Decoded::Text("within".into())
    );
    assert_eq!((named.trace_id, named.span_id), (Some(0xaa), None));
    assert_eq!(named.severity, None, "there is no 25");
    let namespace = |log: &crate::Log| log.resource.attributes.last().unwrap().value.decoded();
    assert_eq!(namespace(within), Decoded::Text("shop".into()));
    assert_eq!(namespace(named), Decoded::Text("own".into()));
}

#[tokio::test]
async fn what_is_no_span_is_counted_and_closes_what_it_can() {
    let mut guest = Guest::sampled();
    let before = lost_records();
    guest.start(A).await;
    let mut large = data(context(TRACE, A), OUTER);
    large.name = "x".repeat(crate::limits::RECORD_BYTES_MAX + 1);
    tracing::Host::on_end(&mut guest.state, large)
        .await
        .unwrap();
    assert_eq!(
        guest.calls_in().as_deref(),
        Some(OUTER),
        "it has ended all the same"
    );
    for (trace, span, parent) in [
        ("", A, ""),
        (&"0".repeat(32), A, ""),
        (TRACE, "0", ""),
        (TRACE, A, "parent"),
        ("+bf92f3577b34da6a3ce929d0e0e4736", A, ""),
    ] {
        let data = data(context(trace, span), parent);
        tracing::Host::on_end(&mut guest.state, data).await.unwrap();
    }
    assert!(
        lost_records() - before >= 6,
        "{} lost",
        lost_records() - before
    );
    guest.end(B, OUTER).await;
    assert_eq!(guest.taken(1).await.spans.len(), 1);
}

#[tokio::test]
async fn a_guest_that_opens_spans_for_ever_is_bounded_and_loses_none() {
    let mut guest = Guest::sampled();
    let many = OPEN_SPANS_MAX + 10;
    for id in 1..=many {
        guest.start(&format!("{id:016x}")).await;
    }
    assert_eq!(guest.calls_in(), Some(format!("{OPEN_SPANS_MAX:016x}")));
    for id in (1..=many).rev() {
        guest.end(&format!("{id:016x}"), OUTER).await;
    }
    assert_eq!(guest.calls_in().as_deref(), Some(OUTER));
    assert_eq!(guest.taken(many).await.spans.len(), many);
}

#[tokio::test]
async fn what_a_guest_has_said_goes_also_when_it_is_stopped() {
    let mut guest = Guest::sampled();
    guest.start(A).await;
    guest.start(B).await;
    guest.end(B, A).await;
    assert_eq!(guest.memory.about("cart").spans.len(), 0, "one is open");
    let memory = Arc::clone(&guest.memory);
    let Guest { state, .. } = guest;
    drop(state);
    let guest = Guest {
        memory,
        ..Guest::sampled()
    };
    assert_eq!(guest.taken(1).await.spans[0].context.span_id, 0xb);
}

#[tokio::test]
async fn metrics_that_are_too_large_or_go_nowhere_are_told() {
    let given = |name: String| metrics::ResourceMetrics {
        resource: types::Resource {
            attributes: Vec::new(),
            schema_url: None,
        },
        scope_metrics: vec![metrics::ScopeMetrics {
            scope: data(context(TRACE, A), "").instrumentation_scope,
            metrics: vec![metrics::Metric {
                name,
                description: String::new(),
                unit: String::new(),
                data: metrics::MetricData::U64Gauge(metrics::Gauge {
                    data_points: Vec::new(),
                    start_time: None,
                    time: Datetime {
                        seconds: u64::MAX,
                        nanoseconds: 0,
                    },
                }),
            }],
        }],
    };
    let mut guest = Guest::sampled();
    let export = metrics::Host::export(&mut guest.state, given("orders".to_owned()));
    assert_eq!(export.await.unwrap(), Ok(()));
    assert_eq!(guest.memory.about("cart").metrics.len(), 1);
    let large = "x".repeat(crate::limits::METRICS_BYTES_MAX);
    let refused = metrics::Host::export(&mut guest.state, given(large))
        .await
        .unwrap();
    assert!(refused.unwrap_err().contains("more than 1048576 bytes"));
    let mut unlinked = instance_in(CallContext::default(), Links::default());
    let refused = metrics::Host::export(&mut unlinked, given(String::new()))
        .await
        .unwrap();
    assert_eq!(refused.unwrap_err(), "wasi:otel is not linked");
}

/// A component that imports all functions of a shape, as compilers write them.
fn imports_all(folder: &str, context: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let mut package = None;
    for folder in ["io-0.2.0", "clocks-0.2.0", folder] {
        let path = Path::new("../../../wit/deps").join(folder);
        package = Some(resolve.push_dir(path).unwrap().0);
    }
    let world = resolve
        .select_world(&[package.unwrap()], Some("imports"))
        .unwrap();
    let [tracing, metrics, logs] =
        ["tracing", "metrics", "logs"].map(|it| format!("wasi:otel/{it}@0.2.0-rc.2"));
    let text = format!(
        r#"(module
            (import "{tracing}" "on-start" (func (param i32 i32 i32 i32 i32 i32 i32 i32)))
            (import "{tracing}" "on-end" (func (param i32)))
            (import "{tracing}" "{context}" (func (param i32)))
            (import "{metrics}" "export" (func (param i32 i32 i32 i32 i32 i32 i32 i32)))
            (import "{logs}" "on-emit" (func (param i32)))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap();
    encoder.encode().unwrap()
}

#[test]
fn a_component_of_either_shape_is_linked() {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model(true);
    let engine = Engine::new(&config).unwrap();
    for (folder, context) in [
        ("otel-0.2.0-rc.2", "current-span-context"),
        ("otel-0.2.0-rc.2-outer", "outer-span-context"),
    ] {
        let component = Component::new(&engine, imports_all(folder, context)).unwrap();
        let mut linker = Linker::<InstanceState>::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        WasiOtel::add_to_linker(&mut linker).unwrap();
        let linked = linker.instantiate_pre(&component);
        assert!(linked.is_ok(), "{folder}: {:#}", linked.err().unwrap());
    }
}
