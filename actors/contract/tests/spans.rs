//! The spans of a process that has somewhere for them to go: a program of its own, as that is said once.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{mem, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use wrt_contract::{
    CallContext, EndedSpan, InterfaceError, SpanKind, SpanSink, SpanValue, Tracing, trace_by,
};
use wrt_protocol::{Fault, FaultKind, Hop, TraceContext};

#[derive(Debug, Serialize, Deserialize, InterfaceError)]
enum Error {
    Own,
    Fault(Fault),
}

#[derive(Clone, Default)]
struct Ended(Arc<Mutex<Vec<EndedSpan>>>);

impl SpanSink for Ended {
    fn ended(&self, span: EndedSpan) {
        self.0.lock().push(span);
    }
}

impl Ended {
    fn take(&self) -> Vec<EndedSpan> {
        mem::take(&mut self.0.lock())
    }
}

fn began_elsewhere(flags: u8) -> CallContext {
    CallContext::default().with_trace(Some(TraceContext {
        trace_id: 7,
        span_id: 9,
        flags,
        state: None,
    }))
}

/// What is said of errors.
fn told(span: &EndedSpan) -> (Option<&SpanValue>, Option<&str>) {
    let mut attributes = span.attributes.iter();
    let kind = attributes.find(|(key, _)| *key == "error.type");
    (kind.map(|(_, value)| value), span.error.as_deref())
}

/// One test: all look at the same sink.
#[test]
fn spans_are_told_when_they_end() {
    // Nobody wants any yet.
    let mut context = began_elsewhere(1);
    let span = context.begin_trace(SpanKind::Server, || unreachable!("it is not kept"));
    assert!(!span.is_kept() && context.trace().unwrap().span_id == 9);

    let ended = Ended::default();
    assert!(trace_by(Tracing {
        sink: Box::new(ended.clone()),
        ratio: 0.0,
        follows_parent: true,
    }));

    // Not kept where it began, or where it begins.
    for mut context in [CallContext::default(), began_elsewhere(0)] {
        for _ in 0..2 {
            let mut span = context.begin_trace(SpanKind::Server, || unreachable!("it is not kept"));
            span.text("key", || unreachable!("nor said"));
            drop(span);
            drop(context.begin_span(SpanKind::Client, || unreachable!("nor what follows")));
        }
        assert!(context.trace().is_some_and(|trace| !trace.is_sampled()));
    }
    assert_eq!(ended.take(), []);

    // Kept, each within the one before it.
    let mut context = began_elsewhere(1);
    let mut first = context.begin_trace(SpanKind::Server, || "first".to_owned());
    let first_id = context.trace().unwrap().span_id;
    let mut next = context.begin_span(SpanKind::Client, || "next".to_owned());
    next.number("of", 2);
    next.done();
    drop(next);
    first.judge(&Err::<(), _>(Error::Own));
    drop(first);
    let [next, first] = <[EndedSpan; 2]>::try_from(ended.take()).unwrap();
    assert_eq!((first.parent, next.parent), (Some(9), Some(first_id)));
    assert_eq!((&*first.name, &*next.name), ("first", "next"));
    assert!([&first, &next].map(|it| it.context.trace_id) == [7; 2]);
    assert_eq!(next.attributes, [("of", SpanValue::Number(2))]);
    assert!(next.end_unix_nanos >= next.start_unix_nanos);
    assert_eq!([told(&first), told(&next)], [(None, None); 2]);

    // With a fault, and given up.
    let fault = Fault::not_executed(FaultKind::Draining, Hop::Gate, "it stops");
    let mut span = began_elsewhere(1).begin_span(SpanKind::Client, || "fault".to_owned());
    span.judge(&Err::<(), _>(Error::Fault(fault.clone())));
    drop(span);
    drop(began_elsewhere(1).begin_span(SpanKind::Client, || "given up".to_owned()));
    let spans = ended.take();
    let kind = |text: &str| SpanValue::Text(text.to_owned());
    let (draining, cancelled) = (kind("draining"), kind("cancelled"));
    assert_eq!(
        told(&spans[0]),
        (Some(&draining), Some(&*fault.to_string()))
    );
    assert_eq!(
        told(&spans[1]),
        (Some(&cancelled), Some("whoever wanted it has left"))
    );
}
