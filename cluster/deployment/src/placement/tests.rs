use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use wrt_protocol::Name;

use super::*;
use crate::{DesiredComponent, DesiredProvider, Digest};

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn member(name: &str, labels: &[(&str, &str)]) -> PlacedMember {
    let labels = labels
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    PlacedMember {
        id: node(name),
        labels,
        takes_placement: true,
    }
}

fn app(name: &str, components: impl IntoIterator<Item = (String, PlacementRule)>) -> DesiredApp {
    let mut app = DesiredApp::empty(Name::new(name).unwrap());
    for (name, placement) in components {
        let component = DesiredComponent {
            digest: Digest::of(b""),
            environment: BTreeMap::new(),
            placement,
            links: BTreeMap::new(),
            limits: wrt_protocol::ComponentLimits::default(),
        };
        app.components.insert(Name::new(&name).unwrap(), component);
    }
    app
}

fn replicas(replicas: u32) -> PlacementRule {
    PlacementRule {
        replicas: Some(replicas),
        ..PlacementRule::default()
    }
}

fn on(placement: &Placement, component: &str) -> Vec<String> {
    let actor = ActorAddress::component(Name::new("shop").unwrap(), Name::new(component).unwrap());
    placement.nodes(&actor).map(ToString::to_string).collect()
}

#[test]
fn named_nodes_get_one_replica_each_and_absent_ones_are_told() {
    let rule = PlacementRule {
        nodes: vec![node("b"), node("a"), node("x")],
        ..Default::default()
    };
    let app = app("shop", [("cart".to_owned(), rule)]);
    let placement = place(
        [&app],
        &[member("a", &[]), member("b", &[]), member("c", &[])],
    );
    assert_eq!(on(&placement, "cart"), ["a", "b"]);
    assert_eq!(placement.shortages.len(), 1);
    assert_eq!(placement.shortages[0].absent, [node("x")]);
    assert_eq!(
        (placement.shortages[0].wanted, placement.shortages[0].placed),
        (3, 2)
    );
}

#[test]
fn only_nodes_with_all_labels_are_chosen() {
    let labels = [
        ("zone".to_owned(), "west".to_owned()),
        ("gpu".to_owned(), "yes".to_owned()),
    ];
    let rule = PlacementRule {
        labels: labels.into(),
        replicas: Some(9),
        ..Default::default()
    };
    let app = app("shop", [("cart".to_owned(), rule)]);
    let members = [
        member("a", &[("zone", "west"), ("gpu", "yes")]),
        member("b", &[("zone", "west")]),
        member("c", &[("zone", "east"), ("gpu", "yes")]),
        member("d", &[("gpu", "yes"), ("zone", "west"), ("other", "x")]),
    ];
    let placement = place([&app], &members);
    assert_eq!(on(&placement, "cart"), ["a", "d"]);
    assert_eq!(placement.shortages[0].wanted, 9);
}

#[test]
fn what_has_an_address_goes_to_each_node_and_everything_else_to_one() {
    let mut app = app("shop", [("cart".to_owned(), PlacementRule::default())]);
    let web = Name::new("web").unwrap();
    let mut listening = DesiredProvider::new("http-server");
    listening.address = Some("127.0.0.1:80".to_owned());
    app.providers.insert(web.clone(), listening);
    let store = Name::new("store").unwrap();
    let provider = DesiredProvider::new("memory");
    app.providers.insert(store.clone(), provider);
    let members = [member("a", &[]), member("b", &[]), member("c", &[])];
    let placement = place([&app], &members);
    assert_eq!(on(&placement, "cart").len(), 1);
    let web = ActorAddress::provider(app.app.clone(), web);
    assert_eq!(placement.nodes(&web).count(), 3);
    let store = ActorAddress::provider(app.app.clone(), store);
    assert_eq!(placement.nodes(&store).count(), 1);
    assert_eq!(placement.shortages, []);
}

#[test]
fn a_draining_or_dead_node_gets_nothing() {
    let mut gone = member("a", &[]);
    gone.takes_placement = false;
    let app = app("shop", [("cart".to_owned(), replicas(2))]);
    let placement = place([&app], &[gone, member("b", &[])]);
    assert_eq!(on(&placement, "cart"), ["b"]);
    assert_eq!(place([&app], &[]).shortages[0].placed, 0);
}

#[test]
fn what_names_its_nodes_or_goes_to_each_has_no_next_one() {
    let named = PlacementRule {
        nodes: vec![node("a")],
        ..Default::default()
    };
    let rules = [
        ("named", named),
        ("none", replicas(0)),
        ("one", replicas(1)),
        ("all", replicas(3)),
    ];
    let rules = rules.map(|(name, rule)| (name.to_owned(), rule));
    let mut app = app("shop", rules);
    let mut listening = DesiredProvider::new("http-server");
    listening.address = Some("127.0.0.1:80".to_owned());
    app.providers.insert(Name::new("web").unwrap(), listening);
    let members = ["a", "b", "c"].map(|name| member(name, &[]));
    let next = members
        .iter()
        .flat_map(|it| next_for([&app], &members, &it.id));
    let next: Vec<_> = next.map(|actor| actor.name.to_string()).collect();
    assert_eq!(next, ["one"]);
}

