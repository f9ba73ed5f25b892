//! What must be true of a load, whatever was done to the cluster meanwhile.
//!
//! Each check takes the outcomes alone and knows neither the load nor the fault that they come from.

use std::{fmt, time::Duration};

use http::Method;

use crate::{Outcome, Sample};

/// What a call may take beyond its budget to say so; the runtime's promise.
pub const GRACE: Duration = Duration::from_millis(100);

/// What is granted to the client beside that: its own connect, its wait for a turn on a machine with
/// two cores that runs a dozen processes, and the reading of the answer.
pub const CLIENT_MARGIN: Duration = Duration::from_millis(500);

/// An invariant that does not hold.
#[derive(Debug, thiserror::Error)]
#[error("{invariant}: {count} of {of} requests do not keep to it, for instance {example}")]
pub struct Broken {
    invariant: String,
    count: usize,
    of: usize,
    example: Example,
}

/// Every request ends within `budget` and the [`GRACE`], with an answer.
///
/// # Errors
/// The requests that did not.
pub fn all_end_within(samples: &[Sample], budget: Duration) -> Result<(), Broken> {
    let limit = budget + GRACE + CLIENT_MARGIN;
    none(samples, format!("ends within {limit:?}"), |sample| {
        sample.took > limit || matches!(sample.outcome, Outcome::TimedOut)
    })
}

/// Every request succeeds.
///
/// # Errors
/// The requests that did not.
pub fn all_succeed<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Result<(), Broken> {
    let failed = |sample: &Sample| !sample.is_success();
    none(samples, "every request succeeds", failed)
}

/// Every request that was due after `from` succeeds.
///
/// # Errors
/// The requests that did not.
pub fn all_succeed_after(samples: &[Sample], from: Duration) -> Result<(), Broken> {
    let invariant = format!("what is due after {from:?} succeeds");
    none(samples, invariant, |sample| {
        sample.due > from && !sample.is_success()
    })
}

/// Only requests that were under way between `from` and `until` fail.
///
/// # Errors
/// The requests that failed and were not.
pub fn only_fail_under_way(
    samples: &[Sample],
    from: Duration,
    until: Duration,
) -> Result<(), Broken> {
    let invariant = format!("only what is under way between {from:?} and {until:?} fails");
    none(samples, invariant, |sample| {
        !sample.is_success() && (sample.due > until || sample.ended() < from)
    })
}

/// Every request that is answered at all is answered with one of `statuses`.
///
/// # Errors
/// The requests with another one, or with a broken connection.
pub fn all_answer(samples: &[Sample], statuses: &[u16]) -> Result<(), Broken> {
    none(samples, format!("answers one of {statuses:?}"), |sample| {
        !sample
            .status()
            .is_some_and(|status| statuses.contains(&status.as_u16()))
    })
}

/// What increments make of a counter: nothing that was acknowledged is lost, and nothing is counted
/// that was not asked for or that was said not to have run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    /// Acknowledged: these count.
    pub acknowledged: u64,
    /// Neither acknowledged nor known not to have run: these may count.
    pub doubtful: u64,
}

impl Ledger {
    /// Of the increments (each POST) among `samples`.
    pub fn of<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let posts = samples
            .into_iter()
            .filter(|sample| sample.method == Method::POST);
        let (acknowledged, failed): (Vec<_>, Vec<_>) = posts.partition(|post| post.is_success());
        // The store's own fault, in the words of the guest's answer.
        let may_have_run = |post: &&Sample| !post.outcome.text().contains("(not executed");
        Self {
            acknowledged: acknowledged.len() as u64,
            doubtful: failed.into_iter().filter(may_have_run).count() as u64,
        }
    }

    /// Whether a counter that went from `before` to `after` can be right.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(self, before: u64, after: u64) -> Result<(), Miscounted> {
        let counted = after.saturating_sub(before);
        let range = self.acknowledged..=self.acknowledged + self.doubtful;
        if after >= before && range.contains(&counted) {
            return Ok(());
        }
        Err(Miscounted {
            ledger: self,
            before,
            after,
        })
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            acknowledged,
            doubtful,
        } = self;
        write!(f, "{acknowledged} acknowledged, {doubtful} in doubt")
    }
}

