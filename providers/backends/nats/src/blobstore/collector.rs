//! Bytes that no object names are removed, some time after somebody could last have begun to read them.
//!
//! They are what was replaced or removed, and what writers have left that did not come to their end, also
//! those of other nodes. Each node looks at a container when it first meets it, and whenever it has done
//! something there that may leave some, until there are none. What it finds twice, unchanged and unnamed
//! for all of `unnamed_bytes_kept_for_ms`, goes. A writer stores something in half of that and names its bytes
//! within a quarter after the last of them, and so is never taken for one that is gone; a copy names bytes
//! within a quarter after it has found them named. What names them and is late all the same names nothing.
//! Whatever cannot be read may name any bytes: then none go.

mod look;

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
    time::Duration,
};

use futures::TryStreamExt as _;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;
use wrt_blobstore::{BlobstoreError, ContainerName};
use wrt_contract::CallContext;
use wrt_protocol::Hop;

use self::look::Look;
use super::{
    container::Opened,
    kept_for,
    objects::{messages_from, messages_of_leader, named_by},
};
use crate::{Nats, attempt::Failure, client::WeakNats};

/// What is looked at of a container at a time; the rest at a later one.
const LOOKED_AT_MAX: usize = 100_000;

/// Longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// One look at a container may take so long, and the collector rests for twenty times as long as it took.
const LOOK_MAX: Duration = Duration::from_secs(60);
const REST: u32 = 20;

/// The containers that this provider has to do with; at most as many as may exist.
#[derive(Default)]
pub(crate) struct Containers {
    known: Mutex<HashMap<ContainerName, Kept>>,
    collector: OnceLock<AbortOnDropHandle<()>>,
}

/// What there is to collect in a container.
#[derive(Default)]
struct Kept {
    /// Whether there may be any.
    is_touched: bool,
    unnamed: BTreeMap<String, Unnamed>,
    /// Behind which id the next look begins: nothing for the beginning.
    looked_through: String,
}

/// Bytes that no object names.
#[derive(Debug, Clone, Copy)]
struct Unnamed {
    chunks: usize,
    since: Instant,
}

impl Containers {
    /// A container is worked with.
    pub(super) fn seen(&self, nats: &Nats, name: &ContainerName) {
        if !self.known.lock().contains_key(name) {
            self.touched(nats, name);
        }
    }

    /// Something was done that may leave bytes that no object names.
    pub(super) fn touched(&self, nats: &Nats, name: &ContainerName) {
        let mut known = self.known.lock();
        if !known.contains_key(name) && known.len() >= nats.config().buckets_max {
            return;
        }
        known.entry(name.clone()).or_default().is_touched = true;
        drop(known);
        self.collector.get_or_init(|| {
            let pause = kept_for(nats) / 3;
            let collect = collect(nats.downgrade(), pause.min(PAUSE_MAX));
            AbortOnDropHandle::new(tokio::spawn(collect))
        });
    }

    /// Those to look at.
    fn touched_ones(&self) -> Vec<ContainerName> {
        let mut known = self.known.lock();
        let touched = known.iter_mut().filter(|(_, kept)| kept.is_touched);
        let touched = touched.map(|(name, kept)| {
            // What is done from now on is for the next look.
            kept.is_touched = false;
            name.clone()
        });
        touched.collect()
    }

    fn forget(&self, name: &ContainerName) {
        self.known.lock().remove(name);
    }

    fn is_to_be_looked_at_again(&self, name: &ContainerName) {
        if let Some(kept) = self.known.lock().get_mut(name) {
            kept.is_touched = true;
        }
    }

    fn looked_through(&self, name: &ContainerName) -> String {
        let known = self.known.lock();
        let kept = known.get(name);
        kept.map_or_else(String::new, |kept| kept.looked_through.clone())
    }

    /// Notes what no object names; which of it goes.
    fn note(&self, name: &ContainerName, unnamed: Look, kept_for: Duration) -> Vec<String> {
        let mut known = self.known.lock();
        let kept = known.get_mut(name);
        kept.map_or_else(Vec::new, |kept| kept.note(unnamed, kept_for))
    }
}

