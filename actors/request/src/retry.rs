//! Whether a call is tried again, and when. Pure.

use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::Duration,
};

use wrt_protocol::{Execution, Fault, FaultKind, Hop, limits::ATTEMPTS_MAX};

const BACKOFF_FIRST: Duration = Duration::from_millis(25);
const BACKOFF_MAX: Duration = Duration::from_millis(500);
/// So much later than it was asked for a wait may end.
const TIMER_STEP: Duration = Duration::from_millis(1);

/// Attempts of a call that is refused for want of a link. The caller's node may have heard of a new one some
/// milliseconds before the callee's.
const UNLINKED_ATTEMPTS_MAX: u32 = 4;

/// What is known when an attempt has failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed<'a> {
    pub(crate) fault: &'a Fault,
    pub(crate) tried: Tried,
    pub(crate) idempotent: bool,
    /// Whether the body can be sent again: there is none, or nobody has read from it.
    pub(crate) body_untouched: bool,
    /// Whether there is a replica that has not refused this call yet.
    pub(crate) another_replica: bool,
    pub(crate) remaining: Duration,
}

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    /// An attempt, from 1.
    Attempt(u32),
    /// For the time with this number, from 1, nothing could be sent, for a reason that passes: the bus is
    /// away, or who serves the target is silent. It uses up no attempt, since it costs nobody anything; the
    /// call's time bounds it.
    Unsent(u32),
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The fault is the answer.
    GiveUp,
    /// Another replica, at once.
    AnotherReplica,
    /// Any replica, after this long.
    After(Duration),
}

/// Decides. `jitter` is in 0..1.
pub(crate) fn next(failed: Failed<'_>, jitter: f64) -> Next {
    let Failed {
        fault,
        tried,
        idempotent,
        body_untouched,
        another_replica,
        remaining,
    } = failed;
    let (times, was_last) = match tried {
        Tried::Attempt(attempt) => (attempt, attempt >= ATTEMPTS_MAX),
        Tried::Unsent(times) => (times, false),
    };
    let may_run_again = match fault.execution() {
        Execution::NotExecuted => true,
        Execution::MaybeExecuted => idempotent,
        Execution::Executed => false,
    };
    if !may_run_again || !body_untouched || was_last || remaining.is_zero() {
        return Next::GiveUp;
    }
    match lies_with(fault, times) {
        Blame::Call => Next::GiveUp,
        Blame::Replica if another_replica => Next::AnotherReplica,
        // Everybody is full: more of the same load would not help, and the caller learns it now.
        Blame::Replica if fault.is_overloaded() => Next::GiveUp,
        Blame::Replica | Blame::Lattice => {
            let backoff = BACKOFF_FIRST
                .saturating_mul(1 << times.saturating_sub(1).min(8))
                .min(BACKOFF_MAX);
            let wait = backoff.mul_f64(0.5 + 0.5 * jitter);
            // Behind the deadline nothing is sent, and what the last attempt has said would be lost.
            if wait + TIMER_STEP < remaining {
                Next::After(wait)
            } else {
                Next::GiveUp
            }
        }
    }
}

enum Blame {
    /// The same call would fail anywhere.
    Call,
    /// Another replica may do better.
    Replica,
    /// Time may help.
    Lattice,
}

fn lies_with(fault: &Fault, times: u32) -> Blame {
    match fault.kind() {
        FaultKind::Denied if fault.hop() == Hop::Gate && times < UNLINKED_ATTEMPTS_MAX => {
            Blame::Lattice
        }
        // The caller's own node is full, whoever is asked.
        FaultKind::Overloaded { .. } if fault.hop() == Hop::Caller => Blame::Call,
        FaultKind::DeadlineExceeded
        | FaultKind::Cancelled
        | FaultKind::TooLarge
        | FaultKind::Malformed
        | FaultKind::UnknownOperation
        | FaultKind::Denied
        | FaultKind::Fenced
        // An operation that crashed an actor once is not given the chance to crash the next one.
        | FaultKind::Crashed => Blame::Call,
        FaultKind::Overloaded { .. }
        | FaultKind::Unavailable
        | FaultKind::NodeLost
        | FaultKind::Draining
        | FaultKind::VersionMismatch => Blame::Replica,
        FaultKind::Disconnected | FaultKind::StaleEpoch => Blame::Lattice,
    }
}

/// How many retries a node may make: a fifth of its calls, and a reserve. Without it, retries would
/// multiply the load of a lattice that fails because of its load.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    /// In fifths of a retry.
    credit: AtomicI64,
}

const CREDIT_RESERVE: i64 = 1024 * CREDIT_FOR_RETRY;
const CREDIT_FOR_RETRY: i64 = 5;
const CREDIT_FROM_CALL: i64 = 1;

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            credit: AtomicI64::new(CREDIT_RESERVE),
        }
    }
}

impl RetryBudget {
    pub(crate) fn earn(&self) {
        // Two racing calls may put it a little over the reserve; it does not matter.
        if self.credit.load(Relaxed) < CREDIT_RESERVE {
            self.credit.fetch_add(CREDIT_FROM_CALL, Relaxed);
        }
    }

