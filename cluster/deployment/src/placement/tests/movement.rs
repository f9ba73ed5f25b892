//! What moves when something changes, and how much.

use proptest::prelude::*;

use super::{
    super::{wish::wishes, *},
    app, member, replicas,
    worlds::{apps, free_apps, members},
};
use crate::DesiredApp;

fn nodes<'a>(placement: &'a Placement, actor: &ActorAddress) -> BTreeSet<&'a NodeId> {
    placement.nodes(actor).collect()
}

/// Whether some node turned the actor down for room or for another actor.
fn is_turned_down(apps: &[DesiredApp], members: &[PlacedMember], actor: &ActorAddress) -> bool {
    let explained = explain(apps, members, actor).unwrap();
    let is_of_others = |it: &Refusal| matches!(it, Refusal::NoRoom(_) | Refusal::Apart { .. });
    explained.nodes.iter().any(|(_, verdict)| match verdict {
        Verdict::Refused(refusals) => refusals.iter().any(is_of_others),
        Verdict::Placed { .. } | Verdict::Spare { .. } => false,
    })
}

/// `with` has one node more than `without`. An actor that notices nobody else has its nodes as they
/// were, but for one replica at most: on the node, instead of one elsewhere or besides.
fn differ_by_one_node(
    actor: &ActorAddress,
    with: &Placement,
    without: &Placement,
    node: &NodeId,
) -> Result<(), TestCaseError> {
    let (with, without) = (nodes(with, actor), nodes(without, actor));
    let gained: Vec<_> = with.difference(&without).collect();
    let lost: Vec<_> = without.difference(&with).collect();
    prop_assert!(
        gained.iter().all(|gained| **gained == node),
        "{} moves to {:?}",
        actor,
        gained
    );
    prop_assert!(
        lost.len() <= gained.len(),
        "{} leaves {:?} for {:?}",
        actor,
        lost,
        gained
    );
    Ok(())
}

proptest! {
    /// Read from the right: what a node had goes to others, and nothing else moves.
    #[test]
    fn a_node_moves_at_most_one_replica_of_an_actor_and_only_to_or_from_itself(
        apps in free_apps(),
        members in members(),
        one in any::<prop::sample::Index>(),
    ) {
        let with = place(&apps, &members);
        let mut members = members;
        let one = members.remove(one.index(members.len()));
        let without = place(&apps, &members);
        for (actor, _) in apps.iter().flat_map(DesiredApp::actors) {
            differ_by_one_node(&actor, &with, &without, &one.id)?;
        }
    }

    /// Whichever node dies, what another one gains it was the next one for; and it is for nothing that no
    /// death brings it.
    #[test]
    fn what_a_death_brings_a_node_it_was_next_for(apps in free_apps(), members in members()) {
        let before = place(&apps, &members);
        let mut gained: BTreeMap<NodeId, BTreeSet<ActorAddress>> = BTreeMap::new();
        for at in 0..members.len() {
            let mut survivors = members.clone();
            survivors.remove(at);
            let after = place(&apps, &survivors);
            for member in &survivors {
                let had: BTreeSet<_> = before.share(&member.id).collect();
                let gains = after.share(&member.id).filter(|actor| !had.contains(actor));
                gained.entry(member.id.clone()).or_default().extend(gains.cloned());
            }
        }
        for member in &members {
            let next = next_for(&apps, &members, &member.id);
            prop_assert_eq!(next, gained.remove(&member.id).unwrap_or_default());
        }
    }

    /// The same, with room and with actors that are kept apart, of all that nobody turned down for that.
    #[test]
    fn only_what_was_turned_down_for_others_moves_otherwise(
        apps in apps(),
        members in members(),
        one in any::<prop::sample::Index>(),
    ) {
        let with = place(&apps, &members);
        let mut fewer = members.clone();
        let one = fewer.remove(one.index(members.len()));
        let without = place(&apps, &fewer);
        for (actor, _) in apps.iter().flat_map(DesiredApp::actors) {
            if !is_turned_down(&apps, &members, &actor) && !is_turned_down(&apps, &fewer, &actor) {
                differ_by_one_node(&actor, &with, &without, &one.id)?;
            }
        }
    }

    #[test]
    fn another_app_moves_nothing_that_asks_for_no_room(apps in apps(), members in members()) {
        let all = place(&apps, &members);
        let fewer = place(&apps[1..], &members);
        let has_room = |app: &&DesiredApp| app.actors().all(|(_, rule)| rule.room.is_nothing());
        for app in apps[1..].iter().filter(has_room) {
            for (actor, _) in app.actors() {
                prop_assert_eq!(nodes(&all, &actor), nodes(&fewer, &actor));
            }
        }
    }

    /// Whoever has an earlier turn does not notice those after it.
    #[test]
    fn a_later_turn_moves_no_earlier_one(apps in apps(), members in members(), at in any::<prop::sample::Index>()) {
        let all = place(&apps, &members);
        let turns: Vec<_> = wishes(&apps).into_iter().map(|wish| wish.actor).collect();
        let (earlier, later) = turns.split_at(at.index(turns.len()));
        let mut fewer = apps.clone();
        for app in &mut fewer {
            let own = app.app.clone();
            let is_earlier = |name: &wrt_protocol::Name| {
                !later.contains(&ActorAddress::component(own.clone(), name.clone()))
            };
            app.components.retain(|name, _| is_earlier(name));
        }
        let fewer = place(&fewer, &members);
        for actor in earlier {
            prop_assert_eq!(nodes(&all, actor), nodes(&fewer, actor), "{}", actor);
        }
    }
}

