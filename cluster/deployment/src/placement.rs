//! Who runs what: a pure function of what is desired and who is there.
//!
//! An actor goes to the nodes that its rule names, or to as many of the matching nodes as it wants
//! replicas, those with the highest score for that actor (rendezvous hashing). A score depends on one
//! actor and one node and on nothing else, so a node that comes or goes moves only what it gains or
//! loses, every node works out the same, and two replicas are never on one node.

use std::collections::{BTreeMap, BTreeSet};

use wrt_protocol::{ActorAddress, NodeId};

use crate::{DesiredApp, PlacementRule};

/// A node, as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedMember {
    /// Its name.
    pub id: NodeId,
    /// What its operator says of it.
    pub labels: BTreeMap<String, String>,
    /// Whether it may get anything: neither dead nor draining.
    pub takes_placement: bool,
}

/// Who runs what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// The share of each node that has one.
    pub shares: BTreeMap<NodeId, BTreeSet<ActorAddress>>,
    /// Actors with fewer replicas than they want.
    pub shortages: Vec<Shortage>,
}

/// An actor that there are too few nodes for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The actor.
    pub actor: ActorAddress,
    /// Replicas that it wants.
    pub wanted: usize,
    /// Replicas that it gets.
    pub placed: usize,
    /// Nodes that it names and that are not there.
    pub absent: Vec<NodeId>,
}

impl Placement {
    /// What `node` runs.
    pub fn share(&self, node: &NodeId) -> impl Iterator<Item = &ActorAddress> {
        self.shares.get(node).into_iter().flatten()
    }

    /// Which nodes run `actor`.
    pub fn nodes(&self, actor: &ActorAddress) -> impl Iterator<Item = &NodeId> {
        let runs = move |(node, share): (_, &BTreeSet<ActorAddress>)| {
            share.contains(actor).then_some(node)
        };
        self.shares.iter().filter_map(runs)
    }
}

/// Works out the share of each node. The order of `apps` and `members` does not matter.
#[must_use]
pub fn place<'a>(
    apps: impl IntoIterator<Item = &'a DesiredApp>,
    members: &[PlacedMember],
) -> Placement {
    let live = live(members);
    let mut placement = Placement::default();
    for app in apps {
        for (actor, rule) in app.actors() {
            let wants_every_node = app.goes_to_each_node(&actor);
            let chosen = choose(&actor, rule, wants_every_node, &live);
            for node in chosen.nodes {
                placement
                    .shares
                    .entry(node.clone())
                    .or_default()
                    .insert(actor.clone());
            }
            placement.shortages.extend(chosen.shortage);
        }
    }
    placement.shortages.sort_by(|a, b| a.actor.cmp(&b.actor));
    placement
}

/// What `node` would get if one of the nodes that run it went: of these it is the next one. The order of
/// `apps` and `members` does not matter.
#[must_use]
pub fn next_for<'a>(
    apps: impl IntoIterator<Item = &'a DesiredApp>,
    members: &[PlacedMember],
    node: &NodeId,
) -> BTreeSet<ActorAddress> {
    let live = live(members);
    let is_next = |(app, (actor, rule)): &(&DesiredApp, (ActorAddress, &PlacementRule))| {
        let wanted = match rule.replicas {
            // What names its nodes goes to no other one.
            _ if !rule.nodes.is_empty() => return false,
            Some(0) => return false,
            Some(replicas) => replicas as usize,
            None if app.goes_to_each_node(actor) => return false,
            None => 1,
        };
        let next = ranked(actor, matching(rule, &live)).into_iter().nth(wanted);
        next == Some(node)
    };
    let apps = apps.into_iter();
    let actors = apps.flat_map(|app| app.actors().map(move |it| (app, it)));
    actors
        .filter(is_next)
        .map(|(_, (actor, _))| actor)
        .collect()
}

type Live<'a> = BTreeMap<&'a NodeId, &'a PlacedMember>;

fn live(members: &[PlacedMember]) -> Live<'_> {
    let live = members.iter().filter(|member| member.takes_placement);
    live.map(|member| (&member.id, member)).collect()
}

struct Chosen<'a> {
    nodes: Vec<&'a NodeId>,
    shortage: Option<Shortage>,
}

fn choose<'a>(
    actor: &ActorAddress,
    rule: &PlacementRule,
    wants_every_node: bool,
    live: &Live<'a>,
) -> Chosen<'a> {
    if !rule.nodes.is_empty() {
        let named: BTreeSet<&NodeId> = rule.nodes.iter().collect();
        let present = |node: &&NodeId| live.get_key_value(*node).map(|(id, _)| *id);
        let nodes = named.iter().filter_map(present).collect();
        let absent = named.iter().filter(|node| !live.contains_key(**node));
        let absent = absent.map(|node| (*node).clone()).collect();
        return Chosen::new(actor, nodes, named.len(), absent);
    }
    let matching = matching(rule, live);
    let wanted = match rule.replicas {
        Some(replicas) => replicas as usize,
        None if wants_every_node => {
            let nodes: Vec<_> = matching.collect();
            let wanted = nodes.len().max(1);
            return Chosen::new(actor, nodes, wanted, Vec::new());
        }
        None => 1,
    };
    let mut nodes = ranked(actor, matching);
    nodes.truncate(wanted);
    Chosen::new(actor, nodes, wanted, Vec::new())
}

/// The nodes that have all labels that the rule asks for.
fn matching<'a>(rule: &PlacementRule, live: &Live<'a>) -> impl Iterator<Item = &'a NodeId> {
    let matches = |member: &PlacedMember| {
        let mut labels = rule.labels.iter();
        labels.all(|(key, value)| member.labels.get(key) == Some(value))
    };
    let matching = live.iter().filter(move |(_, member)| matches(member));
    matching.map(|(id, _)| *id)
}

/// Nodes by how much each is preferred for `actor`, the most preferred first.
fn ranked<'a>(actor: &ActorAddress, nodes: impl Iterator<Item = &'a NodeId>) -> Vec<&'a NodeId> {
    let mut ranked: Vec<_> = nodes.map(|node| (score(actor, node), node)).collect();
    // The name breaks a tie, so that all nodes break it alike.
    ranked.sort_by(|a, b| b.cmp(a));
    ranked.into_iter().map(|(_, node)| node).collect()
}

impl<'a> Chosen<'a> {
    fn new(
        actor: &ActorAddress,
        nodes: Vec<&'a NodeId>,
        wanted: usize,
        absent: Vec<NodeId>,
    ) -> Self {
        let placed = nodes.len();
        let shortage = (placed < wanted).then(|| Shortage {
            actor: actor.clone(),
            wanted,
            placed,
            absent,
        });
        Self { nodes, shortage }
    }
}

/// How much `node` is preferred for `actor`. Part of the protocol: nodes of different builds must
/// agree, so neither the hash nor the text that it is made of may change.
fn score(actor: &ActorAddress, node: &NodeId) -> u64 {
    let actor = fnv1a(&actor.to_string());
    mix(mix(actor) ^ fnv1a(node.as_str()))
}

/// FNV-1a, 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The finaliser of SplitMix64: every bit of the input moves about half of those of the output.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests;
