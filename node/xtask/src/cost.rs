//! `cargo xtask cost`: what spans cost a call, in instructions.
//!
//! The same calls are counted with callgrind in a build that has no spans and meters at all, in the real one, and
//! in the real one with one trace of a hundred kept. Of each, twice as many calls less as many calls are what the
//! calls cost, without the start.
//!
//! The call does next to nothing, so that nothing hides what spans cost; that a trace begins, and ends, is counted with
//! it. What spans may cost is asked of a call across nodes, the smallest thing that is a call to more than its caller.
//! It is not asked of one that stays on its node: that is a function behind a gate, half a percent of which is six
//! instructions, two looks whether anybody wants a span. Its figures are there to be seen.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::ArgMatches;
use wrt_test_servers::find_in_path;

use crate::{apt, command::Command, repository::Repository, step::Step};

/// The command.
pub const COMMAND: Command = Command {
    name: "cost",
    about: "Count the instructions that spans cost a call, with callgrind, and compare with what they may",
    arguments: |parser| parser,
    run,
};

/// Enough that the traces that are kept are about as many each time.
const CALLS: u64 = 20_000;
/// What spans may cost that nobody wants, of a call across nodes.
const OFF_PERCENT_MAX: f64 = 0.5;
/// And where one trace of a hundred is kept.
const SAMPLED_PERCENT_MAX: f64 = 3.0;

fn run(repository: &Repository, _: &ArgMatches) -> anyhow::Result<()> {
    if find_in_path("valgrind").is_none() {
        apt::install(repository, "valgrind")?;
    }
    let without = build(
        repository,
        "call_cost_without",
        "--features wrt-contract/untraced",
    )?;
    let with = build(repository, "call_cost_with", "")?;
    eprintln!("instructions of a call          without        off    sampled");
    let mut is_within = true;
    for place in ["here", "across"] {
        let none = of_call(repository, &without, place, "off")?;
        let off = of_call(repository, &with, place, "off")?;
        let sampled = of_call(repository, &with, place, "sampled")?;
        let more = |cost: f64| 100.0 * (cost / none - 1.0);
        eprintln!("{place:<28} {none:>10.0} {off:>10.0} {sampled:>10.0}");
        eprintln!("{:<39} {:>+9.2}% {:>+9.2}%", "", more(off), more(sampled));
        if place == "across" {
            is_within = more(off) <= OFF_PERCENT_MAX && more(sampled) <= SAMPLED_PERCENT_MAX;
        }
    }
    ensure!(
        is_within,
        "spans cost a call across nodes more than {OFF_PERCENT_MAX} % where nobody wants them, or more than \
         {SAMPLED_PERCENT_MAX} % where one trace of a hundred is kept"
    );
    Ok(())
}

/// Builds the calls, and puts them aside: both builds have one name.
fn build(repository: &Repository, name: &str, more: &str) -> anyhow::Result<PathBuf> {
    let arguments = format!("build --release --locked -p wrt-request --example call_cost {more}");
    Step {
        title: "build the calls for release",
        usually: "1 min, from scratch 5 min",
    }
    .run(repository.cargo(&arguments))?;
    let built = repository.built("release/examples", "call_cost");
    let aside = built.with_file_name(name);
    std::fs::copy(&built, &aside).with_context(|| format!("{} is not built", built.display()))?;
    Ok(aside)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts of instructions are far below 2^53"
)]
fn of_call(
    repository: &Repository,
    program: &Path,
    place: &str,
    spans: &str,
) -> anyhow::Result<f64> {
    let count = |calls: u64| {
        let mut valgrind = repository.command("valgrind");
        valgrind
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args([place, spans, &calls.to_string()]);
        let output = valgrind.output().context("valgrind does not start")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "callgrind failed: {said}");
        collected(&said).with_context(|| format!("callgrind says no number: {said}"))
    };
    let (once, twice) = (count(CALLS)?, count(2 * CALLS)?);
    Ok(twice.saturating_sub(once) as f64 / CALLS as f64)
}

/// `==17== Collected : 4711`
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"));
    line?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn callgrinds_number_is_found() {
        let said = "==17== Events    : Ir\n==17== Collected : 4711\n==17==\n";
        assert_eq!(super::collected(said), Some(4711));
        assert_eq!(super::collected("==17== Events : Ir"), None);
    }
}
