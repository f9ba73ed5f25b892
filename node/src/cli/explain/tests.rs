use std::collections::BTreeSet;

use wrt_deployment::{Capacity, DesiredProvider, LinkEnd, PlacedMember, Room, Standing, explain};

use super::*;

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn member(id: &str, zone: Option<&str>, memory_mib: u64, standing: Standing) -> PlacedMember {
    let capacity = Capacity {
        memory_bytes: Some(memory_mib << 20),
        concurrency: None,
    };
    let zone = zone.map(|zone| ("zone".to_owned(), zone.to_owned()));
    PlacedMember {
        id: NodeId::new(id).unwrap(),
        labels: capacity.labels().into_iter().chain(zone).collect(),
        standing,
        cordon: None,
    }
}

/// Four replicas of `cart` for which there is a place each on two nodes of six, and `search`, on a third.
fn shop() -> DesiredApp {
    let mut app = DesiredApp::empty(name("shop"));
    let mut search = DesiredProvider::new("memory");
    search.placement.nodes = vec![NodeId::new("c").unwrap()];
    app.providers.insert(name("search"), search);
    let mut cart = DesiredProvider::new("memory");
    cart.placement = PlacementRule {
        replicas: Some(4),
        spread: Some("zone".to_owned()),
        apart_from: BTreeSet::from([LinkEnd::Provider(name("search"))]),
        room: Room {
            memory_bytes: 256 << 20,
            concurrency: 0,
        },
        ..PlacementRule::default()
    };
    app.providers.insert(name("cart"), cart);
    app
}

fn shown(app: &DesiredApp, members: &[PlacedMember], actor: &str) -> Shown {
    let actor = named(actor, &[app]).unwrap();
    let explained = explain([app], members, &actor).unwrap();
    Shown::new(&explained, rule(&actor, &[app]).unwrap(), &BTreeMap::new())
}

#[test]
fn each_node_is_told_with_what_would_have_to_change() {
    let members = [
        member("a", Some("east"), 1024, Standing::Serving),
        member("b", Some("west"), 1024, Standing::Serving),
        member("c", Some("west"), 1024, Standing::Serving),
        member("d", Some("west"), 100, Standing::Serving),
        member("e", None, 1024, Standing::Draining),
        member("f", Some("east"), 1024, Standing::Dead),
    ];
    let shown = shown(&shop(), &members, "shop/cart");
    insta::assert_snapshot!("text", shown.text());
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&shown).unwrap());
}

#[test]
fn nothing_has_to_change_where_all_have_a_place() {
    let members = [member("c", None, 0, Standing::Serving)];
    let text = shown(&shop(), &members, "provider/shop/search").text();
    insta::assert_snapshot!("placed", text);
    let text = shown(&shop(), &[], "shop/search").text();
    assert!(
        text.contains("c     no      -     is not on the lattice"),
        "{text}"
    );
}

#[test]
fn an_actor_is_named_as_ps_shows_it_or_by_app_and_name() {
    let mut app = shop();
    let of = |app: &DesiredApp, text: &str| named(text, &[app]).map(|it| it.to_string());
    assert_eq!(of(&app, "shop/cart").unwrap(), "provider/shop/cart");
    assert_eq!(
        of(&app, "provider/shop/cart").unwrap(),
        "provider/shop/cart"
    );
    for (text, code, told) in [
        ("cart", 2, "names no actor"),
        ("shop/Cart", 2, "names no actor"),
        ("shop/carts", 1, "did you mean provider/shop/cart?"),
        ("bank/till", 1, "shows what runs"),
        ("component/shop/cart", 1, "did you mean provider/shop/cart?"),
    ] {
        let failure = of(&app, text).unwrap_err();
        assert_eq!(failure.code, code, "{text}");
        assert!(failure.error.to_string().contains(told), "{:?}", failure);
    }
    let digest = wrt_deployment::Digest::of(b"");
    let component = wrt_deployment::DesiredComponent {
        digest,
        environment: BTreeMap::new(),
        placement: PlacementRule::default(),
        links: BTreeMap::new(),
        limits: wrt_protocol::ComponentLimits::default(),
    };
    app.components.insert(name("cart"), component);
    let failure = of(&app, "shop/cart").unwrap_err();
    assert!(
        failure
            .error
            .to_string()
            .contains("say component/shop/cart or provider/shop/cart")
    );
}
