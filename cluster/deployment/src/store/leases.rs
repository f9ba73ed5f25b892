//! Leases in the lattice's bucket for them.

use std::time::{Duration, Instant, UNIX_EPOCH};

use async_nats::jetstream::kv::{self, Operation};
use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{Revision, Store, StoreError, streams};
use crate::{Lease, LeaseRecord, LeaseStep, LeaseTimes, StoredLease};

/// How often one who waits for a lease looks who has it.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(250);
/// How long an answer is waited for: a holder must hear that it cannot renew before its time is over.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(700);

/// A lease that is had until then, unless it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Grows with each that takes the lease.
    pub epoch: u64,
    /// When it is over.
    pub ends_at: Instant,
}

/// The leases of a lattice. Cheap to clone.
#[derive(Clone)]
pub struct Leases(pub(super) kv::Store);

impl Store {
    /// The leases of the lattice; `None` where nobody has made their bucket, as `wrt up` does.
    ///
    /// # Errors
    /// When JetStream refuses or does not answer.
    pub async fn leases(&self) -> Result<Option<Leases>, StoreError> {
        let context = self.context();
        Ok(streams::leases(&context, &self.lattice).await?.map(Leases))
    }
}

impl Leases {
    /// What is stored; none where nobody says.
    async fn read(&self, key: &str) -> Option<StoredLease> {
        let entry = timeout(ANSWER_WITHIN, self.0.entry(key)).await.ok()?.ok()?;
        let Some(entry) = entry else {
            return Some(StoredLease::default());
        };
        // What cannot be read is held by somebody else.
        let unknown = LeaseRecord {
            holder: Some(String::new()),
            epoch: 0,
        };
        let is_there = entry.operation == Operation::Put;
        let record = is_there.then(|| serde_json::from_slice(&entry.value).unwrap_or(unknown));
        Some(StoredLease {
            revision: Some(Revision(entry.revision)),
            record,
        })
    }

    /// The revision that was written; none where it may not have been.
    async fn write(
        &self,
        key: &str,
        record: &LeaseRecord,
        instead_of: Option<Revision>,
    ) -> Option<Revision> {
        let bytes = Bytes::from(serde_json::to_vec(record).ok()?);
        let written = async {
            match instead_of {
                Some(Revision(revision)) => self.0.update(key, bytes, revision).await.ok(),
                None => self.0.create(key, bytes).await.ok(),
            }
        };
        let written = timeout(ANSWER_WITHIN, written).await.ok()??;
        Some(Revision(written))
    }

    /// Takes the lease `key` as `name` and keeps it, for as long as this is polled and `told` is wanted: that
    /// is told while it is had, and none when not. Nothing is done under it after `ends_at`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the lease to end by its time; [`Self::give_back`] ends it at once.
    pub async fn keep(
        &self,
        key: &str,
        name: &str,
        times: LeaseTimes,
        told: &watch::Sender<Option<Grant>>,
    ) {
        let mut lease = Lease::new(name.to_owned(), times).past(since_1970_ms());
        loop {
            match lease.next(Instant::now()) {
                LeaseStep::WaitUntil(at) => {
                    let now = Instant::now();
                    let wait = at.saturating_duration_since(now).min(LOOKED_AT_EVERY);
                    sleep(wait).await;
                    if lease.epoch(Instant::now()).is_none() {
                        self.look(key, &mut lease).await;
                    }
                }
                LeaseStep::Write { record, instead_of } => {
                    let asked_at = Instant::now();
                    match self.write(key, &record, instead_of).await {
                        Some(revision) => lease.written(asked_at, revision, record),
                        None => {
                            self.look(key, &mut lease).await;
                            sleep(LOOKED_AT_EVERY / 5).await;
                        }
                    }
                }
            }
            let grant = lease.epoch(Instant::now()).zip(lease.ends_at());
            let grant = grant.map(|(epoch, ends_at)| Grant { epoch, ends_at });
            told.send_if_modified(|known| std::mem::replace(known, grant) != grant);
        }
    }

    async fn look(&self, key: &str, lease: &mut Lease) {
        if let Some(stored) = self.read(key).await {
            lease.read(Instant::now(), stored);
        }
    }

    /// Gives back what `name` has, once it has stopped what it did.
    pub async fn give_back(&self, key: &str, name: &str) {
        let stored = self.read(key).await.unwrap_or_default();
        let (Some(record), Some(revision)) = (stored.record, stored.revision) else {
            return;
        };
        if record.holder.as_deref() == Some(name) {
            let record = LeaseRecord {
                holder: None,
                ..record
            };
            let _ends_by_its_time = self.write(key, &record, Some(revision)).await;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "epochs grow also where the bucket was lost, and with it the last one: only a wall clock does"
)]
fn since_1970_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
