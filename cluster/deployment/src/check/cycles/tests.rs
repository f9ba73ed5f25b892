use proptest::{collection::vec, prelude::*};

use super::*;

fn calls(edges: &[(&str, &str)]) -> Calls {
    let mut calls = Calls::new();
    for (from, to) in edges {
        let [from, to] = [from, to].map(|name| Name::new(name).unwrap());
        calls.entry(from).or_default().insert(to);
    }
    calls
}

#[test]
fn each_circle_is_told_once_and_from_its_least_name_on() {
    for (edges, expected) in [
        (&[][..], ""),
        (&[("a", "b"), ("b", "c"), ("a", "c")], ""),
        (&[("a", "a")], "a"),
        (&[("b", "a"), ("a", "b")], "a b"),
        (
            &[("c", "a"), ("a", "b"), ("b", "c"), ("x", "a"), ("c", "y")],
            "a b c",
        ),
        (
            &[("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")],
            "a b, b c",
        ),
        (&[("a", "a"), ("a", "b"), ("b", "a")], "a, a b"),
    ] {
        let found = cycles(&calls(edges));
        let found: Vec<String> = found
            .iter()
            .map(|cycle| cycle.iter().map(Name::as_str).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(found.join(", "), expected, "{edges:?}");
    }
}

#[test]
fn a_way_is_found_also_past_a_circle() {
    let calls = calls(&[("a", "b"), ("b", "a"), ("b", "c")]);
    let name = |name: &str| Name::new(name).unwrap();
    for (from, to, expected) in [
        ("a", "c", true),
        ("a", "a", true),
        ("c", "c", true),
        ("c", "a", false),
        ("x", "a", false),
    ] {
        let found = leads_to(&calls, &name(from), &name(to));
        assert_eq!(found, expected, "{from} {to}");
    }
}

/// What can be taken away one after the other, always somebody who calls nobody that is left: what
/// remains leads into circles. Another way to decide the same.
fn leads_into_a_circle(calls: &Calls) -> BTreeSet<Name> {
    let mut left: BTreeSet<Name> = calls.keys().cloned().collect();
    loop {
        let calls_nobody = |name: &Name| calls[name].iter().all(|called| !left.contains(called));
        let Some(leaf) = left.iter().find(|name| calls_nobody(name)).cloned() else {
            return left;
        };
        left.remove(&leaf);
    }
}

fn any_calls() -> impl Strategy<Value = Calls> {
    vec((0..8_u8, 0..8_u8), 0..20).prop_map(|edges| {
        let mut calls = Calls::new();
        for (from, to) in edges {
            let [from, to] = [from, to].map(|n| Name::new(&format!("c{n}")).unwrap());
            calls.entry(from).or_default().insert(to);
        }
        calls
    })
}

proptest! {
    #[test]
    fn what_is_told_is_a_circle_and_nothing_remains_without_them(calls in any_calls()) {
        let found = cycles(&calls);
        for cycle in &found {
            let distinct: BTreeSet<&Name> = cycle.iter().collect();
            prop_assert_eq!(distinct.len(), cycle.len());
            for (at, name) in cycle.iter().enumerate() {
                let next = &cycle[(at + 1) % cycle.len()];
                prop_assert!(calls[name].contains(next), "{} -> {}", name, next);
            }
        }
        prop_assert_eq!(found.is_empty(), leads_into_a_circle(&calls).is_empty());
        // Whoever calls itself in the end is in one of them.
        for name in calls.keys() {
            let mut reached: BTreeSet<&Name> = BTreeSet::new();
            let mut waiting = vec![name];
            while let Some(next) = waiting.pop() {
                for called in calls.get(next).into_iter().flatten() {
                    if reached.insert(called) {
                        waiting.push(called);
                    }
                }
            }
            let is_told = found.iter().any(|cycle| cycle.contains(name));
            prop_assert_eq!(is_told, reached.contains(name), "{}", name);
            for other in calls.keys().filter(|other| *other != name) {
                let leads = leads_to(&calls, name, other);
                prop_assert_eq!(leads, reached.contains(other), "{} {}", name, other);
            }
        }
    }
}
