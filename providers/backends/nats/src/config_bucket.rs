//! The bucket of settings: followed by one watch, and kept when it is gone.
//!
//! What takes a setting away is a mark of the key, as NATS's tools write when they delete it, or that
//! the key's messages are purged (`nats stream purge --subject`). A bucket that is removed, or emptied
//! at once, takes nothing away, and neither does one that is made anew under the name: what it has is
//! served over what was known, and what it does not have stays, until a mark says otherwise. So who
//! makes it anew and fills it key by key is never seen half way. A provider that starts knows only
//! what is there.

use std::{collections::HashSet, fmt::Display, sync::Arc, time::Duration};

use async_nats::jetstream::{
    Context,
    kv::{Entry, Operation, Store},
};
use futures::StreamExt;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use wrt_config::{ConfigError, limits::ENTRIES_MAX};
use wrt_contract::CallContext;
use wrt_protocol::Hop;

use crate::{Nats, attempt::said, config_store::ConfigValues};

/// How often it is looked whether the bucket is still there and still the same: its removal is no
/// change of a key, so that the watch does not tell it.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How long one look, or the next entry of those that the bucket has at first, may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Pause before the bucket is read anew; doubles while that fails.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Keys of the bucket, deleted ones that have left a mark among them. The names of all are remembered,
/// to see which one is gone without.
const SUBJECTS_MAX: usize = 16 * ENTRIES_MAX;

/// What is known of the bucket. Once read it stays read: what goes wrong later is told in the log, and
/// the last known settings are served.
#[derive(Debug, Clone)]
enum Known {
    /// The first attempt is under way.
    Nothing,
    /// It could not be read yet, and why.
    Trouble(Arc<str>),
    /// What it holds.
    Settings(Arc<ConfigValues>),
}

/// A bucket that is followed for as long as this lives.
#[derive(Debug)]
pub(crate) struct ConfigBucket {
    known: watch::Receiver<Known>,
    _follower: AbortOnDropHandle<()>,
}

impl ConfigBucket {
    pub(crate) fn follow(jetstream: Context, bucket: String) -> Self {
        let (told, known) = watch::channel(Known::Nothing);
        let follower = Follower {
            jetstream,
            bucket,
            told,
            reading: Reading::default(),
        };
        Self {
            known,
            _follower: AbortOnDropHandle::new(tokio::spawn(follower.run())),
        }
    }
}

impl Nats {
    /// The settings, as they are or as they were last known.
    pub(crate) async fn settings(
        &self,
        context: &CallContext,
    ) -> Result<Arc<ConfigValues>, ConfigError> {
        let Some(bucket) = self.config_bucket() else {
            return Err(ConfigError::upstream(
                "this provider has no settings: name their bucket with `config_bucket`",
            ));
        };
        let mut known = bucket.known.clone();
        let read = known.wait_for(|known| !matches!(known, Known::Nothing));
        let known = context.bound(Hop::Backend, read).await?;
        match known.as_deref() {
            Ok(Known::Settings(settings)) => Ok(Arc::clone(settings)),
            Ok(Known::Trouble(why)) => Err(ConfigError::upstream(why)),
            Ok(Known::Nothing) | Err(_) => Err(ConfigError::upstream("nobody reads the bucket")),
        }
    }
}

/// Why a bucket is read anew.
enum Ended {
    /// Keys went away without a word.
    Changed,
    /// It cannot be followed.
    Trouble(String),
}

/// Trouble, in words that say what was tried.
fn trouble<E: Display>(what: &str) -> impl FnOnce(E) -> Ended {
    move |error| Ended::Trouble(format!("{what}: {error}"))
}

/// What was read, and where.
#[derive(Debug, Clone, Default)]
struct Reading {
    settings: ConfigValues,
    /// The keys of the bucket, those with marks among them.
    keys: HashSet<String>,
    /// When the bucket was made, in nanoseconds.
    made: i128,
}

impl Reading {
    /// What a reading of the bucket that was made at `made` starts with: what was read before, but for
    /// the keys that were read there, which it reads again.
    fn successor(&self, made: i128) -> Self {
        let mut settings = self.settings.clone();
        if made == self.made {
            for key in &self.keys {
                settings.remove(key);
            }
        }
        Self {
            settings,
            keys: HashSet::new(),
            made,
        }
    }