/// Twenty nodes in four zones, and what a twenty-first one moves.
fn moved_by_one_more(rule: &PlacementRule, memory_bytes: Option<u64>) -> (usize, usize) {
    let capacity = Capacity {
        memory_bytes,
        concurrency: None,
    };
    let node = |at: usize| {
        let mut member = member(
            &format!("node-{at}"),
            &[("zone", ["a", "b", "c", "d"][at % 4])],
        );
        member.labels.extend(capacity.labels());
        member
    };
    let components = (0..1000).map(|at| (format!("c{at}"), rule.clone()));
    let app = app("shop", components);
    let members: Vec<_> = (0..21).map(node).collect();
    let (before, after) = (place([&app], &members[..20]), place([&app], &members));
    assert_eq!(before.shortages, []);
    let moved = |(node, share): (&NodeId, &BTreeSet<ActorAddress>)| {
        let had = before.shares.get(node);
        let is_new = |actor: &&ActorAddress| !had.is_some_and(|had| had.contains(*actor));
        share.iter().filter(is_new).count()
    };
    let replicas = after.shares.values().map(BTreeSet::len).sum();
    (after.shares.iter().map(moved).sum(), replicas)
}

/// 3000 replicas on 21 nodes: the fair share of one is 143.
#[test]
fn a_node_that_comes_moves_about_its_fair_share() {
    let spread = PlacementRule {
        spread: Some("zone".to_owned()),
        ..replicas(3)
    };
    for rule in [replicas(3), spread] {
        let (moved, replicas) = moved_by_one_more(&rule, None);
        let fair = replicas / 21;
        assert!(
            (fair * 3 / 4..=fair * 5 / 4).contains(&moved),
            "{moved} of {replicas}: {rule:?}"
        );
    }
}

/// Of equal actors that ask for room: while nodes are nine tenths full, little is noticed of it. When they are
/// as good as full, what a node brings is passed on along others, and more than its share moves. This
/// says how much, and holds it there.
#[test]
fn a_node_that_comes_to_full_ones_moves_more_than_its_share_and_not_everything() {
    let rule = PlacementRule {
        room: Room {
            memory_bytes: 1,
            concurrency: 0,
        },
        ..replicas(3)
    };
    // 150 of them are on each node in the mean.
    let (moved, replicas) = moved_by_one_more(&rule, Some(166));
    let fair = replicas / 21;
    assert!(
        (fair * 3 / 4..=fair).contains(&moved),
        "{moved} of {replicas}"
    );
    let (moved, _) = moved_by_one_more(&rule, Some(152));
    assert!(
        (fair..=fair * 3 / 2).contains(&moved),
        "{moved} of {replicas}"
    );
}
