//! The nodes, and what is left on them while one actor after the other gets its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use wrt_protocol::{ActorAddress, NodeId};

use super::{
    Capacity, Explanation, PlacedMember, PlacementRule, Refusal, TurnedDown, Verdict,
    rank::{Best, Ranked, fnv1a, in_rounds, score, seed},
    reasons::unfit,
    room::Left,
    wish::{Reach, Wish},
};

/// All nodes.
pub(super) struct Ground<'a> {
    /// By their names.
    nodes: Vec<Node<'a>>,
    serving: usize,
    /// The nodes that a rule's labels allow: the same labels are asked for again and again.
    fits: BTreeMap<Asked<'a>, Rc<Fit>>,
    /// Where those went that somebody is kept apart from.
    settled: BTreeMap<ActorAddress, Vec<usize>>,
}

/// Labels that a node must have, and the one that replicas are spread over.
type Asked<'a> = (&'a BTreeMap<String, String>, Option<&'a String>);

struct Node<'a> {
    member: &'a PlacedMember,
    hash: u64,
    left: Left,
}

/// Nodes and their names' hashes, in groups by the label that replicas are spread over.
struct Fit {
    groups: Vec<Vec<(u64, usize)>>,
}

/// Who is there already of those that an actor is kept apart from.
type Neighbours = BTreeMap<usize, Vec<ActorAddress>>;

