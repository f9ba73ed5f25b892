//! The times of the supervision tree.

use std::time::Duration;

/// When what is tried again, and for how long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupervisionOptions {
    /// Delay before the first further attempt. Each next one is twice as long.
    pub backoff_min: Duration,
    /// The longest delay between attempts.
    pub backoff_max: Duration,
    /// Delay after a failure that another attempt is not expected to mend.
    pub backoff_refused: Duration,
    /// How long a replica must have been ready for the delays to begin anew: a flapping one uses up
    /// its quick restarts, and gets slow ones.
    pub stable_after: Duration,
    /// How long one attempt to start may take.
    pub start_time_max: Duration,
    /// For how long a replica that has not run yet counts as starting although attempts fail, for a reason
    /// that may pass: calls wait for it, within their budgets. Then it counts as failing, and they are
    /// refused at once.
    pub starting_max: Duration,
    /// Time between two probes.
    pub probe_interval: Duration,
    /// How long one probe may take.
    pub probe_time_max: Duration,
    /// How long the calls of a replica that was replaced, or that failed its probe, may go on.
    pub replaced_patience: Duration,
    /// What the delays' jitter is drawn from.
    pub jitter_seed: u64,
}

impl Default for SupervisionOptions {
    fn default() -> Self {
        Self {
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            backoff_refused: Duration::from_secs(60),
            stable_after: Duration::from_secs(30),
            start_time_max: Duration::from_secs(300),
            starting_max: Duration::from_secs(30),
            probe_interval: Duration::from_secs(5),
            probe_time_max: Duration::from_secs(2),
            replaced_patience: Duration::from_secs(30),
            jitter_seed: rand::random(),
        }
    }
}
