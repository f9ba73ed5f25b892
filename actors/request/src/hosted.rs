//! Which interfaces of which actors this node serves to others.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use wrt_contract::{Dispatch, Gate, Offer};
use wrt_protocol::{ActorAddress, Fault, FaultKind, Hop, InterfaceName};

use crate::pace::Pace;

type Interfaces = Vec<(InterfaceName, WayIn)>;

/// The way in to an interface of an actor.
#[derive(Clone)]
pub(crate) struct WayIn {
    pub(crate) dispatch: Arc<dyn Dispatch>,
    /// What its guard stands behind.
    pub(crate) gate: Arc<Gate>,
    /// What its operations were like so far.
    pub(crate) pace: Arc<Pace>,
}

/// The way in to each actor of this node.
#[derive(Default)]
pub(crate) struct Hosted(RwLock<HashMap<ActorAddress, Interfaces>>);

impl Hosted {
    pub(crate) fn insert(&self, actor: ActorAddress, offers: &[Offer]) {
        let way_in = |offer: &Offer| WayIn {
            dispatch: Arc::clone(offer.dispatcher()),
            gate: Arc::clone(offer.gate()),
            pace: Arc::default(),
        };
        let interfaces = offers
            .iter()
            .map(|offer| (offer.interface().clone(), way_in(offer)))
            .collect();
        self.0.write().insert(actor, interfaces);
    }

    pub(crate) fn remove(&self, actor: &ActorAddress) {
        self.0.write().remove(actor);
    }

    /// The way in, or a fault that says which part of the address leads nowhere.
    pub(crate) fn find(
        &self,
        actor: &ActorAddress,
        interface: &InterfaceName,
    ) -> Result<WayIn, Fault> {
        let hosted = self.0.read();
        let Some(interfaces) = hosted.get(actor) else {
            let detail = format!("{actor} does not run here");
            return Err(Fault::not_executed(
                FaultKind::Unavailable,
                Hop::Gate,
                detail,
            ));
        };
        let found = interfaces.iter().find(|(name, _)| name == interface);
        found.map(|(_, way_in)| way_in.clone()).ok_or_else(|| {
            let detail = format!("{actor} has no interface {interface}");
            Fault::not_executed(FaultKind::UnknownOperation, Hop::Gate, detail)
        })
    }
}
