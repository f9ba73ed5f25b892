//! The functions that a guest calls.

use wrt_contract::CallContext;
use wrt_host::InstanceState;
use wrt_protocol::ActorAddress;

use super::{
    bindings::wasi::otel::{logs, metrics, tracing, types},
    invocation::Invocation,
    outbox,
    reader::{Malformed, Reader},
};
use crate::{
    Attribute, OtelError, OtelInterface, Resource, SpanContext,
    limits::{METRICS_BYTES_MAX, METRICS_WAIT_MAX, RECORD_BYTES_MAX},
};

/// By which link telemetry goes.
const LINK: &str = "default";

/// The span of the call that the guest serves.
pub(super) fn outer_span_context(state: &mut InstanceState) -> tracing::SpanContext {
    let here = state.context().trace().cloned();
    let outer = state.extension::<Invocation>().outer(here);
    span_context(outer.as_ref().map(SpanContext::from).as_ref())
}

/// For a guest: all zeros where there is none, as everywhere in OpenTelemetry.
fn span_context(context: Option<&SpanContext>) -> tracing::SpanContext {
    let (trace_id, span_id) = context.map_or((0, 0), |it| (it.trace_id, it.span_id));
    let flags = match context.is_some_and(|it| it.is_sampled) {
        true => tracing::TraceFlags::SAMPLED,
        false => tracing::TraceFlags::empty(),
    };
    let state = context.map_or("", |it| it.state.as_str());
    let pairs = state.split(',').filter_map(|pair| pair.split_once('='));
    tracing::SpanContext {
        trace_id: format!("{trace_id:032x}"),
        span_id: format!("{span_id:016x}"),
        trace_flags: flags,
        is_remote: context.is_some_and(|it| it.is_remote),
        trace_state: pairs
            .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
            .collect(),
    }
}

/// What all telemetry of a component is about, unless it says something else.
fn resource(state: &InstanceState) -> Resource {
    let mut resource = Resource::default();
    if let Some(actor) = state.actor() {
        resource.attributes = vec![
            Attribute::text("service.name", actor.name.as_str()),
            Attribute::text("service.namespace", actor.app.as_str()),
        ];
    }
    resource
}

/// What is no record, or too large, is dropped: a guest has no word for it.
fn refuse(state: &InstanceState, what: &str, why: &Malformed) {
    outbox::lose(1);
    let actor = state.actor().map(ActorAddress::to_string);
    ::tracing::debug!(actor, "a guest's {what} is dropped: {why}");
}

/// Sends what the invocation has gathered, if it is time for that.
fn send_if_due(state: &mut InstanceState) {
    let link = state.link::<OtelInterface>(LINK);
    let context = sending();
    let invocation = state.extension::<Invocation>();
    invocation.goes_by(link, context);
    invocation.send_if_due();
}

/// The call that carries telemetry: no part of what it tells of.
fn sending() -> CallContext {
    CallContext::with_budget(outbox::BUDGET)
}

impl types::Host for InstanceState {}

impl tracing::Host for InstanceState {
    async fn on_start(&mut self, context: tracing::SpanContext) -> wasmtime::Result<()> {
        let here = self.context().trace().cloned();
        let started = match Reader::new(RECORD_BYTES_MAX).span_context(context) {
            Ok(started) => started,
            Err(why) => {
                ::tracing::debug!("a guest's span has no start: {why}");
                return Ok(());
            }
        };
        let invocation = self.extension::<Invocation>();
        if let Some(trace) = invocation.start(started, here) {
            self.go_on_in_trace(Some(trace));
        }
        Ok(())
    }

    async fn on_end(&mut self, span: tracing::SpanData) -> wasmtime::Result<()> {
        let resource = resource(self);
        let here = self.context().trace().cloned();
        let mut reader = Reader::new(RECORD_BYTES_MAX);
        // What is open must be closed, also when the rest of it is of no use.
        let context = reader.span_context(span.span_context.clone());
        if let Ok(context) = &context {
            let invocation = self.extension::<Invocation>();
            if let Some(trace) = invocation.end(context, here) {
                self.go_on_in_trace(trace);
            }
        }
        match context.and_then(|context| reader.span(context, span, resource)) {
            Ok(span) => self
                .extension::<Invocation>()
                .gather_span(span, reader.bytes()),
            Err(why) => refuse(self, "span", &why),
        }
        send_if_due(self);
        Ok(())
    }

    async fn current_span_context(&mut self) -> wasmtime::Result<tracing::SpanContext> {
        let here = self.context().trace().cloned();
        let current = self.extension::<Invocation>().current(here);
        Ok(span_context(current.as_ref()))
    }
}

impl metrics::Host for InstanceState {
    async fn export(
        &mut self,
        given: metrics::ResourceMetrics,
    ) -> wasmtime::Result<Result<(), String>> {
        let batch = Reader::new(METRICS_BYTES_MAX).metrics(given, resource(self));
        let batch = match batch {
            Ok(batch) => batch,
            Err(why) => return Ok(Err(why.to_string())),
        };
        let Some(otel) = self.link::<OtelInterface>(LINK) else {
            return Ok(Err("wasi:otel is not linked".to_owned()));
        };
        let context = self.context().narrowed(METRICS_WAIT_MAX);
        let context = context.with_trace(None);
        let taken = otel.metrics(&context, batch).await;
        Ok(taken.map_err(|error: OtelError| error.to_string()))
    }
}

impl logs::Host for InstanceState {
    async fn on_emit(&mut self, data: logs::LogRecord) -> wasmtime::Result<()> {
        let resource = resource(self);
        let here = self.context().trace().cloned();
        let mut reader = Reader::new(RECORD_BYTES_MAX);
        match reader.log(data, resource) {
            Ok(mut log) => {
                let invocation = self.extension::<Invocation>();
                // One that names no trace is a part of what goes on.
                if log.trace_id.is_none()
                    && let Some(current) = invocation.current(here)
                {
                    log.trace_id = Some(current.trace_id);
                    log.span_id = Some(current.span_id);
                    log.is_sampled = current.is_sampled;
                }
                invocation.gather_log(log, reader.bytes());
            }
            Err(why) => refuse(self, "log", &why),
        }
        send_if_due(self);
        Ok(())
    }
}
