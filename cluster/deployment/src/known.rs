//! What a node knows of the desired state, and what it makes of each look at the bucket.
//!
//! Silence is no order. What is not in the bucket, cannot be read, or is older than what is known
//! changes nothing: the node goes on with what it knows, and says of each such app why. Only what
//! somebody did since changes something: an app that was stored, or the mark that it was removed.
//!
//! Which of two is later:
//! - in the bucket that was looked at last, whatever came after that look; no clock is asked;
//! - in another one (it was lost and made anew, or brought back from a copy, so that it is behind the
//!   last look), whatever the server has stored at a later time. Where its clock went back in between,
//!   that keeps for too long what is known. It is told, and `wrt up` stores the app once more, after
//!   the look.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wrt_protocol::Name;

use crate::{
    DesiredApp, DesiredError, Revision,
    limits::REMOVED_APPS_MAX,
    store::{BucketId, Entry, Reading, StoredApp, StoredAt},
};

/// What a node knows of the desired state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    seen: Option<Seen>,
    apps: BTreeMap<String, KnownApp>,
    held: BTreeMap<String, String>,
}

/// What a node is to run, and where that is not what the bucket says.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The apps.
    pub apps: BTreeMap<Name, StoredApp>,
    /// Apps that are as they were last known, or that are not run, and why what the bucket says of
    /// them is not followed.
    pub held: BTreeMap<String, String>,
    /// Why the bucket cannot be read, if it cannot.
    pub trouble: Option<String>,
}

/// The last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    bucket: BucketId,
    last: Revision,
}

/// The last that was taken over of an app.
#[derive(Debug, Clone, PartialEq)]
struct KnownApp {
    revision: Revision,
    stored_at: StoredAt,
    /// None for one that was removed.
    app: Option<DesiredApp>,
}

impl Known {
    /// Takes over what the bucket has that is later than what is known.
    pub fn take(&mut self, reading: &Reading) {
        let is_last_seen = |seen: &Seen| seen.bucket == reading.bucket && seen.last <= reading.last;
        let seen = self.seen.filter(is_last_seen);
        self.held.clear();
        for (key, entry) in &reading.entries {
            if let Some(reason) = self.take_entry(key, entry, seen) {
                self.held.insert(key.clone(), reason);
            }
        }
        let is_missing = |(key, known): &(&String, &KnownApp)| {
            known.app.is_some() && !reading.entries.contains_key(*key)
        };
        for (key, _) in self.apps.iter().filter(is_missing) {
            let reason = "the desired state does not have it, and nobody has removed it".to_owned();
            self.held.insert(key.clone(), reason);
        }
        self.seen = Some(Seen {
            bucket: reading.bucket,
            last: reading.last,
        });
        self.forget_removals();
    }

    /// Takes in that there is no bucket.
    pub fn take_absence(&mut self) {
        let running = self.apps.iter().filter(|(_, known)| known.app.is_some());
        let reason = "the lattice has no desired state any more";
        let held = running.map(|(key, _)| (key.clone(), reason.to_owned()));
        self.held = held.collect();
    }

    /// What is to run by what is known.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let stored = |known: &KnownApp| {
            let (revision, app) = (known.revision, known.app.clone()?);
            Some((app.app.clone(), StoredApp { revision, app }))
        };
        Snapshot {
            apps: self.apps.values().filter_map(stored).collect(),
            held: self.held.clone(),
            trouble: None,
        }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }

    /// Why an entry is not followed, if it is not.
    fn take_entry(&mut self, key: &str, entry: &Entry, seen: Option<Seen>) -> Option<String> {
        let read = entry.app.as_deref().map(|bytes| read_app(key, bytes));
        if let Some(known) = self.apps.get(key) {
            let is_later = entry.stored_at > known.stored_at
                || seen.is_some_and(|seen| entry.revision > seen.last);
            let is_known = entry.revision == known.revision && entry.stored_at == known.stored_at;
            if is_known {
                return None;
            }
            if !is_later {
                return known.is_later_than(entry, &read);
            }
        }
        let app = match read.transpose() {
            Ok(app) => app,
            Err(reason) => return Some(reason),
        };
        let known = KnownApp {
            revision: entry.revision,
            stored_at: entry.stored_at,
            app,
        };
        self.apps.insert(key.to_owned(), known);
        None
    }

    /// Removals are remembered so that a copy from before them brings nothing back; not for ever.
    fn forget_removals(&mut self) {
        let removed = self.apps.iter().filter(|(_, known)| known.app.is_none());
        let mut removed: Vec<_> = removed
            .map(|(key, known)| (known.stored_at, key.clone()))
            .collect();
        removed.sort_unstable();
        let too_many = removed.len().saturating_sub(REMOVED_APPS_MAX);
        for (_, key) in removed.drain(..too_many) {
            self.apps.remove(&key);
        }
    }
}

