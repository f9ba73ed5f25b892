//! What the calls of a process have come to: how many of each operation, with which outcome, and how long they
//! took, seen by who has called.
//!
//! Nothing is measured until somebody wants to know ([`measure_calls`]); until then a call costs one look at
//! that. An operation has one meter in a process, which its first measured call makes known: so there are as many
//! as the program has operations, whatever is called.

use std::{
    mem,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Instant,
};

use parking_lot::Mutex;
use wrt_protocol::{Fault, FaultKind, InterfaceName};

use crate::{Durations, Instrument, Measured, MeasuredValue};

/// How long calls took.
static CALLS: Instrument = Instrument {
    name: "rpc.client.call.duration",
    unit: "s",
    description: "Calls of operations, by those who call, on the node or across the bus.",
};

/// Whether anybody wants to know.
static IS_WANTED: AtomicBool = AtomicBool::new(false);
/// Those that have measured something.
static KNOWN: Mutex<Vec<&'static CallMeter>> = Mutex::new(Vec::new());

/// Faults, in the order of their outcomes: by the alphabet.
const FAULTS: [FaultKind; 15] = [
    FaultKind::Cancelled,
    FaultKind::Crashed,
    FaultKind::DeadlineExceeded,
    FaultKind::Denied,
    FaultKind::Disconnected,
    FaultKind::Draining,
    FaultKind::Fenced,
    FaultKind::Malformed,
    FaultKind::NodeLost,
    FaultKind::Overloaded { retry_after_ms: 0 },
    FaultKind::StaleEpoch,
    FaultKind::TooLarge,
    FaultKind::Unavailable,
    FaultKind::UnknownOperation,
    FaultKind::VersionMismatch,
];
/// An answer, and then the faults.
const OUTCOMES: usize = FAULTS.len() + 1;

/// How a call has ended: 0 is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome(usize);

/// The meter of an operation; the code that [`macro@crate::interface`] writes has one for each.
#[derive(Debug)]
pub struct CallMeter {
    interface: InterfaceName,
    operation: &'static str,
    by_outcome: [Durations; OUTCOMES],
    is_known: AtomicBool,
}

/// A call that is measured until this is dropped.
#[derive(Debug)]
pub(crate) struct MeasuredCall {
    meter: &'static CallMeter,
    started: Instant,
    /// Who was given up never says how it has ended.
    pub(crate) outcome: Outcome,
}

/// Has this process measure its calls from now on.
pub fn measure_calls() {
    IS_WANTED.store(true, Relaxed);
}

/// What the calls of this process have come to, since [`measure_calls`].
#[must_use]
pub fn measured_calls() -> Vec<Measured> {
    let known = KNOWN.lock().clone();
    known.into_iter().flat_map(CallMeter::measured).collect()
}

impl Outcome {
    pub(crate) const ANSWER: Self = Self(0);
    pub(crate) const CANCELLED: Self = Self(1);

    pub(crate) fn of(fault: &Fault) -> Self {
        let kind = mem::discriminant(&fault.kind());
        let place = FAULTS.iter().position(|it| mem::discriminant(it) == kind);
        Self(1 + place.expect("all kinds are there, which a test sees to"))
    }
}

impl CallMeter {
    /// The meter of an operation: a `static`.
    #[must_use]
    pub const fn new(interface: InterfaceName, operation: &'static str) -> Self {
        Self {
            interface,
            operation,
            by_outcome: [const { Durations::new() }; OUTCOMES],
            is_known: AtomicBool::new(false),
        }
    }

    /// Whose operation it is.
    pub(crate) fn interface(&self) -> &InterfaceName {
        &self.interface
    }

    /// Which operation.
    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }

    /// Begins to measure a call, if anybody wants to know.
    #[inline]
    pub(crate) fn begin(&'static self) -> Option<MeasuredCall> {
        IS_WANTED.load(Relaxed).then(|| MeasuredCall {
            meter: self,
            started: Instant::now(),
            outcome: Outcome::CANCELLED,
        })
    }

    #[inline(never)]
    fn take(&'static self, started: Instant, Outcome(outcome): Outcome) {
        self.by_outcome[outcome].take(started.elapsed());
        if !self.is_known.load(Relaxed) && !self.is_known.swap(true, Relaxed) {
            KNOWN.lock().push(self);
        }
    }

    fn measured(&'static self) -> impl Iterator<Item = Measured> {
        let outcomes = self.by_outcome.iter().enumerate();
        outcomes.filter_map(|(outcome, durations)| {
            let value = MeasuredValue::Durations(durations.counts()?);
            let measured = Measured::new(&CALLS, value)
                .with("rpc.system", "wrt")
                .with("rpc.service", self.interface.to_string())
                .with("rpc.method", self.operation);
            Some(match outcome.checked_sub(1) {
                None => measured,
                Some(fault) => measured.with("error.type", FAULTS[fault].to_string()),
            })
        })
    }
}

impl Drop for MeasuredCall {
    #[inline]
    fn drop(&mut self) {
        self.meter.take(self.started, self.outcome);
    }
}

#[cfg(test)]
mod tests {
    use wrt_protocol::Hop;

    use super::*;

    /// A kind that is added falls out of the match, and is then missed in the list.
    #[test]
    fn every_fault_has_an_outcome_of_its_own() {
        for (place, kind) in FAULTS.into_iter().enumerate() {
            let same = match kind {
                FaultKind::Cancelled => 0,
                FaultKind::Crashed => 1,
                FaultKind::DeadlineExceeded => 2,
                FaultKind::Denied => 3,
                FaultKind::Disconnected => 4,
                FaultKind::Draining => 5,
                FaultKind::Fenced => 6,
                FaultKind::Malformed => 7,
                FaultKind::NodeLost => 8,
                FaultKind::Overloaded { .. } => 9,
                FaultKind::StaleEpoch => 10,
                FaultKind::TooLarge => 11,
                FaultKind::Unavailable => 12,
                FaultKind::UnknownOperation => 13,
                FaultKind::VersionMismatch => 14,
            };
            assert_eq!(place, same);
            let fault = Fault::not_executed(kind, Hop::Gate, "");
            assert_eq!(Outcome::of(&fault), Outcome(place + 1), "{kind}");
        }
        let cancelled = Fault::not_executed(FaultKind::Cancelled, Hop::Gate, "");
        assert_eq!(Outcome::of(&cancelled), Outcome::CANCELLED);
    }

    #[test]
    fn a_call_is_measured_where_somebody_wants_to_know() {
        static METER: CallMeter =
            CallMeter::new(InterfaceName::from_static("test:meter"), "measure");
        let told = || {
            let calls = measured_calls().into_iter();
            let ours =
                calls.filter(|it| it.attributes.iter().any(|(_, value)| value == "test:meter"));
            let told = ours.map(|it| {
                let MeasuredValue::Durations(counts) = it.value else {
                    panic!("calls have durations");
                };
                (it.attributes[3..].to_vec(), counts.count())
            });
            told.collect::<Vec<_>>()
        };
        drop(METER.begin());
        assert_eq!(told(), []);
        measure_calls();
        drop(METER.begin());
        for _ in 0..2 {
            let mut call = METER.begin().expect("it is wanted");
            call.outcome = Outcome::ANSWER;
        }
        let cancelled = vec![("error.type", "cancelled".to_owned())];
        assert_eq!(told(), [(vec![], 2), (cancelled, 1)]);
    }
}
