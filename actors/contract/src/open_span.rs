//! A span from its beginning to its end.

use std::time::{SystemTime, UNIX_EPOCH};

use wrt_protocol::{Fault, TraceContext};

use crate::{
    CallContext, EndedSpan, InterfaceError, SpanKind, SpanValue,
    meter::{CallMeter, MeasuredCall, Outcome},
    spans::tracing,
};

/// A span that has begun, if its trace is kept, and the measure of what it stands for, if that is measured;
/// both end when it is dropped.
#[derive(Debug, Default)]
#[must_use = "it ends when it is dropped"]
pub struct OpenSpan {
    open: Option<Box<Open>>,
    measured: Option<MeasuredCall>,
}

#[derive(Debug)]
struct Open {
    span: EndedSpan,
    /// Whether it is known how it has ended: who was given up never says so.
    is_judged: bool,
}

impl CallContext {
    /// Begins a span for what comes from outside: the first of a trace, or the first here. Whether it is
    /// kept is decided now. What is called with this context from now on is a part of it.
    pub fn begin_trace(&mut self, kind: SpanKind, name: impl FnOnce() -> String) -> OpenSpan {
        let Some(tracing) = tracing() else {
            return OpenSpan::default();
        };
        let parent = self.trace().cloned();
        let (trace_id, is_kept) = match &parent {
            Some(parent) => (parent.trace_id, tracing.keeps_what_follows(parent)),
            None => {
                let trace_id = rand::random::<u128>().max(1);
                (trace_id, tracing.keeps(trace_id))
            }
        };
        let context = TraceContext {
            trace_id,
            span_id: rand::random::<u64>().max(1),
            flags: u8::from(is_kept),
            state: parent.as_ref().and_then(|parent| parent.state.clone()),
        };
        self.set_trace(context.clone());
        match is_kept {
            true => OpenSpan::begin(context, parent.map(|it| it.span_id), kind, name()),
            false => OpenSpan::default(),
        }
    }

    /// Begins a span within the trace of this call, if there is one that is kept. What is called with this
    /// context from now on is a part of it.
    pub fn begin_span(&mut self, kind: SpanKind, name: impl FnOnce() -> String) -> OpenSpan {
        if tracing().is_none() {
            return OpenSpan::default();
        }
        let Some(parent) = self.trace().filter(|it| it.is_sampled()) else {
            return OpenSpan::default();
        };
        let (before, context) = (
            parent.span_id,
            TraceContext {
                span_id: rand::random::<u64>().max(1),
                ..parent.clone()
            },
        );
        self.set_trace(context.clone());
        OpenSpan::begin(context, Some(before), kind, name())
    }
}

impl OpenSpan {
    fn begin(context: TraceContext, parent: Option<u64>, kind: SpanKind, name: String) -> Self {
        let now = now();
        let span = EndedSpan {
            context,
            parent,
            kind,
            name,
            start_unix_nanos: now,
            end_unix_nanos: now,
            attributes: Vec::new(),
            error: None,
        };
        let open = Open {
            span,
            is_judged: false,
        };
        Self {
            open: Some(Box::new(open)),
            measured: None,
        }
    }

    /// Measured by `meter` too, if calls are.
    pub(crate) fn measured_by(mut self, meter: &'static CallMeter) -> Self {
        self.measured = meter.begin();
        self
    }

    /// Whether it is kept: what is said of the others costs nothing.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.open.is_some()
    }

    /// Says something of it.
    pub fn text(&mut self, key: &'static str, value: impl FnOnce() -> String) {
        if let Some(open) = &mut self.open {
            open.span.attributes.push((key, SpanValue::Text(value())));
        }
    }

    /// The same with a number.
    pub fn number(&mut self, key: &'static str, value: i64) {
        if let Some(open) = &mut self.open {
            open.span.attributes.push((key, SpanValue::Number(value)));
        }
    }

    /// It has ended well, or nobody says otherwise.
    pub fn done(&mut self) {
        if let Some(call) = &mut self.measured {
            call.outcome = Outcome::ANSWER;
        }
        if let Some(open) = &mut self.open {
            open.is_judged = true;
        }
    }

    /// It has ended with a fault, or something like it.
    pub fn failed(&mut self, kind: &str, why: impl FnOnce() -> String) {
        if let Some(open) = &mut self.open {
            open.is_judged = true;
            let kind = SpanValue::Text(kind.to_owned());
            open.span.attributes.push(("error.type", kind));
            open.span.error = Some(why());
        }
    }

    /// It has ended with `fault`.
    pub fn faulted(&mut self, fault: &Fault) {
        if let Some(call) = &mut self.measured {
            call.outcome = Outcome::of(fault);
        }
        if self.is_kept() {
            self.failed(&fault.kind().to_string(), || fault.to_string());
        }
    }

    /// How an operation has ended: an error of its own is an answer, a fault is none.
    pub fn judge<T, E: InterfaceError>(&mut self, answer: &Result<T, E>) {
        if self.open.is_none() && self.measured.is_none() {
            return;
        }
        match answer.as_ref().err().and_then(InterfaceError::as_fault) {
            Some(fault) => self.faulted(fault),
            None => self.done(),
        }
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        let (Some(open), Some(tracing)) = (self.open.take(), tracing()) else {
            return;
        };
        let Open {
            mut span,
            is_judged,
        } = *open;
        if !is_judged {
            let kind = SpanValue::Text("cancelled".to_owned());
            span.attributes.push(("error.type", kind));
            span.error = Some("whoever wanted it has left".to_owned());
        }
        span.end_unix_nanos = now();
        tracing.sink.ended(span);
    }
}

/// Spans of several machines are laid beside each other by the time of day; nothing is decided by it.
#[expect(
    clippy::disallowed_methods,
    reason = "a span tells the time of day, and nothing is decided by it"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
