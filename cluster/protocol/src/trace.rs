//! W3C trace context, as it travels with a call.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::limits::TRACE_STATE_BYTES_MAX;

/// The context of a trace, so that one trace goes from a server through the bus to a backend.
/// Source: W3C Trace Context, version 00.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// The whole trace.
    pub trace_id: u128,
    /// The span that made this call.
    pub span_id: u64,
    /// Bit 0: sampled.
    pub flags: u8,
    /// `tracestate`, untouched.
    pub state: Option<Arc<str>>,
}

/// A place in a trace, as a log tells it: in hexadecimal, as a `traceparent` header has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoggedPlace {
    /// The whole trace.
    pub trace: Option<Hex<u128>>,
    /// The span, where the trace is kept: of others nobody sees one.
    pub span: Option<Hex<u64>>,
}

/// A number with all of its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex<T>(T);

impl<T: fmt::LowerHex> fmt::Display for Hex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0digits$x}", self.0, digits = 2 * size_of::<T>())
    }
}

impl TraceContext {
    /// Whether the trace is kept, as who began it has decided.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// As a log tells it.
    #[must_use]
    pub fn place(&self) -> LoggedPlace {
        LoggedPlace {
            trace: Some(Hex(self.trace_id)),
            span: self.is_sampled().then_some(Hex(self.span_id)),
        }
    }

    /// Reads the value of a `traceparent` header, and of `tracestate` if there was one.
    ///
    /// Answers `None` for anything malformed, as the recommendation asks: the trace is restarted
    /// and the request goes on. A `tracestate` over the limit is dropped whole.
    #[must_use]
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let mut parts = parent.trim().split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, digits: usize| {
            text.len() == digits
                && text
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let shaped = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
        // Version ff is forbidden; version 00 has four parts and no more.
        if !shaped || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok()?;
        let span_id = u64::from_str_radix(span, 16).ok()?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        if trace_id == 0 || span_id == 0 {
            return None;
        }
        let state = state.filter(|s| !s.is_empty() && s.len() <= TRACE_STATE_BYTES_MAX);
        Some(Self {
            trace_id,
            span_id,
            flags,
            state: state.map(Arc::from),
        })
    }
}

/// The value of a `traceparent` header.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id, self.span_id, self.flags
        )
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_round_trips() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(text, Some("vendor=1")).unwrap();
        assert_eq!(context.to_string(), text);
        assert_eq!(context.state.as_deref(), Some("vendor=1"));
    }

    #[test]
    fn malformed_parents_are_ignored() {
        for text in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(TraceContext::parse(text, None), None, "{text}");
        }
    }
}
