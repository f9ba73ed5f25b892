//! Apps and members, drawn.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};
use wrt_protocol::{ActorAddress, Name};

use super::{app, node};
use crate::{
    Cordon, DesiredApp, LinkEnd, PlacedMember, PlacementRule, Room, Standing, placement::Capacity,
};

/// Nodes that an actor may name; some are never there.
const NAMES_MAX: usize = 14;

fn name(at: usize) -> String {
    format!("n{at}")
}

fn label() -> impl Strategy<Value = String> {
    select(vec!["zone".to_owned(), "disk".to_owned()])
}

fn value() -> impl Strategy<Value = String> {
    select(vec!["e".to_owned(), "w".to_owned(), "s".to_owned()])
}

/// A rule that counts on nobody else.
pub fn free_rule() -> impl Strategy<Value = PlacementRule> {
    let labels = || btree_map(label(), value(), 0..2);
    let named = vec(0..NAMES_MAX, 1..4);
    let number = (labels(), option::of(1..6_u32), option::of(label()));
    prop_oneof![
        6 => number.prop_map(|(labels, replicas, spread)| PlacementRule {
            labels,
            replicas,
            spread,
            ..PlacementRule::default()
        }),
        1 => labels().prop_map(|labels| PlacementRule {
            labels,
            every_node: true,
            ..PlacementRule::default()
        }),
        1 => named.prop_map(|nodes| PlacementRule {
            nodes: nodes.into_iter().map(|at| node(&name(at))).collect(),
            ..PlacementRule::default()
        }),
    ]
}

/// A rule that may ask for room, and name others of its app to be kept apart from.
fn any_rule() -> impl Strategy<Value = PlacementRule> {
    let room = prop_oneof![
        2 => Just((0, 0)),
        3 => (0..6_u64, 0..4_u64),
    ];
    let apart = prop_oneof![
        2 => Just(BTreeSet::new()),
        1 => proptest::collection::btree_set(0..8_usize, 1..3),
    ];
    (free_rule(), room, apart).prop_map(|(rule, (memory_bytes, concurrency), apart)| {
        PlacementRule {
            room: Room {
                memory_bytes,
                concurrency,
            },
            apart_from: apart
                .into_iter()
                .map(|at| LinkEnd::Component(Name::new(&format!("c{at}")).unwrap()))
                .collect(),
            ..rule
        }
    })
}

/// What a node keeps that takes nothing new: some of what there may be.
fn cordon() -> impl Strategy<Value = Cordon> {
    proptest::collection::btree_set((0..4_usize, 0..8_usize), 0..8).prop_map(|keeps| {
        let actor = |(app, component): (usize, usize)| {
            let name = |text: String| Name::new(&text).unwrap();
            ActorAddress::component(name(format!("app{app}")), name(format!("c{component}")))
        };
        Cordon {
            keeps: keeps.into_iter().map(actor).collect(),
        }
    })
}

/// Nodes with labels and capacities, some of which take nothing, or nothing new.
pub fn members() -> impl Strategy<Value = Vec<PlacedMember>> {
    let labels = btree_map(label(), value(), 0..3);
    let offered = (option::of(0..16_u64), option::of(0..12_u64));
    let standing = prop_oneof![
        8 => Just(Standing::Serving),
        1 => Just(Standing::Draining),
        1 => Just(Standing::Dead),
    ];
    let cordon = prop_oneof![4 => Just(None), 1 => cordon().prop_map(Some)];
    vec((labels, offered, standing, cordon), 1..12).prop_map(|nodes| {
        let make = |(at, (labels, (memory_bytes, concurrency), standing, cordon)): (
            usize,
            (BTreeMap<_, _>, _, _, Option<Cordon>),
        )| {
            let capacity = Capacity {
                memory_bytes,
                concurrency,
            };
            PlacedMember {
                id: node(&name(at)),
                labels: labels.into_iter().chain(capacity.labels()).collect(),
                standing,
                cordon: cordon.map(Arc::new),
            }
        };
        nodes.into_iter().enumerate().map(make).collect()
    })
}

fn apps_of(rule: impl Strategy<Value = PlacementRule>) -> impl Strategy<Value = Vec<DesiredApp>> {
    vec(vec(rule, 1..8), 1..4).prop_map(|apps| {
        let named = |rules: Vec<_>| {
            let named = rules.into_iter().enumerate();
            named
                .map(|(at, rule)| (format!("c{at}"), rule))
                .collect::<Vec<_>>()
        };
        let apps = apps.into_iter().enumerate();
        apps.map(|(at, rules)| app(&format!("app{at}"), named(rules)))
            .collect()
    })
}

/// Apps whose actors count on nobody else.
pub fn free_apps() -> impl Strategy<Value = Vec<DesiredApp>> {
    apps_of(free_rule())
}

/// Apps with everything that can be asked for.
pub fn apps() -> impl Strategy<Value = Vec<DesiredApp>> {
    apps_of(any_rule())
}
