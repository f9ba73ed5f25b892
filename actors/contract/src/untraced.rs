//! A build without spans and meters, to measure what those cost: `cargo xtask cost`. Nobody runs it.

use wrt_protocol::Fault;

use crate::{CallContext, InterfaceError, SpanKind, meter::CallMeter};

/// No span.
#[derive(Debug, Default)]
pub struct OpenSpan;

/// None of a call, and no measure.
#[derive(Debug)]
pub struct CallSpan;

impl CallContext {
    /// Begins none.
    #[inline]
    pub fn begin_trace(&mut self, _kind: SpanKind, _name: impl FnOnce() -> String) -> OpenSpan {
        OpenSpan
    }

    /// Begins none.
    #[inline]
    pub fn begin_span(&mut self, _kind: SpanKind, _name: impl FnOnce() -> String) -> OpenSpan {
        OpenSpan
    }
}

impl OpenSpan {
    #[inline]
    pub(crate) fn measured_by(self, _meter: &'static CallMeter) -> CallSpan {
        CallSpan
    }

    /// It is not.
    #[must_use]
    #[inline]
    pub fn is_kept(&self) -> bool {
        false
    }

    /// Says nothing.
    #[inline]
    pub fn text(&mut self, _key: &'static str, _value: impl FnOnce() -> String) {}

    /// Says nothing.
    #[inline]
    pub fn number(&mut self, _key: &'static str, _value: i64) {}

    /// Says nothing.
    #[inline]
    pub fn done(&mut self) {}

    /// Says nothing.
    #[inline]
    pub fn failed(&mut self, _kind: &str, _why: impl FnOnce() -> String) {}

    /// Says nothing.
    #[inline]
    pub fn faulted(&mut self, _fault: &Fault) {}

    /// Says nothing.
    #[inline]
    pub fn judge<T, E: InterfaceError>(&mut self, _answer: &Result<T, E>) {}
}

impl CallSpan {
    /// Says nothing.
    #[inline]
    pub fn done(&mut self) {}

    /// Says nothing.
    #[inline]
    pub fn faulted(&mut self, _fault: &Fault) {}

    /// Says nothing.
    #[inline]
    pub fn judge<T, E: InterfaceError>(&mut self, _answer: &Result<T, E>) {}
}
