//! Nodes that take nothing new, and nodes that are emptied.

use proptest::prelude::*;

use super::{
    super::*,
    app, member, node, on, replicas,
    worlds::{apps, free_apps, members},
};
use crate::DesiredApp;

fn actor(name: &str) -> ActorAddress {
    format!("component/shop/{name}").parse().unwrap()
}

fn actors<const N: usize>(names: [&str; N]) -> BTreeSet<ActorAddress> {
    names.into_iter().map(actor).collect()
}

fn replicas_of(apps: &[DesiredApp], placement: &Placement) -> BTreeMap<ActorAddress, usize> {
    let actors = apps.iter().flat_map(DesiredApp::actors);
    actors
        .map(|(actor, _)| (actor.clone(), placement.nodes(&actor).count()))
        .collect()
}

#[test]
fn a_cordoned_node_gets_nothing_new_and_says_so() {
    let members = [member("a", &[]), member("b", &[])];
    let members = cordoned(&members, &node("a"), &actors(["cart"]));
    let named = PlacementRule {
        nodes: vec![node("a")],
        ..PlacementRule::default()
    };
    let every = PlacementRule {
        every_node: true,
        ..PlacementRule::default()
    };
    let rules = [
        ("cart", replicas(2)),
        ("named", named),
        ("new", replicas(2)),
        ("every", every),
    ];
    let app = app("shop", rules.map(|(name, rule)| (name.to_owned(), rule)));
    let placement = place([&app], &members);
    assert_eq!(on(&placement, "cart"), ["a", "b"]);
    assert_eq!(on(&placement, "new"), ["b"]);
    assert_eq!(on(&placement, "every"), ["b"]);
    assert_eq!(on(&placement, "named"), [""; 0]);
    let short = placement.shortages.iter();
    let short = short.map(|it| (it.actor.name.as_str(), it.turned_down.cordoned));
    assert_eq!(short.collect::<Vec<_>>(), [("named", 1), ("new", 1)]);
    let explained = explain([&app], &members, &actor("new")).unwrap();
    let refused = Verdict::Refused(vec![Refusal::Cordoned]);
    assert_eq!(explained.nodes[0], (node("a"), refused));
    assert!(!next_for([&app], &members, &node("a")).contains(&actor("every")));
}

/// What names the node, and what has room nowhere else, stays; the others go.
#[test]
fn a_node_is_emptied_of_all_that_has_another_place() {
    let large = PlacementRule {
        room: Room {
            memory_bytes: 8,
            concurrency: 0,
        },
        labels: [("disk".to_owned(), "fast".to_owned())].into(),
        ..replicas(1)
    };
    let named = PlacementRule {
        nodes: vec![node("a")],
        ..PlacementRule::default()
    };
    let every = PlacementRule {
        every_node: true,
        ..PlacementRule::default()
    };
    let rules = [
        ("large", large),
        ("named", named),
        ("both", replicas(2)),
        ("every", every),
    ];
    let app = app("shop", rules.map(|(name, rule)| (name.to_owned(), rule)));
    let fast = |bytes| [("disk", "fast"), ("wrt/capacity-memory-bytes", bytes)];
    let members = [
        member("a", &fast("8")),
        member("b", &fast("4")),
        member("c", &[]),
    ];
    let a = node("a");
    assert!(
        place([&app], &members)
            .share(&a)
            .any(|it| *it == actor("large"))
    );
    let drain = drained(&[&app], &members, &a);
    assert_eq!(drain.keeps, actors(["large", "named"]));
    assert!(drain.moves.contains(&actor("every")));
    let after = place([&app], &cordoned(&members, &a, &drain.keeps));
    assert_eq!(
        after.share(&a).cloned().collect::<BTreeSet<_>>(),
        drain.keeps
    );
    assert_eq!(after.shortages, []);
    assert_eq!(
        drained(&[&app], &members, &node("nobody")),
        Drain::default()
    );
}

/// The larger one's turn is earlier: it would take the room of one that is not on the node at all.
#[test]
fn nobody_elsewhere_gives_way_to_what_is_moved() {
    let asking = |memory_bytes, label: &str| PlacementRule {
        room: Room {
            memory_bytes,
            concurrency: 0,
        },
        labels: [(label.to_owned(), "yes".to_owned())].into(),
        ..replicas(1)
    };
    let offers = ("wrt/capacity-memory-bytes", "8");
    let both = [("big", "yes"), ("small", "yes"), offers];
    let members = [member("a", &[("big", "yes"), offers]), member("b", &both)];
    let a = node("a");
    // Of some names one that prefers a.
    let shop = |large: &str| {
        let rules = [(large, asking(8, "big")), ("small", asking(4, "small"))];
        app("shop", rules.map(|(name, rule)| (name.to_owned(), rule)))
    };
    let names = (0..32).map(|n| format!("large{n}"));
    let mut names = names.filter(|name| on(&place([&shop(name)], &members), name) == ["a"]);
    let large = names.next().unwrap();
    let drain = drained(&[&shop(&large)], &members, &a);
    assert_eq!(drain.keeps, actors([large.as_str()]));
}

proptest! {
    /// What runs stays, and nothing else changes.
    #[test]
    fn cordoned_with_what_it_has_a_node_changes_nothing(
        apps in apps(),
        members in members(),
        one in any::<prop::sample::Index>(),
    ) {
        let before = place(&apps, &members);
        let node = members[one.index(members.len())].id.clone();
        let share: BTreeSet<_> = before.share(&node).cloned().collect();
        let after = place(&apps, &cordoned(&members, &node, &share));
        prop_assert_eq!(before.shares, after.shares);
    }

    /// A node that takes nothing and keeps nothing is as one that is not there, for all but who names it.
    #[test]
    fn cordoned_with_nothing_a_node_is_as_good_as_away(
        apps in free_apps(),
        members in members(),
        one in any::<prop::sample::Index>(),
    ) {
        let at = one.index(members.len());
        let node = members[at].id.clone();
        let with = place(&apps, &cordoned(&members, &node, &BTreeSet::new()));
        let mut members = members;
        members.remove(at);
        prop_assert_eq!(with.shares, place(&apps, &members).shares);
    }

    /// Whatever a node gives up is had elsewhere, nobody loses a replica, and what it keeps could not go.
    #[test]
    fn nobody_loses_a_replica_when_a_node_is_emptied(
        apps in apps(),
        members in members(),
        one in any::<prop::sample::Index>(),
    ) {
        let all: Vec<_> = apps.iter().collect();
        let before = place(&apps, &members);
        let node = members[one.index(members.len())].id.clone();
        let share: BTreeSet<_> = before.share(&node).cloned().collect();
        let drain = drained(&all, &members, &node);
        prop_assert_eq!(drain.moves.union(&drain.keeps).cloned().collect::<BTreeSet<_>>(), share);
        prop_assert!(drain.moves.is_disjoint(&drain.keeps));
        let after = place(&apps, &cordoned(&members, &node, &drain.keeps));
        let kept: BTreeSet<_> = after.share(&node).cloned().collect();
        prop_assert_eq!(&kept, &drain.keeps);
        let (had, has) = (replicas_of(&apps, &before), replicas_of(&apps, &after));
        for short in &after.shortages {
            let (had, has) = (had[&short.actor], has[&short.actor]);
            prop_assert!(has >= had, "{} had {} and has {}", short.actor, had, has);
        }
    }
}
