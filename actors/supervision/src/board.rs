//! What heartbeats read: each replica's state, without asking it.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};
use wrt_contract::{Gate, GateLoad, Offer};
use wrt_protocol::{ActorAddress, heartbeat::ReplicaState};

use crate::{OfferChange, OnChange, Running};

/// The posts of all replicas.
#[derive(Default)]
pub(crate) struct Board(Mutex<BTreeMap<ActorAddress, Arc<Post>>>);

/// One replica's state and offers. Outlives the replica's own actor, so that whoever cleans up after
/// it knows what it had offered.
pub(crate) struct Post {
    actor: ActorAddress,
    on_change: OnChange,
    shown: Mutex<Shown>,
}

struct Shown {
    state: ReplicaState,
    serving: Option<Offered>,
    /// The gate of what is being drained, for its load.
    draining: Option<Arc<Gate>>,
}

struct Offered {
    offers: Arc<[Offer]>,
    gate: Arc<Gate>,
}

impl Board {
    pub(crate) fn post(&self, actor: &ActorAddress, on_change: &OnChange) -> Arc<Post> {
        let post = Arc::new(Post {
            actor: actor.clone(),
            on_change: Arc::clone(on_change),
            shown: Mutex::new(Shown {
                state: ReplicaState::Starting,
                serving: None,
                draining: None,
            }),
        });
        self.posts().insert(actor.clone(), Arc::clone(&post));
        post
    }

    pub(crate) fn remove(&self, actor: &ActorAddress) {
        self.posts().remove(actor);
    }

    pub(crate) fn len(&self) -> usize {
        self.posts().len()
    }

    pub(crate) fn contains(&self, actor: &ActorAddress) -> bool {
        self.posts().contains_key(actor)
    }

    pub(crate) fn status(&self) -> Vec<(ActorAddress, ReplicaState, GateLoad)> {
        let posts = self.posts();
        let status = |(actor, post): (&ActorAddress, &Arc<Post>)| {
            let shown = post.shown();
            let gate = shown.serving.as_ref().map(|serving| &serving.gate);
            let gate = gate.or(shown.draining.as_ref());
            let load = gate.map(|gate| gate.load()).unwrap_or_default();
            (actor.clone(), shown.state, load)
        };
        posts.iter().map(status).collect()
    }

    fn posts(&self) -> MutexGuard<'_, BTreeMap<ActorAddress, Arc<Post>>> {
        self.0.lock()
    }
}

impl Post {
    pub(crate) fn actor(&self) -> &ActorAddress {
        &self.actor
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.shown().serving.is_some()
    }

    pub(crate) fn set_state(&self, state: ReplicaState) {
        self.shown().state = state;
    }

    /// Offers what runs; answers the gate of what it replaces.
    pub(crate) fn offer(&self, running: &Running) -> Option<Arc<Gate>> {
        let offers: Arc<[Offer]> = running.offers.clone().into();
        let gate = Arc::clone(&running.gate);
        let serving = Offered {
            offers: Arc::clone(&offers),
            gate: Arc::clone(&gate),
        };
        let before = {
            let mut shown = self.shown();
            shown.state = ReplicaState::Ready;
            shown.draining = None;
            shown.serving.replace(serving)
        };
        if let Some(before) = &before {
            let is_offered = |gone: &&Offer| {
                offers
                    .iter()
                    .any(|offer| offer.interface() == gone.interface())
            };
            let gone: Arc<[Offer]> = before
                .offers
                .iter()
                .filter(|offer| !is_offered(offer))
                .cloned()
                .collect();
            if !gone.is_empty() {
                self.tell(OfferChange::Withdrawn { offers: gone });
            }
        }
        self.tell(OfferChange::Offered { offers, gate });
        before.map(|before| before.gate)
    }

    /// Takes all offers back, and answers their gate, which refuses what is new from now on.
    pub(crate) fn withdraw(&self, state: ReplicaState) -> Option<Arc<Gate>> {
        let serving = {
            let mut shown = self.shown();
            shown.state = state;
            let serving = shown.serving.take()?;
            shown.draining = Some(Arc::clone(&serving.gate));
            serving
        };
        // First out of the links, so that calls go elsewhere without having been refused here.
        self.tell(OfferChange::Withdrawn {
            offers: serving.offers,
        });
        serving.gate.start_draining();
        Some(serving.gate)
    }

    fn tell(&self, change: OfferChange) {
        (self.on_change)(&self.actor, change);
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock()
    }
}
