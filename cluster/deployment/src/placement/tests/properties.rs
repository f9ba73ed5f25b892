//! What holds of every placement.

use proptest::prelude::*;

use super::{
    super::*,
    worlds::{apps, members},
};
use crate::DesiredApp;

/// Each actor of the apps, with its rule and the nodes that it got.
fn actors<'a>(
    apps: &'a [DesiredApp],
    placement: &'a Placement,
) -> impl Iterator<Item = (ActorAddress, &'a PlacementRule, BTreeSet<&'a NodeId>)> {
    let actors = apps.iter().flat_map(DesiredApp::actors);
    actors.map(|(actor, rule)| {
        let nodes = placement.nodes(&actor).collect();
        (actor, rule, nodes)
    })
}

fn find<'a>(members: &'a [PlacedMember], id: &NodeId) -> Option<&'a PlacedMember> {
    members.iter().find(|member| member.id == *id)
}

fn room(apps: &[DesiredApp], actor: &ActorAddress) -> Room {
    let mut actors = apps.iter().flat_map(DesiredApp::actors);
    actors.find(|(it, _)| it == actor).unwrap().1.room
}

/// What a node's share takes, without one of its actors.
fn taken(
    apps: &[DesiredApp],
    placement: &Placement,
    node: &NodeId,
    but: Option<&ActorAddress>,
) -> Room {
    let mut taken = Room::default();
    for actor in placement.share(node).filter(|actor| Some(*actor) != but) {
        let room = room(apps, actor);
        taken.memory_bytes += room.memory_bytes;
        taken.concurrency += room.concurrency;
    }
    taken
}

fn is_over(taken: u64, offered: Option<u64>) -> bool {
    offered.is_some_and(|offered| taken > offered)
}

/// Whether what is said against a node is so, judged by what was placed and not by who says it.
fn is_true(
    refusal: &Refusal,
    (actor, rule): (&ActorAddress, &PlacementRule),
    (id, member): (&NodeId, Option<&PlacedMember>),
    (apps, placement): (&[DesiredApp], &Placement),
) -> bool {
    let Some(member) = member else {
        return *refusal == Refusal::Absent && rule.nodes.contains(id);
    };
    match refusal {
        Refusal::Absent => false,
        Refusal::Dead => member.standing == Standing::Dead,
        Refusal::Draining => member.standing == Standing::Draining,
        Refusal::Cordoned => {
            let cordon = member.cordon.as_ref();
            cordon.is_some_and(|cordon| !cordon.keeps.contains(actor))
        }
        Refusal::NotNamed => !rule.nodes.is_empty() && !rule.nodes.contains(id),
        Refusal::Label { key, wanted, found } => {
            rule.labels.get(key) == Some(wanted)
                && member.labels.get(key) == found.as_ref()
                && found.as_ref() != Some(wanted)
        }
        Refusal::NoSpreadLabel { key } => {
            rule.spread.as_ref() == Some(key) && !member.labels.contains_key(key)
        }
        Refusal::Apart { from } => {
            let says = |who: &ActorAddress, whom: &ActorAddress| {
                let mut actors = apps.iter().flat_map(DesiredApp::actors);
                let (_, rule) = actors.find(|(it, _)| it == who).unwrap();
                rule.apart_from
                    .iter()
                    .any(|it| it.of_app(&who.app) == *whom)
            };
            placement.nodes(from).any(|node| node == id) && (says(actor, from) || says(from, actor))
        }
        Refusal::NoRoom(lack) => {
            let taken = taken(apps, placement, id, Some(actor));
            let capacity = Capacity::of_labels(&member.labels);
            let (taken, wanted, offered) = match lack.resource {
                Resource::Memory => (
                    taken.memory_bytes,
                    rule.room.memory_bytes,
                    capacity.memory_bytes,
                ),
                Resource::Concurrency => (
                    taken.concurrency,
                    rule.room.concurrency,
                    capacity.concurrency,
                ),
            };
            (lack.wanted, Some(lack.offered)) == (wanted, offered)
                && is_over(taken + wanted, offered)
                && lack.left < wanted
                && lack.left + taken >= lack.offered
        }
    }
}

