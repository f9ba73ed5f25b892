//! What a node believes of the lattice at one moment.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use wrt_protocol::{
    ActorAddress, NodeId,
    heartbeat::{ReplicaReport, ReplicaState},
};

use crate::{Liveness, Member};

/// A replica that takes calls.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Where it runs.
    pub member: Arc<Member>,
    /// What that node last said of it.
    pub report: ReplicaReport,
}

/// What a node believes of the lattice at one moment. Immutable: a change is another view with a
/// greater [`View::generation`].
#[derive(Debug, Default)]
pub struct View {
    generation: u64,
    isolated: bool,
    members: BTreeMap<NodeId, Arc<Member>>,
    candidates: HashMap<ActorAddress, Candidates>,
    starting: HashMap<ActorAddress, Starting>,
    /// Everything that somebody reports who may have a share.
    reported: HashSet<ActorAddress>,
}

/// Where an actor is being made.
#[derive(Debug, Default)]
struct Starting {
    here: bool,
    elsewhere: bool,
}

/// The replicas of one actor, those of this node first.
#[derive(Debug, Default)]
struct Candidates {
    own: usize,
    all: Vec<Candidate>,
}

impl View {
    pub(crate) fn new(
        generation: u64,
        isolated: bool,
        members: impl Iterator<Item = Arc<Member>>,
    ) -> Self {
        let members: BTreeMap<_, _> = members.map(|member| (member.id.clone(), member)).collect();
        let mut candidates: HashMap<ActorAddress, Candidates> = HashMap::new();
        let own_first = members
            .values()
            .filter(|member| member.is_self)
            .chain(members.values().filter(|member| !member.is_self));
        for member in own_first.filter(|member| member.takes_calls()) {
            for report in member.replicas.iter() {
                if report.state != ReplicaState::Ready {
                    continue;
                }
                // Two look-ups for a new actor, but no clone of the key for a known one.
                if !candidates.contains_key(&report.actor) {
                    candidates.insert(report.actor.clone(), Candidates::default());
                }
                let list = candidates
                    .get_mut(&report.actor)
                    .expect("it was just looked up or inserted");
                list.own += usize::from(member.is_self);
                list.all.push(Candidate {
                    member: Arc::clone(member),
                    report: report.clone(),
                });
            }
        }
        let (mut starting, mut reported) = (HashMap::<_, Starting>::new(), HashSet::new());
        // A suspect keeps its share, and may well go on with it.
        for member in members.values().filter(|member| member.takes_placement()) {
            for report in member.replicas.iter() {
                if candidates.contains_key(&report.actor) {
                    continue;
                }
                reported.insert(report.actor.clone());
                if report.state == ReplicaState::Starting {
                    let starting = starting.entry(report.actor.clone()).or_default();
                    starting.here |= member.is_self;
                    starting.elsewhere |= !member.is_self;
                }
            }
        }
        Self {
            generation,
            isolated,
            members,
            candidates,
            starting,
            reported,
        }
    }

    /// Counts up with each view that the node publishes.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the node doubts its own hearing: see [`crate::MemberTable::is_isolated`].
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.isolated
    }

    /// Everyone known, this node and the recently dead included, in the order of their names. One
    /// that left is not among them.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }

    /// Everyone who is not dead, this node included, in the order of their names.
    pub fn live_members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members()
            .filter(|member| member.liveness != Liveness::Dead)
    }

    /// One node.
    #[must_use]
    pub fn member(&self, id: &NodeId) -> Option<&Arc<Member>> {
        self.members.get(id)
    }

    /// The replicas of `actor` that take calls: ready, on a node that is alive and serves. One on
    /// this node comes first; the others are in the order of their nodes' names.
    #[must_use]
    pub fn candidates(&self, actor: &ActorAddress) -> &[Candidate] {
        self.candidates
            .get(actor)
            .map_or(&[], |candidates| &candidates.all)
    }

    /// Whether a replica of `actor`, which has none that takes calls, is being made on this node.
    #[must_use]
    pub fn starts_here(&self, actor: &ActorAddress) -> bool {
        self.starting.get(actor).is_some_and(|it| it.here)
    }

    /// The same of any other node that is not dead.
    #[must_use]
    pub fn starts_elsewhere(&self, actor: &ActorAddress) -> bool {
        self.starting.get(actor).is_some_and(|it| it.elsewhere)
    }

    /// Whether any node that is not dead reports a replica of `actor`, in whatever state.
    #[must_use]
    pub fn is_reported(&self, actor: &ActorAddress) -> bool {
        self.candidates.contains_key(actor) || self.reported.contains(actor)
    }

    /// [`View::candidates`] without this node's own.
    #[must_use]
    pub fn remote_candidates(&self, actor: &ActorAddress) -> &[Candidate] {
        self.candidates
            .get(actor)
            .map_or(&[], |candidates| &candidates.all[candidates.own..])
    }
}
