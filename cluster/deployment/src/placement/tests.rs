//! Small worlds, each with one thing to see.

mod cordons;
mod movement;
mod properties;
mod worlds;

use wrt_protocol::Name;

use super::*;
use crate::{DesiredComponent, DesiredProvider, Digest, LinkEnd};

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
        standing: Standing::Serving,
        cordon: None,
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
    gone.standing = Standing::Draining;
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

#[test]
fn every_is_one_on_each_node_whatever_it_is() {
    let rule = PlacementRule {
        every_node: true,
        labels: [("zone".to_owned(), "west".to_owned())].into(),
        ..PlacementRule::default()
    };
    let app = app("shop", [("cart".to_owned(), rule)]);
    let west: &[_] = &[("zone", "west")];
    let members = [member("a", west), member("b", &[]), member("c", west)];
    let placement = place([&app], &members);
    assert_eq!(on(&placement, "cart"), ["a", "c"]);
    assert_eq!(placement.shortages, []);
    let placement = place([&app], &members[1..2]);
    assert_eq!(
        (placement.shortages[0].wanted, placement.shortages[0].placed),
        (1, 0)
    );
}

#[test]
fn replicas_are_spread_over_the_values_of_a_label() {
    let rule = |replicas| PlacementRule {
        spread: Some("zone".to_owned()),
        replicas: Some(replicas),
        ..PlacementRule::default()
    };
    let mut members: Vec<_> = (0..8)
        .map(|n| member(&format!("e{n}"), &[("zone", "east")]))
        .collect();
    members.push(member("w0", &[("zone", "west")]));
    members.push(member("s0", &[("zone", "south")]));
    members.push(member("x", &[]));
    for (replicas, east) in [(3, 1), (4, 2), (7, 5), (10, 8), (11, 8)] {
        let app = app("shop", [("cart".to_owned(), rule(replicas))]);
        let placement = place([&app], &members);
        let nodes = on(&placement, "cart");
        let of = |zone: char| nodes.iter().filter(|node| node.starts_with(zone)).count();
        assert_eq!(
            (of('e'), of('w'), of('s'), of('x')),
            (east, 1, 1, 0),
            "{replicas}"
        );
    }
    let app = app("shop", [("cart".to_owned(), rule(11))]);
    let shortage = place([&app], &members).shortages.remove(0);
    assert_eq!((shortage.placed, shortage.turned_down.unfit), (10, 1));
}

/// Two actors, one of which is kept apart from the other; whichever says so.
#[test]
fn actors_are_kept_apart() {
    let members = [member("a", &[]), member("b", &[]), member("c", &[])];
    for (first, second) in [("cart", "search"), ("search", "cart")] {
        let mut rule = replicas(2);
        rule.apart_from
            .insert(LinkEnd::Component(Name::new(second).unwrap()));
        let app = app(
            "shop",
            [(first.to_owned(), rule), (second.to_owned(), replicas(2))],
        );
        let placement = place([&app], &members);
        let (cart, search) = (on(&placement, "cart"), on(&placement, "search"));
        assert!(
            cart.iter().all(|node| !search.contains(node)),
            "{placement:?}"
        );
        assert_eq!(cart.len() + search.len(), 3);
        let shortage = &placement.shortages[0];
        assert_eq!(
            (shortage.wanted, shortage.placed, shortage.turned_down.apart),
            (2, 1, 2)
        );
    }
}

/// "One on each, but where the store is": who says so yields, and it is no shortage.
#[test]
fn what_wants_each_node_yields_to_those_it_is_kept_apart_from() {
    let mut each = PlacementRule {
        every_node: true,
        ..PlacementRule::default()
    };
    each.apart_from
        .insert(LinkEnd::Component(Name::new("store").unwrap()));
    let app = app(
        "shop",
        [
            ("agent".to_owned(), each),
            ("store".to_owned(), replicas(1)),
        ],
    );
    let members = [member("a", &[]), member("b", &[]), member("c", &[])];
    let placement = place([&app], &members);
    assert_eq!(
        (on(&placement, "store").len(), on(&placement, "agent").len()),
        (1, 2)
    );
    assert_eq!(placement.shortages, []);
}

/// What is larger comes first, so that what is smaller finds what it leaves; who asks for nothing goes
/// anywhere.
#[test]
fn a_node_gives_what_it_offers_and_no_more() {
    let asking = |memory_bytes| PlacementRule {
        room: Room {
            memory_bytes,
            concurrency: 0,
        },
        ..replicas(2)
    };
    let app = app(
        "shop",
        [
            ("small".to_owned(), asking(3)),
            ("large".to_owned(), asking(8)),
            ("modest".to_owned(), replicas(2)),
        ],
    );
    let offering = |name, bytes| member(name, &[("wrt/capacity-memory-bytes", bytes)]);
    let members = [offering("a", "10"), offering("b", "9")];
    let placement = place([&app], &members);
    assert_eq!(on(&placement, "large"), ["a", "b"]);
    assert_eq!(on(&placement, "small"), [""; 0]);
    assert_eq!(on(&placement, "modest"), ["a", "b"]);
    let [shortage] = placement.shortages.as_slice() else {
        panic!("{placement:?}");
    };
    assert_eq!((shortage.placed, shortage.turned_down.without_room), (0, 2));

    let small = ActorAddress::component(app.app.clone(), Name::new("small").unwrap());
    let explained = explain([&app], &members, &small).unwrap();
    let lack = |left, offered| {
        let (resource, wanted) = (Resource::Memory, 3);
        Verdict::Refused(vec![Refusal::NoRoom(Lack {
            resource,
            wanted,
            left,
            offered,
        })])
    };
    let expected = [(node("a"), lack(2, 10)), (node("b"), lack(1, 9))];
    assert_eq!(explained.nodes, expected);
    // Whoever offers no bound has room for all.
    let more = [members.as_slice(), &[member("c", &[])]].concat();
    let placement = place([&app], &more);
    assert_eq!(on(&placement, "small").len(), 2);
    assert_eq!(placement.shortages, []);
}

#[test]
fn a_named_node_without_room_is_a_shortage_too() {
    let rule = PlacementRule {
        nodes: vec![node("a"), node("b"), node("x")],
        room: Room {
            memory_bytes: 0,
            concurrency: 7,
        },
        ..PlacementRule::default()
    };
    let app = app("shop", [("cart".to_owned(), rule)]);
    let members = [
        member("a", &[("wrt/capacity-concurrency", "6")]),
        member("b", &[]),
    ];
    let placement = place([&app], &members);
    assert_eq!(on(&placement, "cart"), ["b"]);
    let shortage = &placement.shortages[0];
    assert_eq!((shortage.placed, shortage.turned_down.without_room), (1, 1));
    assert_eq!(shortage.absent, [node("x")]);
    let cart = ActorAddress::component(app.app.clone(), Name::new("cart").unwrap());
    let explained = explain([&app], &members, &cart).unwrap();
    let (last, verdict) = explained.nodes.last().unwrap();
    assert_eq!(
        (last, verdict),
        (&node("x"), &Verdict::Refused(vec![Refusal::Absent]))
    );
    assert_eq!(
        explain(
            [&app],
            &members,
            &ActorAddress::provider(app.app.clone(), cart.name)
        ),
        None
    );
}
