//! Work that one replica of an actor does at a time: by the leases of the lattice.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::{sync::watch, task::JoinSet};
use wrt_deployment::{LeaseTimes, Leases, NoteWritten, Revision, Store};
use wrt_protocol::{ActorAddress, LeaseName, NodeId};
use wrt_runtime::{NOTE_BYTES_MAX, Note, Owned, Ownership, Record, RecordError};

use super::Parts;
use crate::catalog::chain;

/// Pause before leases are looked for again.
const FIND_PAUSE: Duration = Duration::from_secs(1);

/// Where a node finds the desired state, and with it the leases; not set in a program that runs alone.
pub(crate) type StoreSource = OnceLock<watch::Receiver<Option<Store>>>;

/// How long the leases are looked for, to read or write a note.
const FOUND_WITHIN: Duration = Duration::from_secs(3);

/// An actor's works, as a lattice knows them.
#[derive(Clone)]
pub(crate) struct LatticeOwnership {
    pub(crate) store: watch::Receiver<Option<Store>>,
    pub(crate) actor: ActorAddress,
    pub(crate) node: NodeId,
}

impl Parts {
    /// The works of `actor` here, by the leases in `store`.
    pub(crate) fn ownership(
        &self,
        store: &watch::Receiver<Option<Store>>,
        actor: &ActorAddress,
    ) -> LatticeOwnership {
        LatticeOwnership {
            store: store.clone(),
            actor: actor.clone(),
            node: self.node.clone(),
        }
    }
}

impl Ownership for LatticeOwnership {
    fn own<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Owned> {
        async move {
            let lease = match LeaseName::new(&self.key(name)) {
                Ok(lease) => lease,
                Err(error) => {
                    tracing::error!(actor = %self.actor, name, %error, "work that nobody can own");
                    return std::future::pending().await;
                }
            };
            // Each attempt is one of its own: what an earlier one has written is nobody's now.
            let holder = format!("{}-{:016x}", self.node, rand::random::<u64>());
            loop {
                let leases = self.leases().await;
                if let Some(owned) = own(leases, lease.clone(), holder.clone()).await {
                    return owned;
                }
            }
        }
        .boxed()
    }

    fn record(&self, name: &str) -> Arc<dyn Record> {
        Arc::new(LatticeRecord {
            key: self.key(name),
            ownership: self.clone(),
        })
    }
}

/// What is noted of a work, beside its lease.
struct LatticeRecord {
    ownership: LatticeOwnership,
    key: String,
}

impl LatticeRecord {
    async fn leases(&self) -> Result<Leases, RecordError> {
        let found = tokio::time::timeout(FOUND_WITHIN, self.ownership.leases());
        found
            .await
            .map_err(|_late| RecordError("the leases are not there".to_owned()))
    }
}

impl Record for LatticeRecord {
    fn read(&self) -> BoxFuture<'_, Result<Note, RecordError>> {
        async {
            let note = self.leases().await?.note(&self.key).await;
            let note = note.ok_or_else(unanswered)?;
            Ok(Note {
                version: note.revision.map_or(0, |Revision(revision)| revision),
                text: note.text,
            })
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        text: &'a str,
        instead_of: u64,
    ) -> BoxFuture<'a, Result<Option<u64>, RecordError>> {
        async move {
            if text.len() > NOTE_BYTES_MAX {
                let bytes = text.len();
                return Err(RecordError(format!(
                    "{bytes} bytes are more than {NOTE_BYTES_MAX}"
                )));
            }
            let instead_of = (instead_of > 0).then_some(Revision(instead_of));
            let leases = self.leases().await?;
            match leases.write_note(&self.key, text, instead_of).await {
                NoteWritten::As(Revision(revision)) => Ok(Some(revision)),
                NoteWritten::TooLate => Ok(None),
                NoteWritten::NobodySays => Err(unanswered()),
            }
        }
        .boxed()
    }
}

fn unanswered() -> RecordError {
    RecordError("JetStream does not answer".to_owned())
}

impl LatticeOwnership {
    /// What the work `name` is called on the lattice.
    fn key(&self, name: &str) -> String {
        let ActorAddress {
            kind,
            app,
            name: actor,
        } = &self.actor;
        format!("{}.{app}.{actor}.{name}", kind.as_str())
    }

    /// The leases, as soon as they are there.
    async fn leases(&self) -> Leases {
        let mut source = self.store.clone();
        let mut told = false;
        loop {
            let store = source.borrow_and_update().clone();
            let reason = match &store {
                None => "the desired state is not there".to_owned(),
                Some(store) => match store.leases().await {
                    Ok(Some(leases)) => return leases,
                    Ok(None) => "`wrt up` makes their bucket, and has not yet".to_owned(),
                    Err(error) => chain(&error),
                },
            };
            if !std::mem::replace(&mut told, true) && store.is_some() {
                tracing::warn!(actor = %self.actor, reason, "no leases: work of one replica waits");
            }
            let _again = tokio::time::timeout(FIND_PAUSE, source.changed()).await;
        }
    }
}

/// Waits for a lease and keeps it; none where its keeper has ended.
async fn own(leases: Leases, lease: LeaseName, holder: String) -> Option<Owned> {
    let (told, mut grants) = watch::channel(None);
    let mut keeper = JoinSet::new();
    let (kept, kept_lease, name) = (leases.clone(), lease.clone(), holder.clone());
    keeper.spawn(async move {
        kept.keep(kept_lease.as_str(), &name, LeaseTimes::DEFAULT, &told)
            .await
    });
    let first = (*grants.wait_for(Option::is_some).await.ok()?)?;
    let (ends, ends_at) = watch::channel(Some(first.ends_at));
    // Had again after it was lost is another epoch, and not the work that was begun.
    keeper.spawn(async move {
        loop {
            let now = *grants.borrow_and_update();
            let now = now.filter(|grant| grant.epoch == first.epoch);
            ends.send_replace(now.map(|grant| grant.ends_at));
            if now.is_none() || grants.changed().await.is_err() {
                return;
            }
        }
    });
    let key = lease.clone();
    let owned = Owned::new(first.epoch, ends_at, move || {
        async move {
            keeper.shutdown().await;
            leases.give_back(key.as_str(), &holder).await;
        }
        .boxed()
    });
    Some(owned.by(lease))
}
