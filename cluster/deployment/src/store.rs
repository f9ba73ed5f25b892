//! Desired state in JetStream: apps in a key-value bucket, components in an object store.
//!
//! Every call has a limit and a bounded number of attempts. All of them may be made twice: components
//! are named by their content, and a compare-and-set whose answer was lost is recognised by what it
//! wrote.
//!
//! Only who deploys makes the bucket. Everybody else finds it or does not, and not finding it says
//! nothing about what shall run.

mod attempt;
mod claims;
mod collect;
mod components;
mod cordons;
mod download;
mod error;
mod follow;
mod followed;
mod history;
mod leases;
mod notes;
mod objects;
pub(crate) mod permitted;
mod reading;
mod removal;
mod streams;

use std::{fmt, time::Duration};

use async_nats::jetstream::{
    self,
    kv::{self, CreateErrorKind, UpdateErrorKind},
};
use bytes::Bytes;
use wrt_protocol::{LatticeName, Name};

use crate::{
    DesiredApp, Known, Snapshot,
    limits::{
        DESIRED_BYTES_MAX, MESSAGE_HEAD_BYTES_MAX, STORE_CALL_WAIT_MAX, STORE_CHUNK_WAIT_MAX,
    },
};
use attempt::{AttemptError, attempts};
pub use collect::Collected;
pub use components::Pushed;
pub use cordons::StoredCordon;
pub use download::Download;
pub use error::StoreError;
pub use follow::Sight;
pub use history::PastApp;
pub use leases::{Grant, Leases};
pub use notes::{NoteWritten, StoredNote};
pub use reading::{BucketId, Entry, Reading, StoredAt};
pub use removal::Removed;

/// The desired state of one lattice.
#[derive(Clone)]
pub struct Store {
    client: async_nats::Client,
    /// What components go by.
    bulk: jetstream::Context,
    lattice: LatticeName,
    apps: kv::Store,
    /// Copies of what is made, if this may make something.
    copies: Option<usize>,
}

/// The revision of a stored app; grows with each change of anything in one bucket.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Revision(pub u64);

/// An app and the revision at which it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredApp {
    /// Its revision.
    pub revision: Revision,
    /// The app.
    pub app: DesiredApp,
}

impl Store {
    /// Opens the store of `lattice` as it is; `None` if there is none.
    ///
    /// # Errors
    /// When JetStream refuses or does not answer.
    pub async fn open(
        client: async_nats::Client,
        lattice: &LatticeName,
    ) -> Result<Option<Self>, StoreError> {
        let context = context(&client, STORE_CALL_WAIT_MAX);
        let apps = streams::apps(&context, lattice).await?;
        Ok(apps.map(|apps| Self {
            bulk: bulk(&client),
            client,
            lattice: lattice.clone(),
            apps,
            copies: None,
        }))
    }

    /// Opens the store of `lattice` as it is, and makes what is missing of it, with so many copies in
    /// a cluster of servers. Two that make it at once get the same.
    ///
    /// # Errors
    /// When JetStream refuses or does not answer.
    pub async fn make(
        client: async_nats::Client,
        lattice: &LatticeName,
        copies: usize,
    ) -> Result<Self, StoreError> {
        let context = context(&client, STORE_CALL_WAIT_MAX);
        let apps = streams::apps_made(&context, lattice, copies).await?;
        streams::leases_made(&context, lattice, copies).await?;
        Ok(Self {
            bulk: bulk(&client),
            client,
            lattice: lattice.clone(),
            apps,
            copies: Some(copies),
        })
    }

    /// The same store, its components on a connection of their own: what is urgent must not wait behind
    /// them.
    #[must_use]
    pub fn with_bulk(self, client: &async_nats::Client) -> Self {
        Self {
            bulk: bulk(client),
            ..self
        }
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
        self.fits(name, bytes.len())?;
        let what = format!("store app {name}");
        let write = || {
            attempts(&what, STORE_CALL_WAIT_MAX, || {
                self.write(name.as_str(), &bytes, expected)
            })
        };
        let written = match write().await {
            Err(StoreError::Full { .. }) => {
                self.make_room().await?;
                write().await?
            }
            written => written?,
        };
        if let Some(revision) = written {
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

    /// The client would be told only that its message was not taken.
    fn fits(&self, name: &Name, bytes: usize) -> Result<(), StoreError> {
        let app = name.clone();
        if bytes > DESIRED_BYTES_MAX {
            return Err(StoreError::TooLarge { app, bytes });
        }
        let max_payload = self.client.server_info().max_payload;
        if bytes + MESSAGE_HEAD_BYTES_MAX > max_payload {
            return Err(StoreError::OverPayload {
                app,
                bytes,
                max_payload,
            });
        }
        Ok(())
    }

    /// Writes once; `None` if the revision is not the expected one.
    async fn write(
        &self,
        key: &str,
        bytes: &Bytes,
        expected: Option<Revision>,
    ) -> Result<Option<Revision>, AttemptError> {
        let revision = match expected {
            None => match self.apps.create(key, bytes.clone()).await {
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => return Ok(None),
                created => created.map_err(AttemptError::again)?,
            },
            Some(Revision(expected)) => {
                match self.apps.update(key, bytes.clone(), expected).await {
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                        return Ok(None);
                    }
                    updated => updated.map_err(AttemptError::again)?,
                }
            }
        };
        Ok(Some(Revision(revision)))
    }

    /// All that is desired now, for somebody who knows nothing else.
    ///
    /// # Errors
    /// When JetStream fails. An app that cannot be read is no error: it is in [`Snapshot::held`].
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut known = Known::default();
        known.take(&self.reading().await?);
        Ok(known.snapshot())
    }

    fn context(&self) -> jetstream::Context {
        context(&self.client, STORE_CALL_WAIT_MAX)
    }

    async fn read(&self, key: &str) -> Result<Option<(Revision, Bytes)>, StoreError> {
        let what = format!("read {key} of the desired state");
        let read = || async { self.apps.entry(key).await.map_err(AttemptError::again) };
        let entry = attempts(&what, STORE_CALL_WAIT_MAX, read).await?;
        let is_there = |entry: &kv::Entry| entry.operation == kv::Operation::Put;
        Ok(entry
            .filter(is_there)
            .map(|entry| (Revision(entry.revision), entry.value)))
    }

    fn absent(&self) -> StoreError {
        StoreError::Absent {
            lattice: self.lattice.clone(),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("lattice", &self.lattice)
            .finish_non_exhaustive()
    }
}

fn context(client: &async_nats::Client, wait: Duration) -> jetstream::Context {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(wait);
    context
}

fn bulk(client: &async_nats::Client) -> jetstream::Context {
    context(client, STORE_CHUNK_WAIT_MAX)
}
