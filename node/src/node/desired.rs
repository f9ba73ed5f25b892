//! What a node's share is made of, and which revisions it has taken up.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use wrt_deployment::{DesiredApp, DesiredComponent, Digest, PlacementRule, Snapshot};
use wrt_protocol::{ActorAddress, ActorKind, Name};
use wrt_supervision::Start;

use super::{
    Parts, component::ComponentStart, deduplication::Deduplication, exclusive::Exclusive,
    provider::ProviderStart, replica::Recorded,
};

/// The apps that the node has taken up: each one's revision, and what stands for its content.
#[derive(Default)]
pub(crate) struct Applied(Mutex<TakenUp>);

#[derive(Default)]
struct TakenUp {
    snapshot: Option<Arc<Snapshot>>,
    digests: BTreeMap<Name, Digest>,
}

impl Applied {
    pub(crate) fn set(&self, snapshot: &Arc<Snapshot>) {
        let mut taken_up = self.0.lock();
        let before = taken_up.snapshot.as_ref();
        if before.is_some_and(|before| Arc::ptr_eq(before, snapshot)) {
            return;
        }
        let apps = snapshot.apps.iter();
        let digests = apps.map(|(name, stored)| (name.clone(), stored.app.digest()));
        taken_up.digests = digests.collect();
        taken_up.snapshot = Some(Arc::clone(snapshot));
    }

    pub(crate) fn revisions(&self) -> BTreeMap<Name, u64> {
        let taken_up = self.0.lock();
        let apps = taken_up.snapshot.iter().flat_map(|snapshot| &snapshot.apps);
        apps.map(|(name, stored)| (name.clone(), stored.revision.0))
            .collect()
    }

    pub(crate) fn digests(&self) -> BTreeMap<Name, Digest> {
        self.0.lock().digests.clone()
    }
}

/// One actor of the node's share.
pub(crate) struct WantedActor {
    /// Stands for everything that it is made of; where it runs is no part of that.
    pub(crate) specification: Digest,
    pub(crate) start: Arc<dyn Start>,
}

/// How to start an actor of `app`; `None` if it has no such actor.
pub(crate) fn wanted(
    app: &DesiredApp,
    actor: &ActorAddress,
    parts: &Arc<Parts>,
) -> Option<WantedActor> {
    if actor.kind == ActorKind::Component {
        let deduplication = Deduplication::of(app);
        let (desired, specification) = component(app, &actor.name, &deduplication)?;
        let is_exclusive = desired.placement.exclusive;
        let start = ComponentStart {
            actor: actor.clone(),
            desired,
            deduplication,
            specification,
            parts: Arc::clone(parts),
        };
        return Some(WantedActor::new(
            actor,
            specification,
            start,
            is_exclusive,
            parts,
        ));
    }
    let mut desired = app.providers.get(&actor.name)?.clone();
    desired.placement = what_it_is(&desired.placement);
    let specification = digest(&desired);
    let is_exclusive = desired.placement.exclusive;
    let start = ProviderStart {
        actor: actor.clone(),
        desired,
        parts: Arc::clone(parts),
    };
    Some(WantedActor::new(
        actor,
        specification,
        start,
        is_exclusive,
        parts,
    ))
}

/// What stands for everything that a component of `app` is made of; none of one that it does not have.
pub(crate) fn specification(app: &DesiredApp, name: &Name) -> Option<Digest> {
    let (_, specification) = component(app, name, &Deduplication::of(app))?;
    Some(specification)
}

/// Of where an actor goes, what it is made of: whether it is the only one.
fn what_it_is(rule: &PlacementRule) -> PlacementRule {
    PlacementRule {
        exclusive: rule.exclusive,
        ..PlacementRule::default()
    }
}

fn component(
    app: &DesiredApp,
    name: &Name,
    deduplication: &Deduplication,
) -> Option<(DesiredComponent, Digest)> {
    let mut desired = app.components.get(name)?.clone();
    desired.placement = what_it_is(&desired.placement);
    let specification = digest(&(&desired, deduplication.of_links(&desired.links)));
    Some((desired, specification))
}

impl WantedActor {
    fn new(
        actor: &ActorAddress,
        specification: Digest,
        start: impl Start,
        is_exclusive: bool,
        parts: &Arc<Parts>,
    ) -> Self {
        let lease = parts.store.get().filter(|_| is_exclusive);
        let lease = lease.map(|store| parts.ownership(store, actor));
        let start = Exclusive {
            start,
            lease,
            tenancies: Arc::clone(&parts.tenancies),
        };
        let recorded = Recorded {
            start,
            actor: actor.clone(),
            specification,
            attempts: Arc::clone(&parts.attempts),
        };
        Self {
            specification,
            start: Arc::new(recorded),
        }
    }
}

fn digest(desired: &impl serde::Serialize) -> Digest {
    let json = serde_json::to_vec(desired).expect("maps with texts as keys, and finite numbers");
    Digest::of(&json)
}
