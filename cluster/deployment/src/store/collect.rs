//! Code that nobody names any more goes.
//!
//! By who deploys, right after something was stored or removed, and where there is no room for what is
//! to be stored. Whoever has found a component in the store meanwhile notes it, or finds it gone when
//! the app that names it is stored, and stores it again: it is removed only as it was looked at.

use std::collections::BTreeSet;

use super::{
    Store, StoreError,
    claims::{Claims, Evidence, is_past_grace},
    objects::{Listing, Object, Objects},
    reading::{Reading, StoredAt},
};
use crate::Digest;

/// What a collection did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Components that were removed.
    pub components: usize,
    /// Their bytes, those of what was never stored whole included.
    pub bytes: u64,
    /// Stored apps that cannot be read. Any code might be theirs: where there is one, nothing goes.
    pub unreadable: Vec<String>,
}

impl Store {
    /// Removes the code that nobody names any more, and no revision that is kept; of what an earlier build has stored only what the
    /// caller has `released`, an app that named it being replaced or removed.
    ///
    /// # Errors
    /// When JetStream fails.
    pub async fn collect(&self, released: &BTreeSet<Digest>) -> Result<Collected, StoreError> {
        let Some(objects) = self.objects().await? else {
            return Ok(Collected::default());
        };
        let listing = objects.list().await?;
        // After the list: whatever names something of it by now is seen.
        let reading = self.reading().await?;
        // What apps were before keeps its code, so that they can be it again.
        let past = self.past_code(&reading).await?;
        collect(&objects, listing, &reading, &past, released).await
    }
}

/// Removes what nobody names by `reading`, nor did in the `past` that is kept.
pub(super) async fn collect(
    objects: &Objects,
    listing: Listing,
    reading: &Reading,
    past: &BTreeSet<Digest>,
    released: &BTreeSet<Digest>,
) -> Result<Collected, StoreError> {
    let mut collected = Collected::default();
    let now = latest(reading, &listing.objects);
    let evidence = match Evidence::of(reading, released, now) {
        Ok(evidence) => evidence,
        Err(unreadable) => {
            collected.unreadable = unreadable;
            return Ok(collected);
        }
    };
    for object in &listing.objects {
        let claims = Claims::of(object.notes());
        if !past.contains(&object.digest)
            && evidence.is_nobodys(object.digest, &claims, object.touched_at)
            && objects.remove(object).await?
        {
            collected.components += 1;
            collected.bytes += object.info.size as u64;
        }
    }
    for content in &listing.orphans {
        // Somebody may be about to say what it is.
        let stored_at = objects.content_stored_at(content).await?;
        if stored_at.is_some_and(|at| is_past_grace(at, now)) {
            objects.remove_content(content).await?;
        }
    }
    Ok(collected)
}

/// The server's time, as far as something stored tells: who deploys has just stored something.
fn latest(reading: &Reading, objects: &[Object]) -> StoredAt {
    let stored = reading.entries.values().map(|entry| entry.stored_at);
    let touched = objects.iter().map(|object| object.touched_at);
    stored.chain(touched).max().unwrap_or_default()
}
