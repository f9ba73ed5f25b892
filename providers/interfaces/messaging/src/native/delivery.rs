//! What becomes of a message after its handler was called: a pure function, the same for every provider.

use std::time::Duration;

use wrt_protocol::{Execution, Fault, FaultKind};

use crate::{DeliveryMode, MessagingError};

/// How often a message is handed to its handler, and with which pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Whether it is handed over again at all.
    pub mode: DeliveryMode,
    /// Attempts that may fail.
    pub attempts_max: u32,
    /// The pause after the first attempt that has failed, and after each that did not take place.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was handled.
    Done,
    /// Its handler did not run: it is put back as if it had never been taken, and nothing is taken from
    /// its topic for a while.
    PutBack {
        /// For how long.
        pause: Duration,
    },
    /// Its handler has failed, and may try again.
    Again {
        /// When.
        pause: Duration,
    },
    /// It is not tried again.
    GiveUp,
}

impl Delivery {
    /// What becomes of a message that was handed over with that outcome, after `failed` attempts before
    /// it have failed.
    #[must_use]
    pub fn verdict(&self, outcome: &Result<(), MessagingError>, failed: u32) -> Verdict {
        let Err(error) = outcome else {
            return Verdict::Done;
        };
        if self.mode != DeliveryMode::AtLeastOnce {
            return Verdict::GiveUp;
        }
        if !is_attempt(error) {
            let asked = match error {
                MessagingError::Fault(fault) => match fault.kind() {
                    FaultKind::Overloaded { retry_after_ms } => retry_after_ms.into(),
                    _ => 0,
                },
                _ => 0,
            };
            let pause = Duration::from_millis(asked).max(self.pause_min);
            let pause = pause.min(self.pause_max);
            return Verdict::PutBack { pause };
        }
        if failed.saturating_add(1) >= self.attempts_max {
            return Verdict::GiveUp;
        }
        let doublings = failed.min(16);
        let pause = self.pause_min.saturating_mul(1 << doublings);
        let pause = pause.min(self.pause_max);
        Verdict::Again { pause }
    }
}

/// Whether a handler that has ended so counts as having run. A node that was lost may have run it; that
/// says nothing against the message, and an outage must make no dead letters. What is wrong with the message
/// itself counts, although nobody ran: it would be so for ever.
#[must_use]
pub fn is_attempt(error: &MessagingError) -> bool {
    match error {
        MessagingError::Fault(fault) => is_attempt_by(fault),
        _ => true,
    }
}

fn is_attempt_by(fault: &Fault) -> bool {
    match fault.kind() {
        FaultKind::NodeLost
        | FaultKind::Disconnected
        | FaultKind::Unavailable
        | FaultKind::Draining
        | FaultKind::StaleEpoch
        | FaultKind::Cancelled
        | FaultKind::Overloaded { .. }
        | FaultKind::UnknownOperation
        | FaultKind::VersionMismatch
        | FaultKind::Denied
        | FaultKind::Fenced => false,
        FaultKind::TooLarge | FaultKind::Malformed => true,
        FaultKind::DeadlineExceeded | FaultKind::Crashed => {
            fault.execution() != Execution::NotExecuted
        }
    }
}

#[cfg(test)]
mod tests {
    use wrt_protocol::Hop;

    use super::*;

    const DELIVERY: Delivery = Delivery {
        mode: DeliveryMode::AtLeastOnce,
        attempts_max: 3,
        pause_min: Duration::from_millis(100),
        pause_max: Duration::from_secs(1),
    };

    fn fault(kind: FaultKind, execution: Execution) -> Result<(), MessagingError> {
        Err(Fault::new(kind, execution, Hop::Gate, "").into())
    }

    #[test]
    fn only_what_ran_is_an_attempt() {
        use Execution::{MaybeExecuted, NotExecuted};
        let overloaded = |retry_after_ms| FaultKind::Overloaded { retry_after_ms };
        for (kind, execution, expected) in [
            (overloaded(0), NotExecuted, Some(100)),
            (overloaded(500), NotExecuted, Some(500)),
            (overloaded(60_000), NotExecuted, Some(1000)),
            (FaultKind::Unavailable, NotExecuted, Some(100)),
            (FaultKind::Draining, NotExecuted, Some(100)),
            (FaultKind::NodeLost, NotExecuted, Some(100)),
            (FaultKind::NodeLost, MaybeExecuted, Some(100)),
            (FaultKind::Disconnected, MaybeExecuted, Some(100)),
            (FaultKind::DeadlineExceeded, NotExecuted, Some(100)),
            (FaultKind::VersionMismatch, NotExecuted, Some(100)),
            (FaultKind::DeadlineExceeded, MaybeExecuted, None),
            (FaultKind::Crashed, MaybeExecuted, None),
            (FaultKind::TooLarge, NotExecuted, None),
        ] {
            // Also long after its last attempt: it was none.
            for failed in [0, 2, 1000] {
                let verdict = DELIVERY.verdict(&fault(kind, execution), failed);
                let put_back = match verdict {
                    Verdict::PutBack { pause } => Some(pause.as_millis()),
                    _ => None,
                };
                assert_eq!(put_back, expected, "{kind} {execution:?}");
            }
        }
    }

    #[test]
    fn what_fails_is_tried_again_with_growing_pauses_and_given_up() {
        let failed = Err(MessagingError::other("no"));
        let pauses: Vec<_> = (0..3).map(|n| DELIVERY.verdict(&failed, n)).collect();
        let again = |millis| Verdict::Again {
            pause: Duration::from_millis(millis),
        };
        assert_eq!(pauses, [again(100), again(200), Verdict::GiveUp]);
        let patient = Delivery {
            attempts_max: u32::MAX,
            ..DELIVERY
        };
        assert_eq!(patient.verdict(&failed, 40), again(1000));
        assert_eq!(DELIVERY.verdict(&Ok(()), 40), Verdict::Done);
        for mode in [DeliveryMode::AtMostOnce, DeliveryMode::Broadcast] {
            let delivery = Delivery { mode, ..DELIVERY };
            assert_eq!(delivery.verdict(&failed, 0), Verdict::GiveUp);
            let full = fault(FaultKind::Unavailable, Execution::NotExecuted);
            assert_eq!(delivery.verdict(&full, 0), Verdict::GiveUp);
        }
    }
}
