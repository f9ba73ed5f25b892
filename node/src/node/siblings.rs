//! The replicas of a provider, as the lattice knows them.

use std::sync::Arc;

use wrt_contract::LocalDirectory;
use wrt_membership::{Member, Membership};
use wrt_protocol::{
    ActorAddress, Incarnation,
    heartbeat::{NodeState, ReplicaState},
};
use wrt_runtime::Siblings;

/// An actor's replicas, by what the nodes report.
pub(crate) struct LatticeSiblings {
    pub(crate) directory: Arc<LocalDirectory>,
    pub(crate) membership: Arc<Membership>,
    pub(crate) actor: ActorAddress,
}

impl Siblings for LatticeSiblings {
    fn home(&self) -> Option<Incarnation> {
        self.directory.home()
    }

    fn others(&self) -> Vec<Incarnation> {
        let view = self.membership.view();
        let serving = view.members().filter(|member| self.is_served_by(member));
        let incarnation = |member: &Arc<Member>| Incarnation {
            node: member.id.clone(),
            epoch: member.epoch,
        };
        serving.map(incarnation).collect()
    }
}

impl LatticeSiblings {
    fn is_served_by(&self, member: &Member) -> bool {
        let mut replicas = member.replicas.iter();
        let is_ready = replicas
            .any(|replica| replica.actor == self.actor && replica.state == ReplicaState::Ready);
        is_ready && !member.is_self && member.state != NodeState::Leaving
    }
}
