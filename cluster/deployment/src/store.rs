//! Desired state in JetStream: apps in a key-value bucket, components in an object store.
//!
//! Every call has a limit and a bounded number of attempts. All of them may be made twice: buckets
//! are created the same each time, components are named by their content, and a compare-and-set whose
//! answer was lost is recognised by what it wrote.

mod attempt;
mod components;
mod follow;

use std::{collections::BTreeMap, time::Duration};

use async_nats::jetstream::{
    self,
    kv::{self, CreateErrorKind, UpdateErrorKind},
    object_store::{self, ObjectStore},
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use wrt_protocol::{LatticeName, Name};

use crate::{
    DesiredApp, DesiredError, Digest,
    limits::{DESIRED_BYTES_MAX, STORE_CALL_WAIT_MAX},
};
use attempt::{AttemptError, attempts};
pub use components::Pushed;

/// Keys that are read at the same time.
const READS_AT_A_TIME: usize = 16;

/// The desired state of one lattice.
#[derive(Clone)]
pub struct Store {
    apps: kv::Store,
    components: ObjectStore,
}

/// The revision of a stored app; grows with each change of anything in the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// An app and the revision at which it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredApp {
    /// Its revision.
    pub revision: Revision,
    /// The app.
    pub app: DesiredApp,
}

/// All that is desired at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The apps.
    pub apps: BTreeMap<Name, StoredApp>,
    /// Those that are there and that this build cannot read. They are not gone: what runs of them
    /// goes on.
    pub unreadable: BTreeMap<String, Unreadable>,
}

/// An app that this build cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its revision.
    pub revision: Revision,
    /// Why, with what to do.
    pub reason: String,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It answered an error, each time.
    #[error("JetStream failed to {what}")]
    Failed {
        /// What it was asked.
        what: String,
        /// Its last error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It did not answer in time, each time.
    #[error("JetStream did not {what} within {waited:?}: is it enabled (nats-server --jetstream)?")]
    TimedOut {
        /// What it was asked.
        what: String,
        /// How long each attempt waited.
        waited: Duration,
    },
    /// Somebody else changed the app since it was read.
    #[error("app {app} was changed by somebody else at the same time: read it again")]
    Conflict {
        /// The app.
        app: Name,
    },
    /// The stored app cannot be read.
    #[error("app {app} cannot be read")]
    Unreadable {
        /// The app.
        app: Name,
        /// Its revision, to put another one in its place.
        revision: Revision,
        /// Why.
        #[source]
        source: DesiredError,
    },
    /// The app is larger than the bus can carry.
    #[error("app {app} has {bytes} bytes when stored, and the most is {DESIRED_BYTES_MAX}")]
    TooLarge {
        /// The app.
        app: Name,
        /// Its length.
        bytes: usize,
    },
    /// No component has this digest.
    #[error("component {digest} is not in the store: run `wrt up` again to push it")]
    NoComponent {
        /// The digest.
        digest: Digest,
    },
    /// What the store has under this digest is something else.
    #[error("what the store has as component {digest} is {found}: run `wrt up` again to push it")]
    Corrupt {
        /// The digest asked for.
        digest: Digest,
        /// The digest of what came.
        found: Digest,
    },
}

impl Store {
    /// Opens the store of `lattice`, and creates it if nobody has. Two that create it at once get
    /// the same.
    ///
    /// # Errors
    /// When JetStream refuses or does not answer.
    pub async fn open(
        client: async_nats::Client,
        lattice: &LatticeName,
    ) -> Result<Self, StoreError> {
        let mut context = jetstream::new(client);
        context.set_timeout(STORE_CALL_WAIT_MAX);
        let context = &context;
        let apps = attempts(
            "create the bucket of desired apps",
            STORE_CALL_WAIT_MAX,
            || async {
                let config = kv::Config {
                    bucket: format!("wrt-{lattice}-desired"),
                    description: format!("what shall run on the lattice {lattice}"),
                    history: 8,
                    max_value_size: i32::try_from(DESIRED_BYTES_MAX).unwrap_or(i32::MAX),
                    ..Default::default()
                };
                context
                    .create_key_value(config)
                    .await
                    .map_err(AttemptError::again)
            },
        );
        let apps = apps.await?;
        let components = attempts(
            "create the object store of components",
            STORE_CALL_WAIT_MAX,
            || async {
                let config = object_store::Config {
                    bucket: format!("wrt-{lattice}-components"),
                    description: Some(format!("components of the lattice {lattice}, by SHA-256")),
                    ..Default::default()
                };
                context
                    .create_object_store(config)
                    .await
                    .map_err(AttemptError::again)
            },
        );
        Ok(Self {
            apps,
            components: components.await?,
        })
    }

    /// One app; `None` if it is not there.
    ///
    /// # Errors
    /// When JetStream fails, or the app cannot be read.
    pub async fn app(&self, name: &Name) -> Result<Option<StoredApp>, StoreError> {
        let Some((revision, bytes)) = self.read(name.as_str()).await? else {
            return Ok(None);
        };
        let app = DesiredApp::from_json(&bytes).map_err(|source| StoreError::Unreadable {
            app: name.clone(),
            revision,
            source,
        })?;
        Ok(Some(StoredApp { revision, app }))
    }