impl Kept {
    fn note(&mut self, unnamed: Look, kept_for: Duration) -> Vec<String> {
        let (now, mut over) = (Instant::now(), Vec::new());
        let mut before = std::mem::take(&mut self.unnamed);
        for (id, chunks) in &unnamed.chunks {
            let known = before.get(id).filter(|known| known.chunks == *chunks);
            let since = known.map_or(now, |known| known.since);
            if now - since >= kept_for {
                over.push(id.clone());
            }
            let chunks = *chunks;
            self.unnamed.insert(id.clone(), Unnamed { chunks, since });
        }
        // Of the others nothing was seen this time.
        before.retain(|id, _| !unnamed.has_looked_at(id));
        self.unnamed.append(&mut before);
        self.looked_through = unnamed.through.unwrap_or_default();
        self.is_touched |= !self.unnamed.is_empty() || !self.looked_through.is_empty();
        over
    }
}

/// Goes on until the provider is gone.
async fn collect(nats: WeakNats, pause: Duration) {
    let mut rest = pause;
    loop {
        sleep(rest).await;
        let Some(nats) = nats.upgrade() else {
            return;
        };
        let began = Instant::now();
        for name in nats.containers().touched_ones() {
            if let Err(error) = nats.collect_in(&name).await {
                tracing::debug!(container = ?name, %error, "unnamed bytes are collected later");
                nats.containers().is_to_be_looked_at_again(&name);
            }
        }
        rest = pause.max(began.elapsed() * REST);
    }
}

impl Nats {
    /// Looks at one container.
    async fn collect_in(&self, name: &ContainerName) -> Result<(), BlobstoreError> {
        let context = CallContext::with_budget(LOOK_MAX);
        let opened = match self.container(&context, name).await {
            Err(BlobstoreError::NoSuchContainer(_)) => {
                self.containers().forget(name);
                return Ok(());
            }
            opened => opened?,
        };
        let unnamed = self.unnamed(&opened, self.containers().looked_through(name));
        let unnamed = context.bound(Hop::Backend, unnamed).await?;
        let over = self.containers().note(name, unnamed?, kept_for(self));
        for id in over {
            tracing::info!(container = ?name, id, "bytes that no object names are removed");
            let removed = opened.stream.purge().filter(opened.chunks(&id)).await;
            removed.map_err(|error| BlobstoreError::other(error.to_string()))?;
        }
        Ok(())
    }

    /// Ids of bytes that no object names, and how many chunks of each there are. Bytes come first: those
    /// that were stored since then are nobody's yet.
    async fn unnamed(&self, opened: &Opened, after: String) -> Result<Look, BlobstoreError> {
        let failed = |error: &dyn std::fmt::Display| BlobstoreError::other(error.to_string());
        let start = opened.chunks("");
        let subjects = opened.stream.info_with_subjects(start.clone() + "*").await;
        let mut subjects = subjects.map_err(|error| failed(&error))?;
        let mut look = Look::behind(after);
        while let Some((subject, chunks)) =
            subjects.try_next().await.map_err(|error| failed(&error))?
        {
            if let Some(id) = subject.strip_prefix(&start) {
                look.push(id, chunks, LOOKED_AT_MAX);
            }
        }
        let mut next = Some(1);
        while let Some(start) = next.filter(|_| !look.chunks.is_empty()) {
            let page = match opened.reads_direct {
                true => messages_from(opened, start).await,
                false => messages_of_leader(opened, start).await,
            };
            let (objects, more) = page.map_err(|failure| match failure {
                Failure::Final(error) => error,
                Failure::NotDone(reason) | Failure::Unknown(reason) => failed(&reason),
            })?;
            for object in &objects {
                let named = named_by(object).inspect_err(|error| {
                    let container = &opened.name;
                    tracing::warn!(?container, %error, "nothing is collected: an object cannot be read");
                });
                if let Some(id) = named.map_err(|error| failed(&error))? {
                    look.chunks.remove(&id);
                }
            }
            next = more;
        }
        Ok(look)
    }
}