    pub(crate) fn spend(&self) -> bool {
        let spent = |credit: i64| (credit >= CREDIT_FOR_RETRY).then_some(credit - CREDIT_FOR_RETRY);
        self.credit.fetch_update(Relaxed, Relaxed, spent).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        kind: FaultKind,
        execution: Execution,
        change: impl Fn(&mut Failed<'_>),
        expected: Next,
    ) {
        check_fault(&Fault::new(kind, execution, Hop::Bus, ""), change, expected);
    }

    fn check_fault(fault: &Fault, change: impl Fn(&mut Failed<'_>), expected: Next) {
        let mut failed = Failed {
            fault,
            tried: Tried::Attempt(1),
            idempotent: false,
            body_untouched: true,
            another_replica: false,
            remaining: Duration::from_secs(1),
        };
        change(&mut failed);
        assert_eq!(next(failed, 1.0), expected, "{fault} {failed:?}");
    }

    #[test]
    fn decisions() {
        use Execution::{Executed, MaybeExecuted, NotExecuted};
        let full = FaultKind::Overloaded { retry_after_ms: 0 };
        let wait = Next::After(BACKOFF_FIRST);
        check(FaultKind::Unavailable, NotExecuted, |_| (), wait);
        check(
            FaultKind::Unavailable,
            NotExecuted,
            |f| f.another_replica = true,
            Next::AnotherReplica,
        );
        check(FaultKind::NodeLost, MaybeExecuted, |_| (), Next::GiveUp);
        check(
            FaultKind::NodeLost,
            MaybeExecuted,
            |f| f.idempotent = true,
            wait,
        );
        check(
            FaultKind::NodeLost,
            Executed,
            |f| f.idempotent = true,
            Next::GiveUp,
        );
        check(
            full,
            NotExecuted,
            |f| f.another_replica = true,
            Next::AnotherReplica,
        );
        check(full, NotExecuted, |_| (), Next::GiveUp);
        check(
            FaultKind::Draining,
            NotExecuted,
            |f| f.body_untouched = false,
            Next::GiveUp,
        );
        check(
            FaultKind::Draining,
            NotExecuted,
            |f| f.tried = Tried::Attempt(ATTEMPTS_MAX),
            Next::GiveUp,
        );
        check(
            FaultKind::Disconnected,
            NotExecuted,
            |f| f.tried = Tried::Unsent(ATTEMPTS_MAX),
            Next::After(BACKOFF_MAX),
        );
        check(
            FaultKind::Draining,
            NotExecuted,
            |f| f.remaining = Duration::ZERO,
            Next::GiveUp,
        );
        check(
            FaultKind::Malformed,
            NotExecuted,
            |f| f.another_replica = true,
            Next::GiveUp,
        );
        check(
            FaultKind::Crashed,
            MaybeExecuted,
            |f| f.idempotent = true,
            Next::GiveUp,
        );
        check(
            FaultKind::Disconnected,
            NotExecuted,
            |f| f.another_replica = true,
            wait,
        );
        let here = Fault::not_executed(full, Hop::Caller, "");
        let at_the_caller = |f: &mut Failed<'_>| f.another_replica = true;
        check_fault(&here, at_the_caller, Next::GiveUp);
        let last = |f: &mut Failed<'_>| f.remaining = Duration::from_millis(10);
        check(FaultKind::Unavailable, NotExecuted, last, Next::GiveUp);
    }

    /// Fails when a wait is begun behind which nothing can be sent.
    #[test]
    fn what_would_wake_up_too_late_is_given_up() {
        let at_the_end = |f: &mut Failed<'_>| f.remaining = BACKOFF_FIRST + TIMER_STEP;
        let (kind, execution) = (FaultKind::Draining, Execution::NotExecuted);
        check(kind, execution, at_the_end, Next::GiveUp);
    }

    /// Fails when a component that has just got a link is refused by whoever has not heard of it yet, or when one
    /// that has none is tried for as long as it likes.
    #[test]
    fn a_link_may_be_known_a_moment_later() {
        let (kind, execution) = (FaultKind::Denied, Execution::NotExecuted);
        let at_the_gate = Fault::not_executed(kind, Hop::Gate, "");
        let first = Next::After(BACKOFF_FIRST);
        check_fault(&at_the_gate, |_| (), first);
        let last = |f: &mut Failed<'_>| f.tried = Tried::Attempt(UNLINKED_ATTEMPTS_MAX);
        check_fault(&at_the_gate, last, Next::GiveUp);
        // Of the bus, which permits nothing later.
        check(kind, execution, |_| (), Next::GiveUp);
    }

    /// Fails when another replica is asked, which may not have seen the next holder yet.
    #[test]
    fn what_is_fenced_off_is_so_for_good() {
        let (kind, execution) = (FaultKind::Fenced, Execution::NotExecuted);
        let another = |f: &mut Failed<'_>| f.another_replica = true;
        check(kind, execution, another, Next::GiveUp);
    }

    #[test]
    fn a_budget_runs_out_and_calls_earn_it_back() {
        let budget = RetryBudget::default();
        let spent = std::iter::repeat_with(|| budget.spend())
            .take_while(|spent| *spent)
            .count();
        assert_eq!(spent as i64, CREDIT_RESERVE / CREDIT_FOR_RETRY);
        for _ in 0..CREDIT_FOR_RETRY {
            assert!(!budget.spend());
            budget.earn();
        }
        assert!(budget.spend());
    }
}
