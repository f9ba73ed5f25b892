//! The bucket, read once and kept up to date by the watch that has read it.
//!
//! A watch may miss something: its server was started again, the bucket was lost and made anew, brought back from
//! a copy, or emptied. So nothing is believed of it before it was compared with what the server says of the bucket,
//! which is one small request: which bucket it is, its last change, how many keys it has and how many messages.

use std::{error::Error, time::Duration};

use async_nats::jetstream::{
    kv::{self, Watch},
    stream::Info,
};
use futures::{FutureExt, StreamExt};

use super::reading::{Reading, empty};

/// How long a change that the server knows of may take to arrive.
const BEHIND_MAX: Duration = Duration::from_millis(500);

/// A bucket that is followed.
pub(super) struct Followed {
    watch: Watch,
    reading: Reading,
    /// What came since the server was asked last.
    arrived: u64,
    /// Keys that the bucket has and a watch does not show.
    unshown: u64,
}

/// What comes of a comparison with what the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// All is known.
    Same,
    /// Something came that the server had not when it was asked: it is to be asked once more.
    Ahead,
    /// Something was missed.
    Behind,
}

type WatchError = Box<dyn Error + Send + Sync>;

impl Followed {
    pub(super) fn new(watch: Watch, empty: Reading) -> Self {
        Self {
            watch,
            reading: empty,
            arrived: 0,
            unshown: 0,
        }
    }

    /// Takes in the next entry, and those that are there with it; answers whether all that the bucket has was
    /// shown. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<bool, WatchError> {
        let mut next = self.watch.next().await;
        loop {
            let entry = next.ok_or("the watch has ended")?;
            let entry = entry.map_err(|error| error.to_string())?;
            let is_whole = entry.seen_current;
            self.take(entry);
            match self.watch.next().now_or_never() {
                Some(more) => next = more,
                None => return Ok(is_whole),
            }
        }
    }

    fn take(&mut self, entry: kv::Entry) {
        self.arrived += 1;
        self.reading.insert(entry);
    }

    /// Takes in that all was shown that the server said it has, and maybe more that came since.
    pub(super) fn is_read(&mut self, info: &Info) {
        let last = info.state.last_sequence;
        let entries = self.reading.entries.values();
        self.arrived = entries.filter(|entry| entry.revision.0 > last).count() as u64;
        // Of new keys that came since it cannot be told; then all is read once more.
        let known = self.reading.entries.len() as u64;
        self.unshown = info.state.subjects_count.saturating_sub(known);
    }

    /// Compares what is known with what the server says, once what it knows of had the time to come.
    pub(super) async fn compare(&mut self, info: &Info) -> Compared {
        let now = empty(info);
        if self.reading.bucket != now.bucket {
            return Compared::Behind;
        }
        while self.reading.last < now.last {
            let next = tokio::time::timeout(BEHIND_MAX, self.next()).await;
            if !matches!(next, Ok(Ok(_))) {
                return Compared::Behind;
            }
        }
        if self.reading.last > now.last {
            return Compared::Ahead;
        }
        let keys = self.reading.entries.len() as u64 + self.unshown;
        // Each entry that came is one message more, or took the place of an earlier one of its key.
        let messages = self.reading.messages..=self.reading.messages + self.arrived;
        if keys != info.state.subjects_count || !messages.contains(&now.messages) {
            return Compared::Behind;
        }
        self.reading.messages = now.messages;
        self.arrived = 0;
        Compared::Same
    }

    pub(super) fn reading(&self) -> &Reading {
        &self.reading
    }

    pub(super) fn into_reading(self) -> Reading {
        self.reading
    }
}