/// Nodes of different builds must agree: the score is part of the protocol.
#[test]
fn the_score_does_not_change() {
    let actor = ActorAddress::component(Name::new("shop").unwrap(), Name::new("cart").unwrap());
    let scores = ["a", "b", "node-1"].map(|name| score(&actor, &node(name)));
    insta::assert_debug_snapshot!(scores);
}

/// A hundred single replicas on ten nodes: nobody has a third of them, and nobody has none.
#[test]
fn load_spreads() {
    let components = (0..100).map(|n| (format!("c{n}"), PlacementRule::default()));
    let app = app("shop", components);
    let members: Vec<_> = (0..10).map(|n| member(&format!("node-{n}"), &[])).collect();
    let placement = place([&app], &members);
    let sizes: Vec<_> = placement.shares.values().map(BTreeSet::len).collect();
    assert_eq!(sizes.len(), 10, "{sizes:?}");
    assert!(
        sizes.iter().all(|size| (2..=25).contains(size)),
        "{sizes:?}"
    );
}

fn rule() -> impl Strategy<Value = PlacementRule> {
    let labels = btree_map(
        select(vec!["zone".to_owned()]),
        select(vec!["e".to_owned(), "w".to_owned()]),
        0..2,
    );
    (labels, proptest::option::of(1..6_u32)).prop_map(|(labels, replicas)| PlacementRule {
        nodes: Vec::new(),
        labels,
        replicas,
    })
}

fn members() -> impl Strategy<Value = Vec<PlacedMember>> {
    let zone = proptest::option::of(select(vec!["e".to_owned(), "w".to_owned()]));
    vec((zone, proptest::bool::weighted(0.9)), 1..20).prop_map(|nodes| {
        let make = |(n, (zone, takes_placement)): (usize, (Option<String>, bool))| PlacedMember {
            id: node(&format!("n{n}")),
            labels: zone
                .map(|zone| ("zone".to_owned(), zone))
                .into_iter()
                .collect(),
            takes_placement,
        };
        nodes.into_iter().enumerate().map(make).collect()
    })
}

fn apps() -> impl Strategy<Value = Vec<DesiredApp>> {
    vec(vec(rule(), 1..12), 1..4).prop_map(|apps| {
        let named = |rules: Vec<_>| {
            rules
                .into_iter()
                .enumerate()
                .map(|(n, rule)| (format!("c{n}"), rule))
                .collect::<Vec<_>>()
        };
        apps.into_iter()
            .enumerate()
            .map(|(n, rules)| app(&format!("app{n}"), named(rules)))
            .collect()
    })
}

proptest! {
    #[test]
    fn the_order_does_not_matter(apps in apps(), members in members()) {
        let placement = place(&apps, &members);
        let reversed: Vec<_> = members.iter().rev().cloned().collect();
        prop_assert_eq!(&placement, &place(apps.iter().rev(), &reversed));
    }

    #[test]
    fn a_death_moves_only_the_share_of_the_dead(apps in apps(), members in members(), dead: prop::sample::Index) {
        let before = place(&apps, &members);
        let mut members = members;
        let dead = members.remove(dead.index(members.len()));
        let after = place(&apps, &members);
        for member in &members {
            let had: BTreeSet<_> = before.share(&member.id).collect();
            let has: BTreeSet<_> = after.share(&member.id).collect();
            prop_assert!(has.is_superset(&had), "{} lost what it had", member.id);
            let gained = has.difference(&had);
            let of_the_dead: BTreeSet<_> = before.share(&dead.id).collect();
            for actor in gained {
                prop_assert!(of_the_dead.contains(*actor), "{} moved without need", actor);
            }
        }
    }

    /// Whichever node dies, what another one gains it was the next one for; and it is for nothing that no
    /// death brings it.
    #[test]
    fn what_a_death_brings_a_node_it_was_next_for(apps in apps(), members in members()) {
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

    #[test]
    fn another_app_moves_nothing(apps in apps(), members in members()) {
        let all = place(&apps, &members);
        let fewer = place(&apps[1..], &members);
        for (node, share) in &fewer.shares {
            prop_assert!(share.is_subset(&all.shares[node]));
        }
    }

    #[test]
    fn each_gets_what_it_wants_where_there_is_room(apps in apps(), members in members()) {
        let placement = place(&apps, &members);
        for (actor, rule) in apps.iter().flat_map(DesiredApp::actors) {
            let room = members.iter().filter(|member| {
                member.takes_placement
                    && rule.labels.iter().all(|(k, v)| member.labels.get(k) == Some(v))
            });
            let wanted = rule.replicas.unwrap_or(1) as usize;
            prop_assert_eq!(placement.nodes(&actor).count(), wanted.min(room.count()));
        }
    }
}
