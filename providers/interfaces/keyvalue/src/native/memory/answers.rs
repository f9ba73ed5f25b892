//! First answers, for a time.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;
use wrt_protocol::IdempotencyKey;

use crate::FirstAnswer;

/// The first answers of keyed operations. Each lives equally long, so those that end first are in
/// front.
#[derive(Default)]
pub(super) struct FirstAnswers {
    by_key: HashMap<IdempotencyKey, FirstAnswer>,
    ends: VecDeque<(Instant, IdempotencyKey)>,
}

impl FirstAnswers {
    /// The answer under `key`, if its time is not up.
    pub(super) fn get(&self, key: IdempotencyKey) -> Option<FirstAnswer> {
        self.by_key.get(&key).copied()
    }

    /// Remembers an answer for `time`.
    pub(super) fn insert(&mut self, key: IdempotencyKey, answer: FirstAnswer, time: Duration) {
        self.by_key.insert(key, answer);
        self.ends.push_back((Instant::now() + time, key));
    }

    /// Forgets those whose time is up.
    pub(super) fn forget_old(&mut self) {
        let now = Instant::now();
        while let Some((_, key)) = self.ends.pop_front_if(|(end, _)| *end <= now) {
            self.by_key.remove(&key);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }
}
