//! The bucket of settings: followed by one watch, and kept when it is gone.

use std::{fmt::Display, sync::Arc, time::Duration};

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
use wrt_config::ConfigError;
use wrt_contract::CallContext;
use wrt_protocol::Hop;

use crate::{Nats, config_store::ConfigValues};

/// How often it is looked whether the bucket is still there and still the same: its removal is no
/// change of a key, so that the watch does not tell it.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How long one look, or the next entry of those that the bucket has at first, may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Pause before the bucket is read anew; doubles while that fails.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// What is known of the bucket. Once read it stays read: what goes wrong later is told in the log, and
/// the last known settings are served.
#[derive(Debug, Clone)]
enum Known {
    /// The first attempt is under way.
    Nothing,
    /// It could not be read yet, and why.
    Trouble(Arc<str>),
    /// What it holds, and when it was made.
    Settings(Arc<ConfigValues>, i128),
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
            Ok(Known::Settings(settings, _)) => Ok(Arc::clone(settings)),
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

struct Follower {
    jetstream: Context,
    bucket: String,
    told: watch::Sender<Known>,
}

impl Follower {
    async fn run(self) {
        let mut pause = PAUSE_MIN;
        let mut told: Option<String> = None;
        loop {
            match self.follow(&mut pause, &mut told).await {
                Ended::Changed => pause = PAUSE_MIN,
                Ended::Trouble(why) => {
                    let has_settings = matches!(&*self.told.borrow(), Known::Settings(..));
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

    /// Reads the bucket and follows it until that ends.
    async fn follow(&self, pause: &mut Duration, told: &mut Option<String>) -> Ended {
        match self.try_follow(pause, told).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn try_follow(
        &self,
        pause: &mut Duration,
        told: &mut Option<String>,
    ) -> Result<std::convert::Infallible, Ended> {
        let store = self.jetstream.get_key_value(&self.bucket).await;
        let store = store.map_err(trouble(
            "it cannot be opened (`nats kv add` makes one that does not exist)",
        ))?;
        let (made, messages) = look(&store).await?;
        self.is_no_empty_successor(made, messages)?;
        // Every key there is, and then each change.
        let watch = store.watch_with_history(">").await;
        let mut watch = watch.map_err(trouble("it cannot be watched"))?;
        let mut settings = ConfigValues::default();
        let mut is_whole = messages == 0;
        while !is_whole {
            let entry = timeout(ANSWER_MAX, watch.next()).await;
            let entry = entry.map_err(trouble("it stopped in the middle"))?;
            is_whole = take(&mut settings, entry)?;
        }
        self.publish(&settings, made);
        *pause = PAUSE_MIN;
        if told.take().is_some() {
            tracing::warn!(bucket = self.bucket, "settings are followed again");
        }
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                entry = watch.next() => {
                    take(&mut settings, entry)?;
                    self.publish(&settings, made);
                }
                _ = looks.tick() => {
                    let (made_now, messages) = look(&store).await?;
                    self.is_no_empty_successor(made_now, messages)?;
                    // A key that goes leaves a mark; a stream that is purged does not.
                    if made_now != made || messages < settings.len() as u64 {
                        return Err(Ended::Changed);
                    }
                }
            }
        }
    }

    /// Refuses a bucket that was emptied, or made anew, under settings that are in use. Whoever means
    /// it deletes the keys, which leaves marks.
    fn is_no_empty_successor(&self, made: i128, messages: u64) -> Result<(), Ended> {
        let Known::Settings(settings, before) = &*self.told.borrow() else {
            return Ok(());
        };
        if messages > 0 || settings.len() == 0 {
            return Ok(());
        }
        let how = if *before == made {
            "was emptied at once"
        } else {
            "was made anew, and is empty"
        };
        Err(Ended::Trouble(format!("it {how}")))
    }

    fn publish(&self, settings: &ConfigValues, made: i128) {
        let settings = Arc::new(settings.clone());
        self.told.send_replace(Known::Settings(settings, made));
    }
}

/// When the bucket was made, and how many messages it has.
async fn look(store: &Store) -> Result<(i128, u64), Ended> {
    let info = timeout(ANSWER_MAX, store.stream.get_info()).await;
    let info = info.map_err(trouble("it does not answer"))?;
    let info = info.map_err(trouble("it cannot be looked at"))?;
    Ok((info.created.unix_timestamp_nanos(), info.state.messages))
}

/// Takes over one entry; answers whether it was the last of those that were there at first.
fn take<E: Display>(
    settings: &mut ConfigValues,
    entry: Option<Result<Entry, E>>,
) -> Result<bool, Ended> {
    let entry = entry.ok_or_else(|| Ended::Trouble("the watch has ended".to_owned()))?;
    let entry = entry.map_err(trouble("the watch has failed"))?;
    match entry.operation {
        Operation::Put => settings
            .set(&entry.key, &entry.value)
            .map_err(Ended::Trouble)?,
        Operation::Delete | Operation::Purge => settings.remove(&entry.key),
    }
    Ok(entry.seen_current)
}
