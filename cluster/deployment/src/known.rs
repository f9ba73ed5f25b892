//! What a node knows of the desired state, and what it makes of each look at the bucket.
//!
//! Silence is no order. What is not in the bucket, cannot be read, or is older than what is known
//! changes nothing: the node goes on with what it knows, and says of each such app why. Only what
//! somebody did since changes something: an app that was stored, or the mark that it was removed. Of cordons,
//! which lie in the same bucket under keys of their own, all of that is true as well.
//!
//! Which of two is later:
//! - in the bucket that was looked at last, whatever came after that look; no clock is asked;
//! - in another one (it was lost and made anew, or brought back from a copy, so that it is behind the
//!   last look), whatever the server has stored at a later time. Where its clock went back in between,
//!   that keeps for too long what is known. It is told, and `wrt up` stores the app once more, after
//!   the look.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wrt_protocol::{Name, NodeId};

use crate::{
    Cordon, Cordons, DesiredApp, DesiredError, Revision,
    limits::REMOVED_APPS_MAX,
    store::{BucketId, Entry, Reading, StoredApp, StoredAt},
};

/// What a node knows of the desired state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    seen: Option<Seen>,
    apps: BTreeMap<String, KnownEntry<DesiredApp>>,
    /// By their keys.
    cordons: BTreeMap<String, KnownEntry<Cordon>>,
    held: BTreeMap<String, String>,
}

/// What the key of a node's cordon begins with. No app has such a name.
const NODE_KEY: &str = "node.";

/// A node's key in the bucket.
pub(crate) fn key_of_node(node: &NodeId) -> String {
    format!("{NODE_KEY}{node}")
}

/// The node that a key of the bucket is about; none for an app's.
#[must_use]
pub fn node_of_key(key: &str) -> Option<NodeId> {
    NodeId::new(key.strip_prefix(NODE_KEY)?).ok()
}

/// What a node is to run, and where that is not what the bucket says.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The apps.
    pub apps: BTreeMap<Name, StoredApp>,
    /// The nodes that take nothing new.
    pub cordons: Cordons,
    /// Apps, and by their keys nodes ([`node_of_key`]), that are as they were last known, or apps that are not
    /// run, and why what the bucket says of them is not followed.
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

/// The last that was taken over of an app or a node.
#[derive(Debug, Clone, PartialEq)]
struct KnownEntry<T> {
    revision: Revision,
    stored_at: StoredAt,
    /// None for one that was removed.
    value: Option<T>,
}

impl Known {
    /// Takes over what the bucket has that is later than what is known.
    pub fn take(&mut self, reading: &Reading) {
        let is_last_seen = |seen: &Seen| seen.bucket == reading.bucket && seen.last <= reading.last;
        let seen = self.seen.filter(is_last_seen);
        self.held.clear();
        for (key, entry) in &reading.entries {
            let reason = match node_of_key(key) {
                Some(_) => take_entry(&mut self.cordons, key, entry, seen, Cordon::from_json),
                None => take_entry(&mut self.apps, key, entry, seen, |it| read_app(key, it)),
            };
            if let Some(reason) = reason {
                self.held.insert(key.clone(), reason);
            }
        }
        let missing: Vec<_> = self
            .there()
            .filter(|key| !reading.entries.contains_key(*key))
            .cloned()
            .collect();
        for key in missing {
            let reason = "the desired state does not have it, and nobody has removed it".to_owned();
            self.held.insert(key, reason);
        }
        self.seen = Some(Seen {
            bucket: reading.bucket,
            last: reading.last,
        });
        forget_removals(&mut self.apps);
        forget_removals(&mut self.cordons);
    }

    /// Takes in that there is no bucket.
    pub fn take_absence(&mut self) {
        let reason = "the lattice has no desired state any more";
        let held = self.there().map(|key| (key.clone(), reason.to_owned()));
        self.held = held.collect();
    }

    /// The keys of all that was not removed.
    fn there(&self) -> impl Iterator<Item = &String> {
        let apps = self.apps.iter().filter(|(_, known)| known.value.is_some());
        let cordons = self.cordons.iter();
        let cordons = cordons.filter(|(_, known)| known.value.is_some());
        apps.map(|(key, _)| key).chain(cordons.map(|(key, _)| key))
    }

    /// What is to run by what is known.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let stored = |known: &KnownEntry<DesiredApp>| {
            let (revision, app) = (known.revision, known.value.clone()?);
            Some((app.app.clone(), StoredApp { revision, app }))
        };
        let cordon = |(key, known): (&String, &KnownEntry<Cordon>)| {
            Some((node_of_key(key)?, known.value.clone()?))
        };
        Snapshot {
            apps: self.apps.values().filter_map(stored).collect(),
            cordons: self.cordons.iter().filter_map(cordon).collect(),
            held: self.held.clone(),
            trouble: None,
        }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.apps.is_empty() && self.cordons.is_empty()
    }
}

