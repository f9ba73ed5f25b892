//! What a replica offers becomes reachable: for links on this node at once, and for others when the
//! bus knows.

mod offered;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use wrt_contract::{LocalDirectory, Offer};
use wrt_protocol::{ActorAddress, Incarnation, heartbeat::ReplicaState};
use wrt_request::Seat;
use wrt_supervision::{OfferChange, OnChange};

use super::servers::Servers;
use crate::catalog::chain;
use offered::{Offered, Told};

/// Pause before the bus is asked again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Keeps the bus's idea of this node's replicas equal to what they offer.
pub(crate) struct Hosting {
    directory: Arc<LocalDirectory>,
    servers: Arc<Servers>,
    seat: OnceLock<Seat>,
    offered: Mutex<Offered>,
    changed: Notify,
    /// Rung for whoever waits until something is offered here.
    news: Notify,
}

impl Hosting {
    pub(crate) fn new(directory: Arc<LocalDirectory>, servers: Arc<Servers>) -> Arc<Self> {
        Arc::new(Self {
            directory,
            servers,
            seat: OnceLock::new(),
            offered: Mutex::default(),
            changed: Notify::new(),
            news: Notify::new(),
        })
    }

    /// Gives it the node's seat, which reports to the lattice through this.
    pub(crate) fn seated(&self, seat: &Seat) {
        self.directory.joined(Incarnation {
            node: seat.membership.node().clone(),
            epoch: seat.membership.epoch(),
        });
        let _first = self.seat.set(seat.clone());
    }

    pub(crate) fn on_change(self: &Arc<Self>) -> OnChange {
        let hosting = Arc::clone(self);
        Arc::new(move |actor, change| match change {
            OfferChange::Offered { offers, .. } => hosting.offered(actor, &offers),
            OfferChange::Withdrawn { offers } => hosting.withdrawn(actor, &offers),
        })
    }

    /// A replica that the bus does not know yet is not ready for anybody else.
    pub(crate) fn seen_from_outside(
        &self,
        actor: &ActorAddress,
        state: ReplicaState,
    ) -> ReplicaState {
        let is_hosted = || self.offered_now().is_known(actor);
        match state {
            ReplicaState::Ready if !is_hosted() => ReplicaState::Starting,
            state => state,
        }
    }

    fn offered(&self, actor: &ActorAddress, offers: &[Offer]) {
        for offer in offers {
            offer.install(&self.directory, actor);
        }
        self.offered_now().offer(actor, offers);
        self.changed.notify_one();
        self.news.notify_one();
    }

    /// Waits until a replica offers something that it did not offer when this was last waited for. Cancel
    /// safe, for one who waits.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    fn withdrawn(&self, actor: &ActorAddress, gone: &[Offer]) {
        for offer in gone {
            offer.remove(&self.directory, actor);
        }
        if !self.offered_now().withdraw(actor, gone) {
            return;
        }
        self.servers.close(actor);
        if let Some(seat) = self.seat.get() {
            // Those that chose this node still get in, and hear from its gate to go elsewhere.
            seat.exchange.leave_queue_group(actor);
            seat.membership.announce_now();
        }
    }

    /// Tells the bus of what is new, until it is dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            self.changed.notified().await;
            while !self.host_all().await {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// Answers whether the bus took everything.
    async fn host_all(&self) -> bool {
        let Some(seat) = self.seat.get() else {
            return true;
        };
        let fresh = self.offered_now().unknown();
        let mut took_all = true;
        for (actor, offers, version) in fresh {
            // Who only calls offers nothing: nobody on the bus calls it.
            if !offers.is_empty()
                && let Err(error) = seat.exchange.host(actor.clone(), &offers).await
            {
                tracing::warn!(%actor, error = chain(&error), "not reachable from other nodes");
                took_all = false;
                continue;
            }
            let told = self.offered_now().told(&actor, version);
            match told {
                Told::Known => {}
                // Whoever is there now is told next.
                Told::Gone | Told::Replaced => seat.exchange.leave_queue_group(&actor),
            }
            seat.membership.announce_now();
        }
        took_all
    }

    fn offered_now(&self) -> MutexGuard<'_, Offered> {
        self.offered.lock()
    }
}
