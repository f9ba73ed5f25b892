//! What a fault cost, from the outcomes of a load.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::Sample;

/// What a fault cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Requests sent.
    pub sent: usize,
    /// Requests that did not succeed.
    pub failed: usize,
    /// The longest that any request took, failed or not.
    pub longest: Duration,
    /// From the fault until the last request was due that failed; zero if none did.
    pub until_all_succeed: Duration,
}

impl Outage {
    /// Sums up `samples` of a load during which the fault came at `fault`.
    pub fn of(samples: &[Sample], fault: Duration) -> Self {
        let failed: Vec<_> = samples
            .iter()
            .filter(|sample| !sample.is_success())
            .collect();
        let last_failed = failed.iter().map(|sample| sample.due).max();
        Self {
            sent: samples.len(),
            failed: failed.len(),
            longest: samples
                .iter()
                .map(|sample| sample.took)
                .max()
                .unwrap_or_default(),
            until_all_succeed: last_failed.unwrap_or_default().saturating_sub(fault),
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            failed,
            longest,
            until_all_succeed,
        } = self;
        write!(
            f,
            "{failed} of {sent} failed, the longest took {:.0} ms, all succeed after {:.0} ms",
            longest.as_secs_f64() * 1e3,
            until_all_succeed.as_secs_f64() * 1e3,
        )
    }
}

/// How many requests ended with each status; those without an answer are under 0.
pub fn statuses(samples: &[Sample]) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for sample in samples {
        let status = sample.status().map_or(0, |status| status.as_u16());
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

/// The sample at a share of the order: 0.5 is the median.
pub fn percentile(samples: &[Sample], share: f64) -> Duration {
    let mut took: Vec<_> = samples.iter().map(|sample| sample.took).collect();
    took.sort_unstable();
    let last = took.len().saturating_sub(1);
    took.get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, StatusCode};

    use super::*;
    use crate::Outcome;

    fn sample(due_ms: u64, took_ms: u64, status: u16) -> Sample {
        Sample {
            method: Method::GET,
            url: String::new(),
            due: Duration::from_millis(due_ms),
            took: Duration::from_millis(took_ms),
            outcome: Outcome::Answered {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: bytes::Bytes::new(),
            },
        }
    }

    #[test]
    fn an_outage_ends_with_the_last_failure() {
        let samples = [
            sample(0, 1, 200),
            sample(100, 9, 503),
            sample(200, 2, 500),
            sample(300, 1, 200),
        ];
        let outage = Outage::of(&samples, Duration::from_millis(50));
        assert_eq!((outage.sent, outage.failed), (4, 2));
        assert_eq!(outage.longest, Duration::from_millis(9));
        assert_eq!(outage.until_all_succeed, Duration::from_millis(150));
    }
}
