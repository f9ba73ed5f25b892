//! How long one decision takes: `cargo run --release --example decision -p wrt-deployment`, or with a
//! number of nodes, one of replicas, and how many each actor has of those, behind `--`.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    hint::black_box,
    time::{Duration, Instant},
};

use wrt_deployment::{
    Capacity, DesiredApp, DesiredProvider, LinkEnd, PlacedMember, PlacementRule, Room, Standing,
    place,
};
use wrt_protocol::{Name, NodeId};

const ROUNDS: usize = 9;
const ACTORS_PER_APP: usize = 100;

fn main() {
    let mut numbers = env::args().skip(1).flat_map(|text| text.parse::<usize>());
    let nodes = numbers.next().unwrap_or(1000);
    let replicas = numbers.next().unwrap_or(10_000);
    let each = numbers.next().unwrap_or(2);
    let actors = replicas.div_ceil(each);
    let rule = PlacementRule {
        replicas: u32::try_from(each).ok(),
        ..PlacementRule::default()
    };
    let members = members(nodes, replicas);
    println!("{nodes} nodes, {replicas} replicas, {each} of each actor:");
    let room = Room {
        memory_bytes: 1,
        concurrency: 1,
    };
    let others = |at: usize| match at % 2 {
        0 => BTreeSet::new(),
        _ => BTreeSet::from([LinkEnd::Provider(name(&format!("p{}", at - 1)))]),
    };
    let labels = BTreeMap::from([("disk".to_owned(), "fast".to_owned())]);
    let spread = Some("zone".to_owned());
    time("nothing but replicas", &members, actors, |_| rule.clone());
    time("a label, and spread over another", &members, actors, |_| {
        PlacementRule {
            labels: labels.clone(),
            spread: spread.clone(),
            ..rule.clone()
        }
    });
    time(
        "room, on nodes that are nine tenths full",
        &members,
        actors,
        |_| PlacementRule {
            room,
            ..rule.clone()
        },
    );
    time(
        "all of it, and half of them apart from another",
        &members,
        actors,
        |at| PlacementRule {
            labels: labels.clone(),
            spread: spread.clone(),
            room,
            apart_from: others(at),
            ..rule.clone()
        },
    );
}

fn time(
    what: &str,
    members: &[PlacedMember],
    actors: usize,
    rule: impl Fn(usize) -> PlacementRule,
) {
    let apps = apps(actors, rule);
    let mut times: Vec<_> = (0..ROUNDS).map(|_| once(&apps, members)).collect();
    times.sort();
    let placement = place(&apps, members);
    let placed: usize = placement.shares.values().map(BTreeSet::len).sum();
    println!(
        "  {what}: {:.1?} (from {:.1?} to {:.1?}), {placed} placed",
        times[ROUNDS / 2],
        times[0],
        times[ROUNDS - 1]
    );
}

fn once(apps: &[DesiredApp], members: &[PlacedMember]) -> Duration {
    let begun = Instant::now();
    black_box(place(black_box(apps), black_box(members)));
    begun.elapsed()
}

/// Nodes whose room is nine tenths taken when all replicas ask for some.
fn members(nodes: usize, replicas: usize) -> Vec<PlacedMember> {
    let each = replicas.div_ceil(nodes) as u64 * 10 / 9 + 1;
    let capacity = Capacity {
        memory_bytes: Some(each),
        concurrency: Some(each),
    };
    let member = |at: usize| {
        let own = [("zone", ["a", "b", "c"][at % 3]), ("disk", "fast")];
        let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
        PlacedMember {
            id: NodeId::from(name(&format!("node-{at}"))),
            labels: capacity.labels().into_iter().chain(own).collect(),
            standing: Standing::Serving,
            cordon: None,
        }
    };
    (0..nodes).map(member).collect()
}

fn apps(actors: usize, rule: impl Fn(usize) -> PlacementRule) -> Vec<DesiredApp> {
    let mut apps = Vec::new();
    for first in (0..actors).step_by(ACTORS_PER_APP) {
        let mut app = DesiredApp::empty(name(&format!("app-{first}")));
        for at in first..actors.min(first + ACTORS_PER_APP) {
            let mut provider = DesiredProvider::new("memory");
            provider.placement = rule(at);
            app.providers.insert(name(&format!("p{at}")), provider);
        }
        apps.push(app);
    }
    apps
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a legal name")
}
