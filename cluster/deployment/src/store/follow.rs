//! The desired state as it changes.

use std::sync::Arc;

use futures::{Stream, StreamExt};

use super::{Snapshot, Store};
use crate::limits::{STORE_CALL_WAIT_MAX, STORE_REREAD_INTERVAL};

impl Store {
    /// The whole desired state, now and after each change of it.
    ///
    /// Level-triggered: each item is all of it, changes in between are left out, and it is read again
    /// every [`STORE_REREAD_INTERVAL`], so that an event that got lost only delays. While JetStream
    /// is away there is no item: whoever listens keeps what it has.
    pub fn watch(&self) -> impl Stream<Item = Arc<Snapshot>> + Send + 'static {
        let follower = Follower {
            store: self.clone(),
            events: None,
            last: None,
        };
        futures::stream::unfold(follower, |mut follower| async {
            let snapshot = follower.next().await;
            Some((snapshot, follower))
        })
    }
}

struct Follower {
    store: Store,
    events: Option<async_nats::jetstream::kv::Watch>,
    last: Option<Arc<Snapshot>>,
}

impl Follower {
    async fn next(&mut self) -> Arc<Snapshot> {
        loop {
            if self.last.is_some() {
                self.event().await;
            }
            // Before the snapshot: a change after it makes an event.
            self.listen().await;
            match self.store.snapshot().await {
                Ok(snapshot) => {
                    let known = self.last.as_ref().map(|last| last.revisions());
                    if known.as_ref() != Some(&snapshot.revisions()) {
                        let snapshot = Arc::new(snapshot);
                        self.last = Some(Arc::clone(&snapshot));
                        return snapshot;
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "cannot read the desired state");
                    if self.last.is_none() {
                        tokio::time::sleep(STORE_REREAD_INTERVAL / 5).await;
                    }
                }
            }
        }
    }

    /// Waits for a change, or until it is time to look anyway.
    async fn event(&mut self) {
        let Some(events) = &mut self.events else {
            return tokio::time::sleep(STORE_REREAD_INTERVAL).await;
        };
        match tokio::time::timeout(STORE_REREAD_INTERVAL, events.next()).await {
            Ok(Some(Ok(_))) | Err(_) => {}
            Ok(Some(Err(_)) | None) => self.events = None,
        }
    }

    async fn listen(&mut self) {
        if self.events.is_some() {
            return;
        }
        let watch = tokio::time::timeout(STORE_CALL_WAIT_MAX, self.store.apps.watch_all()).await;
        // Without it, reading now and then has to do.
        self.events = watch.ok().and_then(Result::ok);
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| {
        format!("{text}: {source}")
    })
}
