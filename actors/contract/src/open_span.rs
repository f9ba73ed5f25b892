//! A span from its beginning to its end.

use std::time::{SystemTime, UNIX_EPOCH};

use wrt_protocol::{Fault, TraceContext};

use crate::{
    CallContext, EndedSpan, InterfaceError, SpanKind, SpanValue,
    meter::{CallMeter, MeasuredCall, Outcome},
    spans::{Tracing, tracing},
};

/// The span of a call that nobody keeps, as others hear of it. They hear as well that what follows is not kept
/// either, so that nobody looks for it: it need not be another one each time, and is short on the wire.
const NOT_KEPT: u64 = 1;

/// A span that has begun, if its trace is kept; it ends when it is dropped.
///
/// Every call has some, of which next to none is kept. What those cost is in line, a look each time, and all the rest
/// is elsewhere. It is small, because the futures of calls have it in them.
#[derive(Debug, Default)]
#[must_use = "it ends when it is dropped"]
pub struct OpenSpan {
    open: Option<Box<Open>>,
}

/// The span of a call of an operation, and the measure of it, if that is measured; both end when it is dropped.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct CallSpan {
    span: OpenSpan,
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
    ///
    /// Of a trace that is not kept there is an id all the same, for logs and for those outside; what has come
    /// from outside goes on as it came.
    #[inline]
    pub fn begin_trace(&mut self, kind: SpanKind, name: impl FnOnce() -> String) -> OpenSpan {
        let Some(tracing) = tracing() else {
            return OpenSpan::default();
        };
        match self.decide(tracing) {
            Some(place) => self.keep(place, kind, name),
            None => OpenSpan::default(),
        }
    }

    /// Begins a span within the trace of this call, if there is one that is kept. What is called with this
    /// context from now on is a part of it.
    #[inline]
    pub fn begin_span(&mut self, kind: SpanKind, name: impl FnOnce() -> String) -> OpenSpan {
        match self.trace() {
            Some(before) if before.is_sampled() && tracing().is_some() => {
                let place = Place::within(before);
                self.keep(place, kind, name)
            }
            _ => OpenSpan::default(),
        }
    }

    /// Where the first span here is, if it is kept.
    fn decide(&mut self, tracing: &Tracing) -> Option<Place> {
        let Some(before) = self.trace() else {
            // Half of an id decides, and is all of it where nobody looks for more: what has ids of 64 bits writes
            // them like that too, and a longer one costs each call on the bus more.
            let half = rand::random::<u64>().max(1);
            if tracing.keeps(half.into()) {
                let other = rand::random::<u64>();
                return Some(Place::first((u128::from(other) << 64) | u128::from(half)));
            }
            let trace_id = half.into();
            self.set_trace(TraceContext {
                trace_id,
                span_id: NOT_KEPT,
                flags: 0,
                state: None,
            });
            return None;
        };
        match (tracing.keeps_what_follows(before), before.is_sampled()) {
            (true, _) => Some(Place::within(before)),
            (false, false) => None,
            (false, true) => {
                let context = TraceContext {
                    flags: 0,
                    ..Place::within(before).context
                };
                self.set_trace(context);
                None
            }
        }
    }

    #[cold]
    fn keep(
        &mut self,
        Place { context, parent }: Place,
        kind: SpanKind,
        name: impl FnOnce() -> String,
    ) -> OpenSpan {
        self.set_trace(context.clone());
        let now = now();
        let span = EndedSpan {
            context,
            parent,
            kind,
            name: name(),
            start_unix_nanos: now,
            end_unix_nanos: now,
            attributes: Vec::new(),
            error: None,
        };
        let open = Open {
            span,
            is_judged: false,
        };
        OpenSpan {
            open: Some(Box::new(open)),
        }
    }
}

/// The place of a span that is kept.
struct Place {
    context: TraceContext,
    parent: Option<u64>,
}

impl Place {
    /// The first one of a trace.
    fn first(trace_id: u128) -> Self {
        let context = TraceContext {
            trace_id,
            span_id: rand::random::<u64>().max(1),
            flags: 1,
            state: None,
        };
        Self {
            context,
            parent: None,
        }
    }

    /// The next one of a trace.
    #[cold]
    fn within(before: &TraceContext) -> Self {
        let context = TraceContext {
            state: before.state.clone(),
            ..Self::first(before.trace_id).context
        };
        Self {
            context,
            parent: Some(before.span_id),
        }
    }
}

impl OpenSpan {
    /// Measured by `meter` too, if calls are.
    #[inline]
    pub(crate) fn measured_by(self, meter: &'static CallMeter) -> CallSpan {
        CallSpan {
            span: self,
            measured: meter.begin(),
        }
    }

    /// Whether it is kept: what is said of the others costs nothing.
    #[must_use]
    #[inline]
    pub fn is_kept(&self) -> bool {
        self.open.is_some()
    }