/// Why an entry is not followed, if it is not.
fn take_entry<T: PartialEq>(
    all: &mut BTreeMap<String, KnownEntry<T>>,
    key: &str,
    entry: &Entry,
    seen: Option<Seen>,
    read: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Option<String> {
    let read = entry.app.as_deref().map(read);
    if let Some(known) = all.get(key) {
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
    let value = match read.transpose() {
        Ok(value) => value,
        Err(reason) => return Some(reason),
    };
    let known = KnownEntry {
        revision: entry.revision,
        stored_at: entry.stored_at,
        value,
    };
    all.insert(key.to_owned(), known);
    None
}

/// Removals are remembered so that a copy from before them brings nothing back; not for ever.
fn forget_removals<T>(all: &mut BTreeMap<String, KnownEntry<T>>) {
    let removed = all.iter().filter(|(_, known)| known.value.is_none());
    let mut removed: Vec<_> = removed
        .map(|(key, known)| (known.stored_at, key.clone()))
        .collect();
    removed.sort_unstable();
    let too_many = removed.len().saturating_sub(REMOVED_APPS_MAX);
    for (_, key) in removed.drain(..too_many) {
        all.remove(&key);
    }
}

impl<T: PartialEq> KnownEntry<T> {
    /// Why an entry that is older than what is known is not followed; `None` where both are the same.
    fn is_later_than(&self, entry: &Entry, read: &Option<Result<T, String>>) -> Option<String> {
        let Revision(revision) = entry.revision;
        let known = self.revision.0;
        match (&self.value, read) {
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
    /// An earlier build kept none.
    #[serde(default)]
    cordons: Vec<KeptCordon>,
}

#[derive(Serialize, Deserialize)]
struct KeptCordon {
    node: NodeId,
    revision: Revision,
    stored_at: StoredAt,
    cordon: Option<serde_json::Value>,
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
        let value = |json: Vec<u8>| serde_json::from_slice(&json).unwrap_or_default();
        let app = |(name, known): (&String, &KnownEntry<DesiredApp>)| KeptApp {
            name: name.clone(),
            revision: known.revision,
            stored_at: known.stored_at,
            app: known.value.as_ref().map(|app| value(app.to_json())),
        };
        let cordon = |(key, known): (&String, &KnownEntry<Cordon>)| {
            Some(KeptCordon {
                node: node_of_key(key)?,
                revision: known.revision,
                stored_at: known.stored_at,
                cordon: known.value.as_ref().map(|cordon| value(cordon.to_json())),
            })
        };
        let kept = Kept {
            seen: self.seen,
            apps: self.apps.iter().map(app).collect(),
            cordons: self.cordons.iter().filter_map(cordon).collect(),
        };
        serde_json::to_vec(&kept).expect("lists of texts and numbers")
    }

    /// Reads the form that is kept. Apps and cordons of it that this build cannot read are left out, and answered
    /// with why.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_json(bytes: &[u8]) -> Result<(Self, Vec<(String, String)>), serde_json::Error> {
        let Kept {
            seen,
            apps,
            cordons,
        } = serde_json::from_slice(bytes)?;
        let mut known = Self {
            seen,
            ..Self::default()
        };
        let mut unreadable = Vec::new();
        for kept in apps {
            let app = kept
                .app
                .map(|app| read_app(&kept.name, app.to_string().as_bytes()));
            match kept_entry(kept.revision, kept.stored_at, app) {
                Ok(app) => drop(known.apps.insert(kept.name, app)),
                Err(reason) => unreadable.push((kept.name, reason)),
            }
        }
        for kept in cordons {
            let key = key_of_node(&kept.node);
            let cordon = kept
                .cordon
                .map(|cordon| Cordon::from_json(cordon.to_string().as_bytes()));
            match kept_entry(kept.revision, kept.stored_at, cordon) {
                Ok(cordon) => drop(known.cordons.insert(key, cordon)),
                Err(reason) => unreadable.push((key, reason)),
            }
        }
        Ok((known, unreadable))
    }
}

fn kept_entry<T>(
    revision: Revision,
    stored_at: StoredAt,
    value: Option<Result<T, String>>,
) -> Result<KnownEntry<T>, String> {
    let value = value.transpose()?;
    Ok(KnownEntry {
        revision,
        stored_at,
        value,
    })
}

#[cfg(test)]
mod tests;
