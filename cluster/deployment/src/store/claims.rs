//! Whose code it is, as it is noted beside each component in the store.
//!
//! Code goes only on evidence. That no stored app names it says nothing: the app may have got lost with
//! its bucket, be older than what nodes know, or not be stored yet. So who deploys notes beside a
//! component for which app it was pushed, and in which revision the app then named it; and the claim is
//! over when that app was stored or removed *since*.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Revision,
    reading::{BucketId, Reading, StoredAt},
};
use crate::{
    DesiredApp, Digest,
    known::{node_of_key, read_app},
    limits::{CLAIMS_PER_COMPONENT_MAX, CODE_GRACE},
};

/// What a claim's name begins with, among the notes beside a component.
const PREFIX: &str = "wrt-app.";
/// Notes that there were too many.
const MORE: &str = "wrt-more-apps";
const PUSHED: &str = "pushed";
const NAMED: &str = "named";

/// That an app names a component, or is about to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    /// The bucket that it was made in.
    pub(super) bucket: BucketId,
    /// The app's revision that names it; the last one of anything in the bucket where it was pushed for
    /// an app that is not stored yet.
    pub(super) revision: Revision,
    /// Whether an app that is stored names it.
    pub(super) is_named: bool,
}

/// The claims on one component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Claims {
    of_apps: BTreeMap<String, Claim>,
    /// There are some that this build cannot read, or there were too many.
    has_more: bool,
}

/// What is known when it is decided whose claim is over.
pub(super) struct Evidence<'a> {
    reading: &'a Reading,
    named: BTreeSet<Digest>,
    /// Named by what this very command has removed or replaced.
    released: &'a BTreeSet<Digest>,
    /// By the server's clock.
    now: StoredAt,
}

impl Claim {
    fn note(&self) -> String {
        let kind = if self.is_named { NAMED } else { PUSHED };
        format!("{kind} {} {}", self.bucket.0, self.revision.0)
    }

    fn of_note(note: &str) -> Option<Self> {
        let mut words = note.split(' ');
        let is_named = match words.next()? {
            NAMED => true,
            PUSHED => false,
            _ => return None,
        };
        let bucket = BucketId(words.next()?.parse().ok()?);
        let revision = Revision(words.next()?.parse().ok()?);
        words.next().is_none().then_some(Self {
            bucket,
            revision,
            is_named,
        })
    }
}

impl Claims {
    /// Those among the notes beside a component.
    pub(super) fn of(notes: &HashMap<String, String>) -> Self {
        let mut claims = Self::default();
        for (name, note) in notes {
            let Some(app) = name.strip_prefix(PREFIX) else {
                continue;
            };
            match Claim::of_note(note) {
                Some(claim) => drop(claims.of_apps.insert(app.to_owned(), claim)),
                None => claims.has_more = true,
            }
        }
        claims.has_more |= notes.contains_key(MORE);
        claims
    }

    /// `notes` with a claim of `app`, and without those of which there is evidence that they are over.
    pub(super) fn noted(
        notes: &HashMap<String, String>,
        app: &str,
        claim: Claim,
        touched_at: StoredAt,
        evidence: Option<&Evidence<'_>>,
    ) -> HashMap<String, String> {
        let over = Self::of(notes).of_apps;
        let over = over
            .into_iter()
            .filter(|(app, claim)| evidence.is_some_and(|it| it.is_over(app, claim, touched_at)))
            .map(|(app, _)| format!("{PREFIX}{app}"));
        let mut notes = notes.clone();
        for name in over {
            notes.remove(&name);
        }
        let claims = notes.keys().filter(|name| name.starts_with(PREFIX)).count();
        let name = format!("{PREFIX}{app}");
        match claims < CLAIMS_PER_COMPONENT_MAX || notes.contains_key(&name) {
            true => notes.insert(name, claim.note()),
            false => notes.insert(MORE.to_owned(), String::new()),
        };
        notes
    }
}

impl<'a> Evidence<'a> {
    /// What a reading of the bucket says at `now`; the names of stored apps that cannot be read, where
    /// there are some: any code might be theirs.
    pub(super) fn of(
        reading: &'a Reading,
        released: &'a BTreeSet<Digest>,
        now: StoredAt,
    ) -> Result<Self, Vec<String>> {
        let mut named = BTreeSet::new();
        let mut unreadable = Vec::new();
        for (key, entry) in &reading.entries {
            let Some(bytes) = &entry.app else { continue };
            // A cordon names no code.
            if node_of_key(key).is_some() {
                continue;
            }
            match read_app(key, bytes) {
                Ok(app) => named.extend(app.code()),
                Err(_reason) => unreadable.push(key.clone()),
            }
        }
        match unreadable.is_empty() {
            true => Ok(Self {
                reading,
                named,
                released,
                now,
            }),
            false => Err(unreadable),
        }
    }

    /// Whether code is nobody's: no stored app names it, and every claim on it is over.
    pub(super) fn is_nobodys(&self, digest: Digest, claims: &Claims, touched_at: StoredAt) -> bool {
        if self.named.contains(&digest) || claims.has_more {
            return false;
        }
        let mut of_apps = claims.of_apps.iter();
        match claims.of_apps.is_empty() {
            // An earlier build has pushed it, and noted nothing.
            true => self.released.contains(&digest),
            false => of_apps.all(|(app, claim)| self.is_over(app, claim, touched_at)),
        }
    }

    fn is_over(&self, app: &str, claim: &Claim, touched_at: StoredAt) -> bool {
        let entry = self.reading.entries.get(app);
        let is_same_bucket = claim.bucket == self.reading.bucket;
        // In another bucket, what was stored later counts as later, as it does for nodes.
        let is_later_there = || entry.is_some_and(|entry| entry.stored_at > touched_at);
        match (is_same_bucket, claim.is_named) {
            (false, _) => is_later_there(),
            (true, true) => entry.is_some_and(|entry| entry.revision > claim.revision),
            (true, false) => {
                // A bucket that is behind knows nothing of it.
                self.reading.last >= claim.revision && is_past_grace(touched_at, self.now)
            }
        }
    }
}

/// Whether what was stored has waited for its app for long enough.
pub(super) fn is_past_grace(stored_at: StoredAt, now: StoredAt) -> bool {
    let grace = i64::try_from(CODE_GRACE.as_nanos()).unwrap_or(i64::MAX);
    now.0.saturating_sub(stored_at.0) > grace
}

impl DesiredApp {
    /// The code that it names.
    pub fn code(&self) -> impl Iterator<Item = Digest> {
        self.components.values().map(|component| component.digest)
    }
}

#[cfg(test)]
mod tests;
