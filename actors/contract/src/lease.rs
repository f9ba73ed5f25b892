//! What ties a later call to the replica that answered an earlier one.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wrt_protocol::{Fault, FaultKind, Hop, Incarnation, LeaseId};

/// A replica's promise to keep something for its holder: a transaction, a cursor, a peer. Made by a
/// provider's [`Leases`](crate::Leases), answered by one operation, and handed to others as their
/// `#[lease]`, which makes those pinned: they go to this replica, in this incarnation of its node, or
/// nowhere.
///
/// A value: it may be copied, and whoever has it may use it. It ends when it is released, when its
/// time is up, or with its replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    home: Option<Incarnation>,
    id: LeaseId,
    lasts: Duration,
}

impl Lease {
    pub(crate) fn new(home: Option<Incarnation>, lasts: Duration) -> Self {
        Self {
            home,
            id: LeaseId::mint(),
            lasts,
        }
    }

    /// One on a replica itself, and on nothing that it keeps: what is pinned by it goes to the replica of
    /// `home`, as long as that is there and does not drain. It needs no [`Leases`](crate::Leases) and no
    /// renewal, so it suits what lives for days.
    #[must_use]
    pub fn on_replica(home: Option<Incarnation>) -> Self {
        Self::new(home, Duration::MAX)
    }

    /// Where its replica runs; none where that is on no lattice, so that only its own process knows
    /// it.
    #[must_use]
    pub fn home(&self) -> Option<&Incarnation> {
        self.home.as_ref()
    }

    /// Which of its replica's leases it is.
    #[must_use]
    pub fn id(&self) -> LeaseId {
        self.id
    }

    /// For how long it was given, from then on.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.lasts
    }
}

/// The fault of a pinned call whose lease is not, or no longer, one of the replica.
pub fn lease_is_over(lease: &Lease) -> Fault {
    let detail = format!("lease {} is over, or of another replica", lease.id);
    Fault::not_executed(FaultKind::Unavailable, Hop::Gate, detail)
}

/// Where a pinned call must go.
///
/// # Errors
/// *Not executed*: only the process that gave the lease knows it.
pub fn pinned_to(lease: &Lease) -> Result<Option<Incarnation>, Fault> {
    match &lease.home {
        Some(home) => Ok(Some(home.clone())),
        None => Err(lease_is_over(lease)),
    }
}
