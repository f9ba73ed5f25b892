//! `cargo xtask bench`: WRT beside what it is measured against.

use clap::{Arg, ArgMatches};
use wrt_test_servers::find_in_path;

use crate::{
    apt,
    command::Command,
    guests,
    repository::Repository,
    setup::{self, wasmtime},
    step::Step,
};

/// The command.
pub const COMMAND: Command = Command {
    name: "bench",
    about: "Set up, build for release, and measure: a table, and target/bench.json",
    arguments: |parser| {
        parser.arg(Arg::new("only").long("only").value_name("WORK,...").help(
            "Only these of colocated, across, pinned, deduplication, publish, subscription, outgoing, \
                     sql, blobs, hello, startup, body, outages, overload, lossless",
        ))
    },
    run,
};

fn run(repository: &Repository, arguments: &ArgMatches) -> anyhow::Result<()> {
    setup::servers(repository)?;
    setup::postgres(repository)?;
    let peer = wasmtime::install(repository)?;
    if find_in_path("wrk").is_none() {
        apt::install(repository, "wrk")?;
    }
    guests::build(repository)?;
    let step = |title, usually, arguments| Step { title, usually }.run(repository.cargo(arguments));
    step(
        "build the workspace for release",
        "10 min, from scratch 20 min",
        "build --workspace --release --locked",
    )?;
    let mut bench = repository.command(repository.built("release", "wrt-bench"));
    bench.env("WRT_BENCH_WASMTIME", peer);
    if let Some(only) = arguments.get_one::<String>("only") {
        bench.arg("--only").arg(only);
    }
    Step {
        title: "measure",
        usually: "8 min",
    }
    .run(bench)
}
