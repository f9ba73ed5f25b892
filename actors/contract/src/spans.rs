//! The runtime's own spans: what was called, when, and as a part of what.
//!
//! A process has one place where they go, or none; then a call costs one look at that. Whether a trace is kept
//! is decided once, where it begins ([`CallContext::begin_trace`](crate::CallContext::begin_trace)); what follows
//! keeps to it.

use std::sync::OnceLock;

use wrt_protocol::TraceContext;

/// Where a process has its spans go.
static TRACING: OnceLock<Tracing> = OnceLock::new();

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

/// Has the spans of this process go somewhere, from now on and for good. The first word counts.
pub fn trace_by(tracing: Tracing) -> bool {
    TRACING.set(tracing).is_ok()
}

/// Where that is, if it is anywhere.
#[inline]
pub(crate) fn tracing() -> Option<&'static Tracing> {
    TRACING.get()
}

impl Tracing {
    /// Whether a trace of that id is kept that begins here: the same everywhere, for the same ratio.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a ratio has no more than a few digits"
    )]
    pub(crate) fn keeps(&self, trace_id: u128) -> bool {
        // As the SDKs of OpenTelemetry do: the lower 63 bits are taken for random.
        #[allow(clippy::cast_possible_truncation, reason = "the lower bits are meant")]
        let drawn = (trace_id as u64) >> 1;
        (drawn as f64) < self.ratio * (1_u64 << 63) as f64 || self.ratio >= 1.0
    }

    pub(crate) fn keeps_what_follows(&self, parent: &TraceContext) -> bool {
        match self.follows_parent {
            true => parent.is_sampled(),
            false => self.keeps(parent.trace_id),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    struct Nowhere;

    impl SpanSink for Nowhere {
        fn ended(&self, _: EndedSpan) {}
    }

    /// One that sends spans nowhere.
    pub(crate) fn tracing(ratio: f64, follows_parent: bool) -> Tracing {
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