/// Where an actor goes.
pub(super) struct Choice {
    /// In the order of rank.
    pub(super) nodes: Vec<usize>,
    pub(super) wanted: usize,
    /// Named, and not there.
    pub(super) absent: Vec<NodeId>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(members: &'a [PlacedMember]) -> Self {
        let by_name: BTreeMap<_, _> = members.iter().map(|member| (&member.id, member)).collect();
        let node = |member: &'a PlacedMember| Node {
            member,
            hash: fnv1a(member.id.as_str()),
            left: Left::all(Capacity::of_labels(&member.labels)),
        };
        let serving = by_name.values().filter(|it| it.takes_placement()).count();
        Self {
            nodes: by_name.into_values().map(node).collect(),
            serving,
            fits: BTreeMap::new(),
            settled: BTreeMap::new(),
        }
    }

    /// Where an actor goes whose turn it is.
    pub(super) fn choose(&mut self, wish: &Wish<'a>) -> Choice {
        let neighbours = self.neighbours(wish);
        let mut absent = Vec::new();
        let (nodes, wanted) = match wish.reach {
            Reach::Named => {
                let named: BTreeSet<&NodeId> = wish.rule.nodes.iter().collect();
                let mut nodes = Vec::new();
                for id in &named {
                    match self.serving(id) {
                        Some(node) => nodes.push(node),
                        None => absent.push((*id).clone()),
                    }
                }
                nodes.retain(|node| self.may_have(wish, &neighbours, *node));
                (nodes, named.len())
            }
            Reach::Each => {
                let mut nodes = self.fit(wish.rule).nodes();
                let is_open = |node: usize| self.nodes[node].member.is_open_to(&wish.actor);
                nodes.retain(|node| is_open(*node) && !neighbours.contains_key(node));
                let wanted = nodes.len().max(1);
                nodes.retain(|node| self.may_have(wish, &neighbours, *node));
                (nodes, wanted)
            }
            Reach::Number(wanted) => (self.ranked(wish, &neighbours, wanted), wanted),
        };
        Choice {
            nodes,
            wanted,
            absent,
        }
    }

    /// Who gets a replica of an actor whose turn it is when one of its nodes goes. What names its nodes, or
    /// goes to each, goes to no other one.
    pub(super) fn next(&mut self, wish: &Wish<'a>) -> BTreeSet<usize> {
        let Reach::Number(wanted) = wish.reach else {
            return BTreeSet::new();
        };
        let neighbours = self.neighbours(wish);
        let groups = self.ranked_groups(wish, &neighbours, wanted.saturating_add(1));
        let placed = in_rounds(&groups, wanted);
        let after = |gone: &usize| {
            let stay = |group: &Vec<Ranked>| -> Vec<Ranked> {
                let stay = group.iter().filter(|(_, node)| node != gone);
                stay.copied().collect()
            };
            let left: Vec<_> = groups.iter().map(stay).collect();
            in_rounds(&left, wanted)
        };
        let after = placed.iter().flat_map(after);
        after.filter(|node| !placed.contains(node)).collect()
    }

    /// Writes down where an actor went.
    pub(super) fn settle(&mut self, wish: &Wish<'_>, choice: &Choice) {
        for node in &choice.nodes {
            self.nodes[*node].left.take(wish.rule.room);
        }
        if !wish.apart.is_empty() {
            self.settled
                .insert(wish.actor.clone(), choice.nodes.clone());
        }
    }

    /// What was decided of each node, for an actor whose turn it is.
    pub(super) fn explain(&mut self, wish: &Wish<'a>) -> Explanation {
        let choice = self.choose(wish);
        let neighbours = self.neighbours(wish);
        let order = match wish.reach {
            Reach::Number(_) => self.ranked(wish, &neighbours, usize::MAX),
            Reach::Named | Reach::Each => choice.nodes.clone(),
        };
        let rank: BTreeMap<_, _> = order.into_iter().zip(0..).collect();
        let verdict = |(at, node): (usize, &Node<'_>)| {
            let refusals: Vec<_> = unfit(wish.rule, node.member)
                .chain(self.turns_down(wish, &neighbours, at))
                .collect();
            let verdict = match rank.get(&at) {
                Some(&rank) if choice.nodes.contains(&at) => Verdict::Placed { rank },
                Some(&rank) => Verdict::Spare { rank },
                None => Verdict::Refused(refusals),
            };
            (node.member.id.clone(), verdict)
        };
        let mut nodes: Vec<_> = self.nodes.iter().enumerate().map(verdict).collect();
        let unheard = |id: &&NodeId| !nodes.iter().any(|(known, _)| known == *id);
        let unheard: Vec<_> = choice.absent.iter().filter(unheard).cloned().collect();
        let absent = |id| (id, Verdict::Refused(vec![Refusal::Absent]));
        nodes.extend(unheard.into_iter().map(absent));
        Explanation {
            actor: wish.actor.clone(),
            wanted: choice.wanted,
            placed: choice.nodes.len(),
            wants_each_node: wish.reach == Reach::Each,
            nodes,
        }
    }

    /// How many nodes cannot have an actor whose turn it is.
    pub(super) fn turned_down(&mut self, wish: &Wish<'a>) -> TurnedDown {
        let neighbours = self.neighbours(wish);
        let (fit, unfit) = match wish.reach {
            Reach::Named => {
                let named = wish.rule.nodes.iter().filter_map(|id| self.serving(id));
                (named.collect::<BTreeSet<_>>(), 0)
            }
            Reach::Each | Reach::Number(_) => {
                let fit: BTreeSet<_> = self.fit(wish.rule).nodes().into_iter().collect();
                let unfit = self.serving - fit.len();
                (fit, unfit)
            }
        };
        let lacks = |node: &&usize| {
            let left = self.nodes[**node].left;
            left.lacks(wish.rule.room).next().is_some()
        };
        let is_closed = |node: &&usize| !self.nodes[**node].member.is_open_to(&wish.actor);
        TurnedDown {
            unfit,
            cordoned: fit.iter().filter(is_closed).count(),
            apart: fit.iter().filter(|it| neighbours.contains_key(it)).count(),
            without_room: fit.iter().filter(lacks).count(),
        }
    }

    /// A node's name.
    pub(super) fn id(&self, node: usize) -> &NodeId {
        &self.nodes[node].member.id
    }

    /// A node that may get something.
    fn serving(&self, id: &NodeId) -> Option<usize> {
        let found = self.nodes.binary_search_by(|node| node.member.id.cmp(id));
        found
            .ok()
            .filter(|node| self.nodes[*node].member.takes_placement())
    }

    fn fit(&mut self, rule: &'a PlacementRule) -> Rc<Fit> {
        let key = (&rule.labels, rule.spread.as_ref());
        let fit = self.fits.entry(key).or_insert_with(|| {
            let mut groups: BTreeMap<Option<&String>, Vec<_>> = BTreeMap::new();
            for (at, node) in self.nodes.iter().enumerate() {
                if unfit(rule, node.member).next().is_none() {
                    let value = rule.spread.as_ref().map(|key| node.member.labels.get(key));
                    let group = groups.entry(value.flatten()).or_default();
                    group.push((node.hash, at));
                }
            }
            let groups = groups.into_values().collect();
            Rc::new(Fit { groups })
        });
        Rc::clone(fit)
    }

    /// The first `limit` of the nodes that may have it.
    fn ranked(&mut self, wish: &Wish<'a>, neighbours: &Neighbours, limit: usize) -> Vec<usize> {
        in_rounds(&self.ranked_groups(wish, neighbours, limit), limit)
    }

    /// The first `limit` of each group of them.
    fn ranked_groups(
        &mut self,
        wish: &Wish<'a>,
        neighbours: &Neighbours,
        limit: usize,
    ) -> Vec<Vec<Ranked>> {
        let (fit, seed) = (self.fit(wish.rule), seed(&wish.actor));
        let best = |group: &Vec<(u64, usize)>| -> Vec<Ranked> {
            let mut best = Best::of(limit);
            for &(hash, node) in group {
                let ranked = (score(seed, hash), node);
                if best.takes(ranked) && self.may_have(wish, neighbours, node) {
                    best.take(ranked);
                }
            }
            best.in_order()
        };
        fit.groups.iter().map(best).collect()
    }

    fn may_have(&self, wish: &Wish<'_>, neighbours: &Neighbours, node: usize) -> bool {
        self.turns_down(wish, neighbours, node).next().is_none()
    }

    /// What stands against a node for this actor alone, or because of others.
    fn turns_down(
        &self,
        wish: &Wish<'_>,
        neighbours: &Neighbours,
        node: usize,
    ) -> impl Iterator<Item = Refusal> {
        let is_open = self.nodes[node].member.is_open_to(&wish.actor);
        let closed = (!is_open).then_some(Refusal::Cordoned);
        let apart = neighbours.get(&node).into_iter().flatten();
        let apart = apart.map(|from| Refusal::Apart { from: from.clone() });
        let lacks = self.nodes[node].left.lacks(wish.rule.room);
        let of_others = apart.chain(lacks.map(Refusal::NoRoom));
        closed.into_iter().chain(of_others)
    }

    fn neighbours(&self, wish: &Wish<'_>) -> Neighbours {
        let mut neighbours = Neighbours::new();
        for other in &wish.apart {
            for node in self.settled.get(other).into_iter().flatten() {
                neighbours.entry(*node).or_default().push(other.clone());
            }
        }
        neighbours
    }
}

impl Fit {
    fn nodes(&self) -> Vec<usize> {
        let nodes = self.groups.iter().flatten().map(|(_, node)| *node);
        nodes.collect()
    }
}
