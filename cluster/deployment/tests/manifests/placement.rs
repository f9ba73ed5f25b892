//! What is asked of a place.

use wrt_deployment::{DESIRED_VERSION, DESIRED_VERSION_MAX, DesiredApp, LinkEnd, Scope};
use wrt_protocol::Name;

use super::super::{counter_with, read, told};

/// Each mistake, as a name and what stands in a component's section.
const MISTAKES: &[(&str, &str)] = &[
    ("nodes_and_spread", "nodes = [\"a\"]\nspread = \"zone\""),
    ("spread_of_one", "spread = \"zone\""),
    ("replicas_in_words", "replicas = \"all\""),
    ("no_room_at_all", "room = { memory_bytes = 0, memory = 1 }"),
    ("apart_from_nobody", "apart_from = [\"stor\"]"),
    ("exclusive_and_several", "exclusive = true\nreplicas = 2"),
    (
        "exclusive_on_each",
        "exclusive = true\nreplicas = \"every\"",
    ),
    (
        "exclusive_on_two",
        "exclusive = true\nnodes = [\"a\", \"b\"]",
    ),
    ("exclusive_by_number", "exclusive = 1"),
    ("apart_from_itself", "apart_from = [\"counter\"]"),
];

#[test]
fn each_mistake_is_told_with_what_to_do() {
    for (name, wrong) in MISTAKES {
        let text = counter_with("source =", &format!("{wrong}\nsource ="));
        insta::assert_snapshot!(*name, told(&text));
    }
}

/// What came with the second form of the stored app: an app that says none of it keeps the first.
#[test]
fn what_a_place_must_have_is_read() {
    let stored = |more: &str| {
        let text = counter_with(
            "backend = \"memory\"",
            &format!("backend = \"memory\"\n{more}"),
        );
        read(&text, Scope::Lattice).unwrap().app
    };
    let name = |name: &str| Name::new(name).unwrap();
    let app = stored("replicas = 3\nspread = \"zone\"\nroom = { memory_bytes = 1048576 }");
    let rule = &app.providers[&name("store")].placement;
    assert_eq!(
        (rule.replicas, rule.spread.as_deref()),
        (Some(3), Some("zone"))
    );
    assert_eq!(
        (rule.room.memory_bytes, rule.room.concurrency),
        (1_048_576, 0)
    );
    assert_eq!(app.version, 3);

    let app = stored("replicas = \"every\"\napart_from = [\"counter\", \"web\"]");
    let rule = &app.providers[&name("store")].placement;
    let others = [
        LinkEnd::Provider(name("web")),
        LinkEnd::Component(name("counter")),
    ];
    assert_eq!(rule.apart_from, others.into());
    assert!(rule.every_node && app.providers[&name("store")].goes_to_each_node());
    assert_eq!(DesiredApp::from_json(&app.to_json()).unwrap(), app);

    assert_eq!(stored("replicas = 3").version, DESIRED_VERSION);
}

/// Each of them names the same node, so that there would never be a place for both.
#[test]
fn what_is_kept_apart_does_not_name_one_node() {
    let text = counter_with(
        "backend = \"memory\"",
        "backend = \"memory\"\nnodes = [\"a\", \"b\"]\napart_from = [\"web\"]",
    );
    let other = text.replace("calls =", "nodes = [\"c\"]\ncalls =");
    assert!(read(&other, Scope::Lattice).is_ok());
    insta::assert_snapshot!(told(
        &text.replace("calls =", "nodes = [\"c\", \"b\"]\ncalls =")
    ));
}

#[test]
fn what_is_exclusive_is_stored_and_goes_to_one_node() {
    let store = |more: &str| {
        let more = format!("backend = \"memory\"\n{more}");
        counter_with("backend = \"memory\"", &more)
    };
    let name = Name::new("store").unwrap();
    for one in ["exclusive = true", "exclusive = true\nnodes = [\"a\"]"] {
        let app = read(&store(one), Scope::Lattice).unwrap().app;
        assert!(app.providers[&name].placement.exclusive, "{one}");
        assert!(!app.providers[&name].goes_to_each_node(), "{one}");
        assert_eq!(app.version, DESIRED_VERSION_MAX);
        assert_eq!(DesiredApp::from_json(&app.to_json()).unwrap(), app);
    }
    let app = read(&store("exclusive = false"), Scope::Lattice)
        .unwrap()
        .app;
    assert!(!app.providers[&name].placement.exclusive);
    assert_eq!(app.version, DESIRED_VERSION);

    let calls = store("").replace("calls =", "exclusive = true\ncalls =");
    insta::assert_snapshot!(told(&calls));
}