impl KnownApp {
    /// Why an entry that is older than what is known is not followed; `None` where both are the same.
    fn is_later_than(
        &self,
        entry: &Entry,
        read: &Option<Result<DesiredApp, String>>,
    ) -> Option<String> {
        let Revision(revision) = entry.revision;
        let known = self.revision.0;
        match (&self.app, read) {
            (None, None) => None,
            (Some(known), Some(Ok(stored))) if known == stored => None,
            (Some(_), Some(_)) => Some(format!(
                "what the desired state has of it, revision {revision}, is older than revision \
                 {known}, which is known here"
            )),
            (Some(_), None) => Some(format!(
                "its removal, revision {revision}, is older than revision {known}, which is known here"
            )),
            (None, Some(_)) => Some(format!(
                "what the desired state has of it, revision {revision}, is older than its removal, \
                 revision {known}, which is known here"
            )),
        }
    }
}

/// Reads a stored app.
pub(crate) fn read_app(key: &str, bytes: &[u8]) -> Result<DesiredApp, String> {
    match DesiredApp::from_json(bytes) {
        Ok(app) if app.app.as_str() == key => Ok(app),
        Ok(app) => Err(format!(
            "it is stored under the name of another app, {}",
            app.app
        )),
        Err(DesiredError::Malformed(source)) => Err(format!("not a stored app: {source}")),
        Err(error) => Err(error.to_string()),
    }
}

/// [`Known`] as it is kept for the next start.
#[derive(Serialize, Deserialize)]
struct Kept {
    seen: Option<Seen>,
    apps: Vec<KeptApp>,
}

#[derive(Serialize, Deserialize)]
struct KeptApp {
    name: String,
    revision: Revision,
    stored_at: StoredAt,
    app: Option<serde_json::Value>,
}

impl Known {
    /// The form that is kept.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let kept = |(name, known): (&String, &KnownApp)| KeptApp {
            name: name.clone(),
            revision: known.revision,
            stored_at: known.stored_at,
            app: known
                .app
                .as_ref()
                .map(|app| serde_json::from_slice(&app.to_json()).unwrap_or_default()),
        };
        let kept = Kept {
            seen: self.seen,
            apps: self.apps.iter().map(kept).collect(),
        };
        serde_json::to_vec(&kept).expect("lists of texts and numbers")
    }

    /// Reads the form that is kept. Apps of it that this build cannot read are left out, and answered
    /// with why.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_json(bytes: &[u8]) -> Result<(Self, Vec<(String, String)>), serde_json::Error> {
        let Kept { seen, apps } = serde_json::from_slice(bytes)?;
        let mut known = Self {
            seen,
            ..Self::default()
        };
        let mut unreadable = Vec::new();
        for kept in apps {
            let app = kept
                .app
                .map(|app| read_app(&kept.name, app.to_string().as_bytes()));
            match app.transpose() {
                Ok(app) => {
                    let app = KnownApp {
                        revision: kept.revision,
                        stored_at: kept.stored_at,
                        app,
                    };
                    known.apps.insert(kept.name, app);
                }
                Err(reason) => unreadable.push((kept.name, reason)),
            }
        }
        Ok((known, unreadable))
    }
}

#[cfg(test)]
mod tests;
