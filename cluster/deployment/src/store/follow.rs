//! The desired state as it changes.

use std::sync::Arc;

use futures::Stream;

use super::{
    Store,
    followed::{Compared, Followed},
    reading::Reading,
};
use crate::{
    StoreError,
    limits::{STORE_REREAD_INTERVAL, STORE_RETRY_PAUSE},
};

/// What whoever follows the desired state sees of it.
pub type Sight = Result<Arc<Reading>, StoreError>;

/// How often the server is asked when what came is ahead of what it says.
const ASKED_MAX: usize = 3;

impl Store {
    /// The whole desired state, now and after each change of it; and each look that failed.
    ///
    /// Level-triggered: each reading is all of it, and changes in between are left out. It is read once, and kept
    /// up to date by a watch. After each change, and every [`STORE_REREAD_INTERVAL`], that is compared with what the
    /// server says of the bucket, and all is read again where something was missed, so that an event that got lost
    /// only delays. After a look that failed the next one that does not is told, whether or not something has
    /// changed.
    pub fn watch(&self) -> impl Stream<Item = Sight> + Send + 'static {
        let follower = Follower {
            store: self.clone(),
            followed: None,
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
    followed: Option<Followed>,
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
            if let Err(error) = self.look().await {
                self.last = None;
                return Err(error);
            }
            if let Some(reading) = self.news() {
                return Ok(reading);
            }
        }
    }

    /// What is known, unless it was told last.
    fn news(&mut self) -> Option<Arc<Reading>> {
        let reading = self.followed.as_ref()?.reading();
        if self.last.as_deref() == Some(reading) {
            return None;
        }
        let reading = Arc::new(reading.clone());
        self.last = Some(Arc::clone(&reading));
        Some(reading)
    }

    /// Waits for a change, or until it is time to look anyway.
    async fn event(&mut self) {
        // A look that failed is made again sooner.
        let pause = match self.last {
            Some(_) => STORE_REREAD_INTERVAL,
            None => STORE_REREAD_INTERVAL / 5,
        };
        let Some(followed) = &mut self.followed else {
            return tokio::time::sleep(pause).await;
        };
        if let Ok(Err(error)) = tokio::time::timeout(pause, followed.next()).await {
            tracing::debug!(%error, "the watch of the desired state has failed");
            self.followed = None;
            // It may fail again as soon.
            tokio::time::sleep(STORE_RETRY_PAUSE).await;
        }
    }

    /// Brings what is known up to date.
    async fn look(&mut self) -> Result<(), StoreError> {
        if !self.is_up_to_date().await? {
            self.followed = None;
            let info = self.store.info().await?;
            self.followed = Some(self.store.follow(&info).await?);
        }
        Ok(())
    }

    /// Whether nothing was missed.
    async fn is_up_to_date(&mut self) -> Result<bool, StoreError> {
        let Some(followed) = &mut self.followed else {
            return Ok(false);
        };
        for _ in 0..ASKED_MAX {
            let info = self.store.info().await?;
            match followed.compare(&info).await {
                Compared::Same => return Ok(true),
                Compared::Behind => return Ok(false),
                Compared::Ahead => {}
            }
        }
        Ok(false)
    }
}
