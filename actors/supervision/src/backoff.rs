//! Delays between attempts.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::time::Instant;
use wrt_protocol::ActorAddress;

use crate::SupervisionOptions;

/// Doubles with each failure; each delay is drawn between its half and its whole, so that replicas
/// which lost the same service do not come back to it in step.
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    stable_after: Duration,
    failures: u32,
    ready_since: Option<Instant>,
    jitter: SmallRng,
}

impl Backoff {
    pub(crate) fn new(options: &SupervisionOptions, actor: &ActorAddress) -> Self {
        let mut hasher = DefaultHasher::new();
        (options.jitter_seed, actor).hash(&mut hasher);
        Self {
            min: options.backoff_min,
            max: options.backoff_max,
            stable_after: options.stable_after,
            failures: 0,
            ready_since: None,
            jitter: SmallRng::seed_from_u64(hasher.finish()),
        }
    }

    /// Notes that an attempt succeeded.
    pub(crate) fn ready(&mut self) {
        self.ready_since = Some(Instant::now());
    }

    /// The delay after one more failure.
    pub(crate) fn failed(&mut self) -> Duration {
        let ready_since = self.ready_since.take();
        if ready_since.is_some_and(|since| since.elapsed() >= self.stable_after) {
            self.failures = 0;
        }
        let whole = self
            .min
            .saturating_mul(1 << self.failures.min(31))
            .min(self.max);
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(self.jitter.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use wrt_protocol::Name;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn delays_double_up_to_the_most_and_begin_anew_after_a_stable_time() {
        let options = SupervisionOptions {
            jitter_seed: 7,
            ..SupervisionOptions::default()
        };
        let name = |text| Name::new(text).unwrap();
        let actor = ActorAddress::provider(name("app"), name("redis"));
        let mut backoff = Backoff::new(&options, &actor);
        let mut whole = options.backoff_min;
        for _ in 0..12 {
            let delay = backoff.failed();
            assert!(
                delay >= whole / 2 && delay <= whole,
                "{delay:?} of {whole:?}"
            );
            whole = (whole * 2).min(options.backoff_max);
        }
        backoff.ready();
        assert!(backoff.failed() > options.backoff_max / 3, "it flaps");
        backoff.ready();
        tokio::time::advance(options.stable_after).await;
        assert!(backoff.failed() <= options.backoff_min);
    }
}