    /// Says something of it.
    #[inline]
    pub fn text(&mut self, key: &'static str, value: impl FnOnce() -> String) {
        if let Some(open) = &mut self.open {
            open.span.attributes.push((key, SpanValue::Text(value())));
        }
    }

    /// The same with a number.
    #[inline]
    pub fn number(&mut self, key: &'static str, value: i64) {
        if let Some(open) = &mut self.open {
            open.span.attributes.push((key, SpanValue::Number(value)));
        }
    }

    /// It has ended well, or nobody says otherwise.
    #[inline]
    pub fn done(&mut self) {
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
        if self.is_kept() {
            self.failed(&fault.kind().to_string(), || fault.to_string());
        }
    }

    /// How an operation has ended: an error of its own is an answer, a fault is none.
    #[inline]
    pub fn judge<T, E: InterfaceError>(&mut self, answer: &Result<T, E>) {
        if self.is_kept() {
            match fault_of(answer) {
                Some(fault) => self.faulted(fault),
                None => self.done(),
            }
        }
    }
}

impl CallSpan {
    /// The operation has answered.
    #[inline]
    pub fn done(&mut self) {
        if let Some(call) = &mut self.measured {
            call.outcome = Outcome::ANSWER;
        }
        self.span.done();
    }

    /// It has ended with `fault`.
    #[cold]
    pub fn faulted(&mut self, fault: &Fault) {
        if let Some(call) = &mut self.measured {
            call.outcome = Outcome::of(fault);
        }
        self.span.faulted(fault);
    }

    /// As [`OpenSpan::judge`].
    #[inline]
    pub fn judge<T, E: InterfaceError>(&mut self, answer: &Result<T, E>) {
        if self.span.is_kept() || self.measured.is_some() {
            match fault_of(answer) {
                Some(fault) => self.faulted(fault),
                None => self.done(),
            }
        }
    }
}

fn fault_of<T, E: InterfaceError>(answer: &Result<T, E>) -> Option<&Fault> {
    answer.as_ref().err().and_then(InterfaceError::as_fault)
}

impl Open {
    #[cold]
    fn end(self) {
        let Some(tracing) = tracing() else {
            return;
        };
        let Self {
            mut span,
            is_judged,
        } = self;
        if !is_judged {
            let kind = SpanValue::Text("cancelled".to_owned());
            span.attributes.push(("error.type", kind));
            span.error = Some("whoever wanted it has left".to_owned());
        }
        span.end_unix_nanos = now();
        tracing.sink.ended(span);
    }
}

impl Drop for OpenSpan {
    #[inline]
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.end();
        }
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
    use crate::spans::tests::tracing;

    fn before(flags: u8) -> TraceContext {
        TraceContext {
            trace_id: 7,
            span_id: 9,
            flags,
            state: Some("vendor=1".into()),
        }
    }

    #[test]
    fn a_trace_that_is_not_kept_has_an_id_and_no_span() {
        let begin = || {
            let mut context = CallContext::default();
            assert!(context.decide(&tracing(0.0, true)).is_none());
            context.trace().cloned().expect("it is in a trace")
        };
        let (one, other) = (begin(), begin());
        assert_ne!(one.trace_id, other.trace_id);
        for trace in [one, other] {
            assert_ne!(trace.trace_id, 0);
            assert_eq!((trace.span_id, trace.is_sampled()), (NOT_KEPT, false));
        }
    }

    #[test]
    fn the_first_span_of_a_trace_is_a_part_of_none() {
        let place = CallContext::default().decide(&tracing(1.0, true));
        let Place { context, parent } = place.expect("it is kept");
        assert!(parent.is_none() && context.is_sampled());
        assert!(context.trace_id != 0 && context.span_id != 0);
    }

    #[test]
    fn what_comes_from_outside_is_kept_as_it_was_or_by_its_id() {
        // The sampler, whether it was kept, and whether it is.
        for (ratio, follows, was, is) in [
            (0.0, true, 1, true),
            (1.0, true, 0, false),
            (0.0, false, 0, false),
            (0.0, false, 1, false),
            (1.0, false, 0, true),
        ] {
            let case = format!("{ratio} {follows} {was}");
            let mut context = CallContext::default().with_trace(Some(before(was)));
            let place = context.decide(&tracing(ratio, follows));
            assert_eq!(place.is_some(), is, "{case}");
            let parent = place.as_ref().and_then(|place| place.parent);
            assert_eq!(parent, is.then_some(9), "{case}");
            let trace = match place {
                Some(place) => place.context,
                None => context.trace().cloned().expect("it is in a trace"),
            };
            assert_eq!((trace.trace_id, trace.is_sampled()), (7, is), "{case}");
            assert_eq!(trace.state.as_deref(), Some("vendor=1"), "{case}");
            // Who changes what was decided must not say so in the name of another span.
            let goes_on_as_it_came = !is && was == 0;
            assert_eq!(trace.span_id == 9, goes_on_as_it_came, "{case}");
        }
    }
}