    /// Takes over one entry; answers whether it was the last of those that were there at first.
    fn take<E: Display>(&mut self, entry: Option<Result<Entry, E>>) -> Result<bool, Ended> {
        let entry = entry.ok_or_else(|| Ended::Trouble("the watch has ended".to_owned()))?;
        let entry = entry.map_err(trouble("the watch has failed"))?;
        if self.keys.len() == SUBJECTS_MAX && !self.keys.contains(&entry.key) {
            return Err(Ended::Trouble(format!(
                "more than {SUBJECTS_MAX} keys, with those that were deleted and have left a mark"
            )));
        }
        match entry.operation {
            Operation::Put => self
                .settings
                .set(&entry.key, &entry.value)
                .map_err(Ended::Trouble)?,
            Operation::Delete | Operation::Purge => self.settings.remove(&entry.key),
        }
        self.keys.insert(entry.key);
        Ok(entry.seen_current)
    }
}

struct Follower {
    jetstream: Context,
    bucket: String,
    told: watch::Sender<Known>,
    reading: Reading,
}

impl Follower {
    async fn run(mut self) {
        let mut pause = PAUSE_MIN;
        let mut told: Option<String> = None;
        loop {
            match self.follow(&mut pause, &mut told).await {
                Ended::Changed => pause = PAUSE_MIN,
                Ended::Trouble(why) => {
                    let has_settings = self.has_settings();
                    if told.as_ref() != Some(&why) {
                        let bucket = &self.bucket;
                        let served = if has_settings {
                            "the last known ones"
                        } else {
                            "none"
                        };
                        tracing::warn!(bucket, why, served, "settings cannot be followed");
                    }
                    if !has_settings {
                        let text = format!("the bucket of settings {}: {why}", self.bucket);
                        self.told.send_replace(Known::Trouble(text.into()));
                    }
                    told = Some(why);
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn has_settings(&self) -> bool {
        matches!(&*self.told.borrow(), Known::Settings(_))
    }

    /// Reads the bucket and follows it until that ends.
    async fn follow(&mut self, pause: &mut Duration, told: &mut Option<String>) -> Ended {
        match self.try_follow(pause, told).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn try_follow(
        &mut self,
        pause: &mut Duration,
        told: &mut Option<String>,
    ) -> Result<std::convert::Infallible, Ended> {
        let store = self.jetstream.get_key_value(&self.bucket).await;
        let store = store.map_err(|error| {
            let why = said(&error);
            Ended::Trouble(format!(
                "it cannot be opened (`nats kv add` makes one that does not exist): {why}"
            ))
        })?;
        let (made, keys) = look(&store).await?;
        self.check_not_emptied(made, keys)?;
        // Every key there is, and then each change.
        let watch = store.watch_with_history(">").await;
        let mut watch = watch.map_err(trouble("it cannot be watched"))?;
        let mut reading = self.reading.successor(made);
        let mut is_whole = keys == 0;
        while !is_whole {
            let entry = timeout(ANSWER_MAX, watch.next()).await;
            let entry = entry.map_err(trouble("it stopped in the middle"))?;
            is_whole = reading.take(entry)?;
        }
        if self.has_settings() && self.reading.made != made {
            let bucket = &self.bucket;
            tracing::warn!(
                bucket,
                keys,
                "it was made anew: what it does not have stays as it was"
            );
        }
        self.reading = reading;
        self.publish();
        *pause = PAUSE_MIN;
        if told.take().is_some() {
            tracing::warn!(bucket = self.bucket, "settings are followed again");
        }
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                entry = watch.next() => {
                    self.reading.take(entry)?;
                    self.publish();
                }
                _ = looks.tick() => {
                    let (made_now, keys) = look(&store).await?;
                    self.check_not_emptied(made_now, keys)?;
                    // A key that is deleted leaves a mark; one that is purged does not.
                    if made_now != made || keys < self.reading.keys.len() as u64 {
                        return Err(Ended::Changed);
                    }
                }
            }
        }
    }

    /// Refuses a bucket that was emptied at once. What it had stays, as if it were made anew.
    fn check_not_emptied(&mut self, made: i128, keys: u64) -> Result<(), Ended> {
        if keys > 0 || made != self.reading.made || self.reading.keys.is_empty() {
            return Ok(());
        }
        self.reading.keys.clear();
        Err(Ended::Trouble("it was emptied at once".to_owned()))
    }

    fn publish(&self) {
        let settings = Arc::new(self.reading.settings.clone());
        self.told.send_replace(Known::Settings(settings));
    }
}

/// When the bucket was made, and how many keys it has, those with marks among them.
async fn look(store: &Store) -> Result<(i128, u64), Ended> {
    let info = timeout(ANSWER_MAX, store.stream.get_info()).await;
    let info = info.map_err(trouble("it does not answer"))?;
    let info = info.map_err(|error| {
        let why = said(&error);
        Ended::Trouble(format!("it cannot be looked at: {why}"))
    })?;
    Ok((
        info.created.unix_timestamp_nanos(),
        info.state.subjects_count,
    ))
}
