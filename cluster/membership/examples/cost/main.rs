//! What a lattice costs while nothing changes, and what a decision does, by the code that nodes run:
//!
//! ```text
//! cargo run --release --example cost -p wrt-membership             # the whole table, three minutes
//! cargo run --release --example cost -p wrt-membership 100 1000    # a row: nodes, replicas
//! ```
//!
//! Nothing is assumed: heartbeats are composed, encoded, decoded and taken in; a real NATS server is measured for
//! what one delivery costs it, and a real node on it, to which the others are played at the pace that they have.
//! Times are of a core, and not elapsed.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

mod death;
mod lattice;
mod node;
mod process;
mod server;

use std::{env, process::Command};

use lattice::Lattice;
use wrt_protocol::limits::REPLICAS_PER_NODE_MAX;

const NODES: [usize; 3] = [10, 100, 1000];
const REPLICAS: [usize; 3] = [100, 1000, 10_000];

fn main() {
    let numbers: Vec<f64> = env::args().skip(1).flat_map(|text| text.parse()).collect();
    match numbers.as_slice() {
        [] => table(),
        [nodes, replicas] => {
            println!("{HEAD}");
            row(
                *nodes as usize,
                *replicas as usize,
                server::deliveries_per_second(1),
            );
        }
        [nodes, replicas, rate] => row(*nodes as usize, *replicas as usize, *rate),
        _ => println!("nothing, or a number of nodes and one of replicas"),
    }
}

const HEAD: &str = "\
| nodes | replicas | a heartbeat | all of a node | on the bus | off the bus | of a server | a node hears | \
a node idle | a decision | a node's memory | dead when gone | dead when still |
|---|---|---|---|---|---|---|---|---|---|---|---|---|";

fn table() {
    let (rate, at_once) = (
        server::deliveries_per_second(1),
        server::deliveries_per_second(500),
    );
    println!(
        "One core of this NATS server delivers {rate:.0} heartbeats in a second where they come one by one, and \
         {at_once:.0} where many come at once.\n\n{HEAD}"
    );
    let own = env::current_exe().expect("this program is a file");
    for nodes in NODES {
        for replicas in REPLICAS {
            // A process for each: memory that one has given back would be another's.
            let numbers = [nodes.to_string(), replicas.to_string(), rate.to_string()];
            let status = Command::new(&own).args(numbers).status();
            assert!(status.expect("it starts").success(), "{nodes} x {replicas}");
        }
    }
}

fn row(nodes: usize, replicas: usize, rate: f64) {
    let before = process::resident_bytes();
    let lattice = Lattice::new(nodes, replicas);
    let largest = lattice
        .shares
        .iter()
        .map(Vec::len)
        .max()
        .unwrap_or_default();
    if largest > REPLICAS_PER_NODE_MAX {
        let all =
            format!("a node would have {largest} replicas, and may have {REPLICAS_PER_NODE_MAX}");
        println!("| {nodes} | {replicas} | {all} | | | | | | | | | | |");
        return;
    }
    let beats = lattice.idle_beats();
    let of_one = lattice.bus_bytes(&beats[0]);
    let whole = lattice.whole_bytes();
    let per_second = lattice.heartbeats_per_second();
    let deliveries = per_second * nodes as f64;
    let known = lattice.known();
    let decision = lattice.decision();
    let memory = process::resident_bytes().saturating_sub(before);
    drop(known);
    let idle = node::idle(&lattice);
    let [gone, still] = death::times(&lattice);
    println!(
        "| {nodes} | {replicas} | {of_one} B | {whole} B | {per_second:.0}/s, {} | {deliveries:.0}/s, {} | \
         {:.1} % | {per_second:.0}/s, {} | {:.2} % | {:.2} ms | {:.1} MiB | {:.1} s | {:.1} s |",
        bytes(per_second * of_one as f64),
        bytes(deliveries * of_one as f64),
        100.0 * deliveries / rate,
        bytes(per_second * of_one as f64),
        100.0 * idle,
        decision.as_secs_f64() * 1000.0,
        memory as f64 / f64::from(1 << 20),
        gone.as_secs_f64(),
        still.as_secs_f64(),
    );
}

fn bytes(per_second: f64) -> String {
    match per_second {
        n if n < 10_000.0 => format!("{n:.0} B/s"),
        n if n < 10_000_000.0 => format!("{:.0} kB/s", n / 1000.0),
        n => format!("{:.0} MB/s", n / 1_000_000.0),
    }
}