proptest! {
    #[test]
    fn the_order_does_not_matter(
        apps in apps(),
        shuffled in members().prop_flat_map(|members| (Just(members.clone()), Just(members).prop_shuffle())),
    ) {
        let (members, shuffled) = shuffled;
        let placement = place(&apps, &members);
        prop_assert_eq!(&placement, &place(apps.iter().rev(), &shuffled));
        for (actor, ..) in actors(&apps, &placement) {
            let explained = explain(&apps, &members, &actor);
            prop_assert_eq!(explained, explain(apps.iter().rev(), &shuffled, &actor));
        }
    }

    #[test]
    fn nothing_that_is_forbidden_is_done(apps in apps(), members in members()) {
        let placement = place(&apps, &members);
        for (actor, rule, nodes) in actors(&apps, &placement) {
            for id in &nodes {
                let member = find(&members, id).unwrap();
                prop_assert!(member.takes_placement());
                let cordon = member.cordon.as_ref();
                let keeps = cordon.is_none_or(|cordon| cordon.keeps.contains(&actor));
                prop_assert!(keeps, "{} on {}", actor, id);
                if rule.nodes.is_empty() {
                    let has = |(key, value)| member.labels.get(key) == Some(value);
                    prop_assert!(rule.labels.iter().all(has), "{} on {}", actor, id);
                    let spreads = rule.spread.iter().all(|key| member.labels.contains_key(key));
                    prop_assert!(spreads, "{} on {}", actor, id);
                } else {
                    prop_assert!(rule.nodes.contains(id), "{} on {}", actor, id);
                }
            }
            for other in rule.apart_from.iter().map(|it| it.of_app(&actor.app)) {
                let meets = placement.nodes(&other).any(|node| nodes.contains(node));
                prop_assert!(other == actor || !meets, "{} meets {}", actor, other);
            }
        }
        for member in &members {
            let taken = taken(&apps, &placement, &member.id, None);
            let capacity = Capacity::of_labels(&member.labels);
            prop_assert!(!is_over(taken.memory_bytes, capacity.memory_bytes), "{}", member.id);
            prop_assert!(!is_over(taken.concurrency, capacity.concurrency), "{}", member.id);
        }
    }

    /// Nobody gets more than it wants, nobody gets less but by a reason, and each reason is so.
    #[test]
    fn every_reason_is_true_and_there_is_one_for_every_node(apps in apps(), members in members()) {
        let placement = place(&apps, &members);
        for (actor, rule, placed) in actors(&apps, &placement) {
            let explained = explain(&apps, &members, &actor).unwrap();
            let shortage = placement.shortages.iter().find(|it| it.actor == actor);
            prop_assert_eq!(explained.placed, placed.len());
            match shortage {
                Some(short) => {
                    prop_assert!(explained.placed < explained.wanted);
                    prop_assert_eq!((short.wanted, short.placed), (explained.wanted, explained.placed));
                }
                None => prop_assert_eq!(explained.placed, explained.wanted),
            }
            let named: BTreeSet<_> = rule.nodes.iter().collect();
            let there = members.iter().map(|member| &member.id);
            let told: Vec<_> = explained.nodes.iter().map(|(id, _)| id).collect();
            let told_once: BTreeSet<_> = told.iter().copied().collect();
            prop_assert_eq!(told.len(), told_once.len());
            prop_assert_eq!(told_once, there.chain(named).collect());
            for (id, verdict) in &explained.nodes {
                let is_placed = matches!(verdict, Verdict::Placed { .. });
                prop_assert_eq!(is_placed, placed.contains(id), "{} on {}", actor, id);
                match verdict {
                    Verdict::Placed { rank } => prop_assert!(*rank < explained.wanted),
                    Verdict::Spare { rank } => {
                        prop_assert!(shortage.is_none() && *rank >= explained.wanted);
                    }
                    Verdict::Refused(refusals) => {
                        prop_assert!(!refusals.is_empty());
                        let on = (id, find(&members, id));
                        for refusal in refusals {
                            let so = is_true(refusal, (&actor, rule), on, (&apps, &placement));
                            prop_assert!(so, "{} on {}: {:?}", actor, id, refusal);
                        }
                    }
                }
            }
        }
    }

    /// As even as can be: where a value has two replicas more than another one, the other has no node
    /// left that may have one.
    #[test]
    fn replicas_are_spread_evenly(apps in apps(), members in members()) {
        let placement = place(&apps, &members);
        let spread = actors(&apps, &placement).filter_map(|(actor, rule, nodes)| {
            Some((actor, rule.spread.as_ref()?, rule, nodes))
        });
        for (actor, key, _, nodes) in spread.filter(|(_, _, rule, _)| rule.nodes.is_empty()) {
            let explained = explain(&apps, &members, &actor).unwrap();
            let value = |id: &NodeId| find(&members, id).unwrap().labels.get(key).cloned();
            let mut counts: BTreeMap<_, (usize, usize)> = BTreeMap::new();
            for (id, verdict) in &explained.nodes {
                let count = counts.entry(value(id)).or_default();
                match verdict {
                    Verdict::Placed { .. } => count.0 += 1,
                    Verdict::Spare { .. } => count.1 += 1,
                    Verdict::Refused(_) => {}
                }
            }
            prop_assert_eq!(counts.values().map(|(placed, _)| placed).sum::<usize>(), nodes.len());
            let most = counts.values().map(|(placed, _)| *placed).max().unwrap_or(0);
            for (placed, spare) in counts.values() {
                prop_assert!(placed + 1 >= most || *spare == 0, "{}: {:?}", actor, counts);
            }
        }
    }
}
