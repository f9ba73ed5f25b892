//! The desired state as it changes.

use std::sync::Arc;

use futures::{Stream, StreamExt};

use super::{
    Store,
    reading::{Look, Reading},
};
use crate::{
    StoreError,
    limits::{STORE_CALL_WAIT_MAX, STORE_REREAD_INTERVAL},
};

/// What whoever follows the desired state sees of it.
pub type Sight = Result<Arc<Reading>, StoreError>;

impl Store {
    /// The whole desired state, now and after each change of it; and each look that failed.
    ///
    /// Level-triggered: each reading is all of it, changes in between are left out, and it is looked
    /// at every [`STORE_REREAD_INTERVAL`], so that an event that got lost only delays. After a look
    /// that failed the next one that does not is told, whether or not something has changed.
    pub fn watch(&self) -> impl Stream<Item = Sight> + Send + 'static {
        let follower = Follower {
            store: self.clone(),
            events: None,
            last: None,
            has_looked: false,
        };
        futures::stream::unfold(follower, |mut follower| async {
            let sight = follower.next().await;
            Some((sight, follower))
        })
    }
}

struct Follower {
    store: Store,
    events: Option<async_nats::jetstream::kv::Watch>,
    /// What was told last; none after a failure.
    last: Option<Arc<Reading>>,
    has_looked: bool,
}

impl Follower {
    async fn next(&mut self) -> Sight {
        loop {
            if std::mem::replace(&mut self.has_looked, true) {
                self.event().await;
            }
            // Before the look: a change after it makes an event.
            self.listen().await;
            match self.store.look(self.last.as_deref()).await {
                Ok(Look::Same) => {}
                Ok(Look::Changed(reading)) => {
                    let reading = Arc::new(reading);
                    self.last = Some(Arc::clone(&reading));
                    return Ok(reading);
                }
                Err(error) => {
                    self.last = None;
                    return Err(error);
                }
            }
        }
    }

    /// Waits for a change, or until it is time to look anyway.
    async fn event(&mut self) {
        let Some(events) = &mut self.events else {
            // A look that failed is made again sooner.
            let pause = match self.last {
                Some(_) => STORE_REREAD_INTERVAL,
                None => STORE_REREAD_INTERVAL / 5,
            };
            return tokio::time::sleep(pause).await;
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
        // Without it, looking now and then has to do.
        self.events = watch.ok().and_then(Result::ok);
    }
}