/// A counter that cannot be right.
#[derive(Debug, thiserror::Error)]
#[error("with {ledger}, the counter went from {before} to {after}")]
pub struct Miscounted {
    ledger: Ledger,
    before: u64,
    after: u64,
}

fn none<'a>(
    samples: impl IntoIterator<Item = &'a Sample>,
    invariant: impl Into<String>,
    is_against: impl Fn(&Sample) -> bool,
) -> Result<(), Broken> {
    let (mut of, mut against) = (0, Vec::new());
    for sample in samples {
        of += 1;
        if is_against(sample) {
            against.push(sample);
        }
    }
    let worst = against.iter().max_by_key(|sample| sample.took);
    match worst {
        None => Ok(()),
        Some(worst) => Err(Broken {
            invariant: invariant.into(),
            count: against.len(),
            of,
            example: Example(Box::new((*worst).clone())),
        }),
    }
}

#[derive(Debug)]
struct Example(Box<Sample>);

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample {
            method,
            url,
            due,
            took,
            outcome,
        } = &*self.0;
        write!(
            f,
            "the {method} of {url} that was due at {due:?} and took {took:?}: "
        )?;
        match outcome {
            Outcome::Answered { status, .. } => write!(f, "{status}, {:?}", outcome.text()),
            Outcome::Broken { error } => write!(f, "a broken connection, {error}"),
            Outcome::TimedOut => f.write_str("the client gave up"),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn sample(due_ms: u64, took_ms: u64, status: u16, text: &'static str) -> Sample {
        Sample {
            method: Method::POST,
            url: String::new(),
            due: Duration::from_millis(due_ms),
            took: Duration::from_millis(took_ms),
            outcome: Outcome::Answered {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: Bytes::from_static(text.as_bytes()),
            },
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_late_end_and_a_patience_that_ran_out_are_found() {
        let mut late = [sample(0, 1600, 200, ""), sample(0, 1601, 200, "")];
        let broken = all_end_within(&late, ms(1000)).unwrap_err();
        assert_eq!((broken.count, broken.of), (1, 2));
        assert!(broken.to_string().contains("took 1.601s"), "{broken}");
        late[1].took = ms(1);
        all_end_within(&late, ms(1000)).unwrap();
        late[1].outcome = Outcome::TimedOut;
        all_end_within(&late, ms(1000)).unwrap_err();
    }

    #[test]
    fn failures_are_found_by_when_they_were_under_way() {
        let failed = [sample(100, 50, 503, "")];
        only_fail_under_way(&failed, ms(120), ms(130)).unwrap();
        only_fail_under_way(&failed, ms(151), ms(200)).unwrap_err();
        only_fail_under_way(&failed, ms(50), ms(99)).unwrap_err();
        all_succeed_after(&failed, ms(100)).unwrap();
        all_succeed_after(&failed, ms(99)).unwrap_err();
        all_succeed(&failed).unwrap_err();
        all_answer(&failed, &[200, 503]).unwrap();
        all_answer(&failed, &[200]).unwrap_err();
    }

    #[test]
    fn a_ledger_knows_what_a_count_can_be() {
        let samples = [
            sample(0, 1, 200, "1"),
            sample(0, 1, 503, "node lost (maybe executed; hop Bus)"),
            sample(0, 1, 503, "overloaded (not executed; hop Gate)"),
        ];
        let ledger = Ledger::of(&samples);
        assert_eq!((ledger.acknowledged, ledger.doubtful), (1, 1));
        ledger.check(5, 5).unwrap_err();
        ledger.check(5, 6).unwrap();
        ledger.check(5, 7).unwrap();
        ledger.check(5, 8).unwrap_err();
        ledger.check(5, 0).unwrap_err();
    }
}
