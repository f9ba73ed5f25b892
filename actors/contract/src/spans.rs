//! The runtime's own spans: what was called, when, and as a part of what.
//!
//! A process has one place where they go, or none; then a call costs one look at that. Whether a trace is kept
//! is decided once, where it begins ([`CallContext::begin_trace`]); what follows keeps to it.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use wrt_protocol::{Fault, TraceContext};

use crate::{CallContext, InterfaceError};

/// Where a process has its spans go.
static TRACING: OnceLock<Tracing> = OnceLock::new();

/// Bit 0 of the flags of a trace.
const SAMPLED: u8 = 1;

/// Takes the runtime's spans. Nobody waits for it.
pub trait SpanSink: Send + Sync + 'static {
    /// A span has ended.
    fn ended(&self, span: EndedSpan);
}

/// Where spans go, and which traces are kept.
pub struct Tracing {
    /// Takes the spans of traces that are kept.
    pub sink: Box<dyn SpanSink>,
    /// How many of the traces that begin here are kept, from 0 to 1.
    pub ratio: f64,
    /// Whether a trace that began elsewhere is kept if it was there.
    pub follows_parent: bool,
}

/// A span of the runtime that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedSpan {
    /// Which one it is.
    pub context: TraceContext,
    /// Which one it is a part of.
    pub parent: Option<u64>,
    /// What it stands for.
    pub kind: SpanKind,
    /// Its name.
    pub name: String,
    /// When it began, in nanoseconds since 1970 (UTC).
    pub start_unix_nanos: u64,
    /// When it ended.
    pub end_unix_nanos: u64,
    /// What is said of it, in the words of the semantic conventions.
    pub attributes: Vec<(&'static str, SpanValue)>,
    /// Why it has failed, if it has.
    pub error: Option<String>,
}

/// What a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// A request to another node or service.
    Client,
    /// A request from one.
    Server,
    /// A message that is handled.
    Consumer,
    /// Anything within a process.
    Internal,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanValue {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// A span that has begun, if its trace is kept; it ends when it is dropped.
#[derive(Debug, Default)]
#[must_use = "it ends when it is dropped"]
pub struct OpenSpan(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    span: EndedSpan,
    /// Whether it is known how it has ended: who was given up never says so.
    is_judged: bool,
}

/// Has the spans of this process go somewhere, from now on and for good. The first word counts.
pub fn trace_by(tracing: Tracing) -> bool {
    TRACING.set(tracing).is_ok()
}

impl Tracing {
    /// Whether a trace of that id is kept that begins here: the same everywhere, for the same ratio.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a ratio has no more than a few digits"
    )]
    fn keeps(&self, trace_id: u128) -> bool {
        // As the SDKs of OpenTelemetry do: the lower 63 bits are taken for random.
        #[allow(clippy::cast_possible_truncation, reason = "the lower bits are meant")]
        let drawn = (trace_id as u64) >> 1;
        (drawn as f64) < self.ratio * (1_u64 << 63) as f64 || self.ratio >= 1.0
    }

    fn keeps_what_follows(&self, parent: &TraceContext) -> bool {
        match self.follows_parent {
            true => parent.flags & SAMPLED == SAMPLED,
            false => self.keeps(parent.trace_id),
        }
    }
}

impl CallContext {
    /// Begins a span for what comes from outside: the first of a trace, or the first here. Whether it is
    /// kept is decided now. What is called with this context from now on is a part of it.
    pub fn begin_trace(&mut self, kind: SpanKind, name: impl FnOnce() -> String) -> OpenSpan {
        let Some(tracing) = TRACING.get() else {
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
            flags: u8::from(is_kept) * SAMPLED,
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
        if TRACING.get().is_none() {
            return OpenSpan::default();
        }
        let Some(parent) = self.trace().filter(|it| it.flags & SAMPLED == SAMPLED) else {
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
        Self(Some(Box::new(Open {
            span,
            is_judged: false,
        })))
    }

    /// Whether it is kept: what is said of the others costs nothing.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Says something of it.
    pub fn text(&mut self, key: &'static str, value: impl FnOnce() -> String) {
        if let Some(open) = &mut self.0 {
            open.span.attributes.push((key, SpanValue::Text(value())));
        }
    }

    /// The same with a number.
    pub fn number(&mut self, key: &'static str, value: i64) {
        if let Some(open) = &mut self.0 {
            open.span.attributes.push((key, SpanValue::Number(value)));
        }
    }

    /// It has ended well, or nobody says otherwise.
    pub fn done(&mut self) {
        if let Some(open) = &mut self.0 {
            open.is_judged = true;
        }
    }

    /// It has ended with a fault, or something like it.
    pub fn failed(&mut self, kind: &str, why: impl FnOnce() -> String) {
        if let Some(open) = &mut self.0 {
            open.is_judged = true;
            let kind = SpanValue::Text(kind.to_owned());
            open.span.attributes.push(("error.type", kind));
            open.span.error = Some(why());
        }
    }

    /// It has ended with `fault`.
    pub fn faulted(&mut self, fault: &Fault) {
        if self.is_kept() {
            self.failed(&fault.kind().to_string(), || fault.to_string());
        }
    }

    /// How an operation has ended: an error of its own is an answer, a fault is none.
    pub fn judge<T, E: InterfaceError>(&mut self, answer: &Result<T, E>) {
        if self.0.is_none() {
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
        let (Some(open), Some(tracing)) = (self.0.take(), TRACING.get()) else {
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl SpanSink for Nowhere {
        fn ended(&self, _: EndedSpan) {}
    }

    fn tracing(ratio: f64, follows_parent: bool) -> Tracing {
        Tracing {
            sink: Box::new(Nowhere),
            ratio,
            follows_parent,
        }
    }

    #[test]
    fn a_trace_is_kept_by_its_id_and_the_ratio() {
        let (least, middle, most) = (1, 1 << 63, u128::from(u64::MAX));
        for (ratio, expected) in [
            (0.0, [false, false, false]),
            (0.25, [true, false, false]),
            (0.75, [true, true, false]),
            (1.0, [true, true, true]),
        ] {
            let kept = [least, middle, most].map(|id| tracing(ratio, true).keeps(id));
            assert_eq!(kept, expected, "{ratio}");
        }
    }

    #[test]
    fn what_began_elsewhere_follows_unless_it_is_set_otherwise() {
        let parent = |flags| TraceContext {
            trace_id: 1,
            span_id: 1,
            flags,
            state: None,
        };
        for (ratio, follows, flags, expected) in [
            (0.0, true, 1, true),
            (1.0, true, 0, false),
            (0.0, false, 1, false),
            (1.0, false, 0, true),
        ] {
            let kept = tracing(ratio, follows).keeps_what_follows(&parent(flags));
            assert_eq!(kept, expected, "{ratio} {follows} {flags}");
        }
    }
}
