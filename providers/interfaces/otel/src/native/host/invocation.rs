//! What is kept for an invocation: which spans are open, and what is gathered.

use std::sync::Arc;

use wrt_contract::CallContext;
use wrt_protocol::TraceContext;

use super::outbox;
use crate::{
    Log, Otel, Span, SpanContext,
    limits::{GATHERED_BYTES_MAX, GATHERED_MAX, OPEN_SPANS_MAX},
};

/// The spans that a guest has open, newest last, and what it has said.
///
/// The newest open span is taken to be the one at work. A guest that has several at work at once, none
/// within the other, has what it calls in the one that it began last.
#[derive(Default)]
pub(super) struct Invocation {
    /// The place of the call itself, known as soon as it is asked for.
    outer: Option<Option<TraceContext>>,
    open: Vec<SpanContext>,
    spans: Vec<Span>,
    logs: Vec<Log>,
    bytes: usize,
    way: Option<(Arc<dyn Otel>, CallContext)>,
}

impl Invocation {
    /// The span of the call, where `here` is what the call has for its own now.
    pub(super) fn outer(&mut self, here: Option<TraceContext>) -> Option<TraceContext> {
        // Before the first span of the guest both are the same.
        self.outer.get_or_insert(here).clone()
    }

    /// The span at work.
    pub(super) fn current(&mut self, here: Option<TraceContext>) -> Option<SpanContext> {
        let outer = self.outer(here);
        let newest = self.open.last().cloned();
        newest.or_else(|| outer.as_ref().map(SpanContext::from))
    }

    /// A span begins; what the guest calls from now on is a part of it.
    pub(super) fn start(
        &mut self,
        mut started: SpanContext,
        here: Option<TraceContext>,
    ) -> Option<TraceContext> {
        started.is_sampled = self.is_kept(&started, here);
        if self.open.len() >= OPEN_SPANS_MAX {
            return None;
        }
        let trace = started.to_trace();
        self.open.push(started);
        Some(trace)
    }

    /// A span ends; in what the guest goes on, where that is another one than before.
    pub(super) fn end(
        &mut self,
        ended: &SpanContext,
        here: Option<TraceContext>,
    ) -> Option<Option<TraceContext>> {
        let outer = self.outer(here);
        let is_it =
            |open: &SpanContext| open.span_id == ended.span_id && open.trace_id == ended.trace_id;
        let at = self.open.iter().rposition(is_it)?;
        let was_at_work = at + 1 == self.open.len();
        self.open.remove(at);
        let next = self.open.last().map(SpanContext::to_trace).or(outer);
        was_at_work.then_some(next)
    }

    /// Whether a span is kept: what was decided where its trace began counts, if that was elsewhere.
    fn is_kept(&mut self, span: &SpanContext, here: Option<TraceContext>) -> bool {
        match self.outer(here) {
            Some(outer) if outer.trace_id == span.trace_id => {
                outer.flags & 1 == 1 && span.is_sampled
            }
            _ => span.is_sampled,
        }
    }

    pub(super) fn gather_span(&mut self, mut span: Span, bytes: usize) {
        // It was asked for at the latest when the span began, or ends.
        span.context.is_sampled = self.is_kept(&span.context, None);
        if span.context.is_sampled {
            self.spans.push(span);
            self.bytes += bytes;
        }
    }

    pub(super) fn gather_log(&mut self, log: Log, bytes: usize) {
        self.logs.push(log);
        self.bytes += bytes;
    }

    /// By which way what is gathered goes, also when the invocation is over.
    pub(super) fn goes_by(&mut self, link: Option<Arc<dyn Otel>>, context: CallContext) {
        self.way = link.map(|link| (link, context));
    }

    pub(super) fn send_if_due(&mut self) {
        let is_full =
            self.spans.len() + self.logs.len() >= GATHERED_MAX || self.bytes >= GATHERED_BYTES_MAX;
        if self.open.is_empty() || is_full {
            self.send();
        }
    }

    fn send(&mut self) {
        self.bytes = 0;
        let spans = std::mem::take(&mut self.spans);
        let logs = std::mem::take(&mut self.logs);
        if spans.is_empty() && logs.is_empty() {
            return;
        }
        match &self.way {
            Some((otel, context)) => outbox::send(otel, context, spans, logs),
            None => outbox::lose(spans.len() + logs.len()),
        }
    }
}

/// Of a guest that was stopped, or has left a span open, what it has said before goes all the same.
impl Drop for Invocation {
    fn drop(&mut self) {
        self.send();
    }
}