    /// Stores an app: a new one where `expected` is `None`, else in place of that revision. One that
    /// was deleted counts as new.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not as expected, and when JetStream fails.
    pub async fn put(
        &self,
        app: &DesiredApp,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        let bytes = Bytes::from(app.to_json());
        let name = &app.app;
        if bytes.len() > DESIRED_BYTES_MAX {
            return Err(StoreError::TooLarge {
                app: name.clone(),
                bytes: bytes.len(),
            });
        }
        let what = format!("store app {name}");
        let written = attempts(&what, STORE_CALL_WAIT_MAX, || {
            self.write(name, &bytes, expected)
        });
        if let Some(revision) = written.await? {
            return Ok(revision);
        }
        // The first attempt may have been the one that changed it, and its answer got lost.
        match self.read(name.as_str()).await? {
            Some((revision, stored)) if stored == bytes && Some(revision) > expected => {
                Ok(revision)
            }
            _ => Err(StoreError::Conflict { app: name.clone() }),
        }
    }

    /// Writes once; `None` if the revision is not the expected one.
    async fn write(
        &self,
        name: &Name,
        bytes: &Bytes,
        expected: Option<Revision>,
    ) -> Result<Option<Revision>, AttemptError> {
        let revision = match expected {
            None => match self.apps.create(name.as_str(), bytes.clone()).await {
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => return Ok(None),
                created => created.map_err(AttemptError::again)?,
            },
            Some(Revision(expected)) => {
                match self
                    .apps
                    .update(name.as_str(), bytes.clone(), expected)
                    .await
                {
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                        return Ok(None);
                    }
                    updated => updated.map_err(AttemptError::again)?,
                }
            }
        };
        Ok(Some(Revision(revision)))
    }

    /// Deletes an app; answers whether it was there.
    ///
    /// # Errors
    /// When JetStream fails.
    pub async fn delete(&self, name: &Name) -> Result<bool, StoreError> {
        if self.read(name.as_str()).await?.is_none() {
            return Ok(false);
        }
        let what = format!("delete app {name}");
        let delete = || async {
            self.apps
                .delete(name.as_str())
                .await
                .map_err(AttemptError::again)
        };
        attempts(&what, STORE_CALL_WAIT_MAX, delete).await?;
        Ok(true)
    }

    /// All that is desired now.
    ///
    /// # Errors
    /// When JetStream fails. An app that cannot be read is no error: it is in
    /// [`Snapshot::unreadable`].
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let list = || async {
            let keys = self.apps.keys().await.map_err(AttemptError::again)?;
            keys.try_collect::<Vec<String>>()
                .await
                .map_err(AttemptError::again)
        };
        let keys = attempts("list the desired apps", STORE_CALL_WAIT_MAX, list).await?;
        let reads = futures::stream::iter(keys)
            .map(|key| async move { Ok((self.read(&key).await?, key)) })
            .buffer_unordered(READS_AT_A_TIME);
        let entries: Vec<(Option<(Revision, Bytes)>, String)> = reads.try_collect().await?;
        let mut snapshot = Snapshot::default();
        for (entry, key) in entries {
            // Deleted since the keys were listed.
            let Some((revision, bytes)) = entry else {
                continue;
            };
            snapshot.insert(key, revision, &bytes);
        }
        Ok(snapshot)
    }

    async fn read(&self, key: &str) -> Result<Option<(Revision, Bytes)>, StoreError> {
        let what = format!("read app {key}");
        let read = || async { self.apps.entry(key).await.map_err(AttemptError::again) };
        let entry = attempts(&what, STORE_CALL_WAIT_MAX, read).await?;
        let is_there = |entry: &kv::Entry| entry.operation == kv::Operation::Put;
        Ok(entry
            .filter(is_there)
            .map(|entry| (Revision(entry.revision), entry.value)))
    }
}

impl Snapshot {
    fn insert(&mut self, key: String, revision: Revision, bytes: &[u8]) {
        let reason = match DesiredApp::from_json(bytes) {
            Ok(app) if app.app.as_str() == key => {
                self.apps
                    .insert(app.app.clone(), StoredApp { revision, app });
                return;
            }
            Ok(app) => format!("it is stored under the name of another app, {}", app.app),
            Err(DesiredError::Malformed(source)) => format!("not a stored app: {source}"),
            Err(error) => error.to_string(),
        };
        self.unreadable.insert(key, Unreadable { revision, reason });
    }

    /// The revisions, which tell two snapshots apart.
    fn revisions(&self) -> BTreeMap<&str, Revision> {
        let apps = self
            .apps
            .iter()
            .map(|(name, stored)| (name.as_str(), stored.revision));
        let unreadable = self
            .unreadable
            .iter()
            .map(|(key, u)| (key.as_str(), u.revision));
        apps.chain(unreadable).collect()
    }
}
