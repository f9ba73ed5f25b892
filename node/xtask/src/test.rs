//! `cargo xtask test`: everything that must hold before a change lands.

mod lanes;

use std::thread;

use clap::ArgMatches;

use self::lanes::Lanes;
use crate::{command::Command, guests, repository::Repository, setup, step::Step};

/// The command.
pub const COMMAND: Command = Command {
    name: "test",
    about: "Check the format, set up, build, test and lint: what the CI runs",
    arguments: |parser| parser,
    run: |repository: &Repository, _: &ArgMatches| run(repository),
};

/// Cheap steps first; the first failure ends it.
fn run(repository: &Repository) -> anyhow::Result<()> {
    let step = |title, usually, arguments| Step { title, usually }.run(repository.cargo(arguments));
    step("check the format", "1 s", "fmt --all --check")?;
    step(
        "check the format of the examples",
        "1 s",
        "fmt --manifest-path examples/Cargo.toml --all --check",
    )?;
    step(
        "check the format of the custom node",
        "1 s",
        "fmt --manifest-path examples/custom-node/Cargo.toml --all --check",
    )?;
    setup::servers(repository)?;
    // It waits for registries, and seldom for a core.
    let beside = repository.clone();
    let for_tests = thread::spawn(move || {
        setup::postgres(&beside)?;
        setup::kafka(&beside)?;
        setup::mongodb(&beside)?;
        setup::otelcol(&beside)?;
        setup::chromium(&beside)
    });
    guests::build(repository)?;
    step(
        "build the workspace",
        "1 min, from scratch 13 min",
        "build --workspace --all-targets --locked",
    )?;
    for_tests.join().expect("it does not panic")?;
    run_tests(repository)?;
    tested_guests(repository, "run the tests of the guests", "test", "")?;
    custom_node(
        repository,
        "run the tests of the custom node",
        "test --workspace",
        "",
    )?;
    step(
        "lint the workspace",
        "20 s, from scratch 2 min",
        "clippy --workspace --all-targets --locked -- -D warnings",
    )?;
    // The cfg is for a machine that has no clippy for wasm: with it, crates of both sides are the
    // guests' on the host as well. Their tests are the host's, and so are linted without it.
    step(
        "lint the examples",
        "1 s, from scratch 20 s",
        "clippy --manifest-path examples/Cargo.toml --workspace --locked \
         --config build.rustflags=[\"--cfg=wrt_guest\"] -- -D warnings",
    )?;
    tested_guests(
        repository,
        "lint the tests of the guests",
        "clippy",
        "-- -D warnings",
    )?;
    custom_node(
        repository,
        "lint the custom node",
        "clippy --workspace --all-targets",
        "-- -D warnings",
    )?;
    eprintln!("==> everything passed");
    Ok(())
}

/// Two lanes beside each other, and what the documentation shows.
fn run_tests(repository: &Repository) -> anyhow::Result<()> {
    let Lanes { patient, others } = Lanes::of(repository)?;
    let test = |more: &str| repository.cargo(&format!("test --workspace --locked{more}"));
    let patient = Step {
        title: "run the tests that wait for others",
        usually: "12 min",
    }
    .beside(test(&patient))?;
    let others = Step {
        title: "run the other tests",
        usually: "12 min",
    }
    .run(test(&others));
    let patient = patient.finish();
    others.and(patient)?;
    Step {
        title: "run the documentation's examples",
        usually: "20 s",
    }
    .run(test(" --doc"))
}

/// A step for the guests that have tests of their own, which run on the host: by what the other steps have built.
fn tested_guests(
    repository: &Repository,
    title: &'static str,
    command: &str,
    more: &str,
) -> anyhow::Result<()> {
    let packages = guests::with_tests(repository)?;
    let mut cargo = repository.cargo(&format!(
        "{command} --manifest-path examples/Cargo.toml --locked --tests {packages} {more}"
    ));
    cargo
        .env("CARGO_TARGET_DIR", repository.target())
        .env("WRT_GUEST_TARGET_DIR", repository.path("examples/target"))
        .env("WRT_GUEST_RUSTC", setup::guest_rustc(repository)?);
    let usually = "1 min";
    Step { title, usually }.run(cargo)
}

/// A step in the workspace of `examples/custom-node`, which finds there what the other steps have built.
fn custom_node(
    repository: &Repository,
    title: &'static str,
    command: &str,
    more: &str,
) -> anyhow::Result<()> {
    let manifest = "--manifest-path examples/custom-node/Cargo.toml --locked";
    let mut cargo = repository.cargo(&format!("{command} {manifest} {more}"));
    cargo.env("CARGO_TARGET_DIR", repository.target());
    let usually = "1 min";
    Step { title, usually }.run(cargo)
}
