//! `cargo xtask ferretdb`: what another reading of MongoDB's protocol says of the backend.
//!
//! It is no part of `cargo xtask test`: from scratch it takes minutes to build, and Go.

use anyhow::{Context, ensure};
use clap::ArgMatches;
use wrt_test_servers::{ferretdb_cached, find_in_path};

use crate::{command::Command, repository::Repository, step::Step};

/// The command.
pub const COMMAND: Command = Command {
    name: "ferretdb",
    about: "Build FerretDB, a second stand-in for MongoDB, with Go, and test the mongodb backend with it",
    arguments: |parser| parser,
    run: |repository: &Repository, _: &ArgMatches| run(repository),
};

fn run(repository: &Repository) -> anyhow::Result<()> {
    ensure!(
        find_in_path("go").is_some(),
        "go is missing: install Go 1.21 or newer, which brings the one that is needed"
    );
    let program = ferretdb_cached().context("neither XDG_CACHE_HOME nor HOME is set")?;
    // What is there already, and was built from the same, go leaves as it is.
    let mut go = repository.command("go");
    go.current_dir(repository.path("node/xtask/ferretdb"));
    go.args(["build", "-trimpath", "-o"]).arg(program).arg(".");
    Step {
        title: "build FerretDB",
        usually: "2 s, from scratch 3 min",
    }
    .run_quietly(go)?;
    // All of them, so that the crates are those that the tests are built with.
    Step {
        title: "build the suite",
        usually: "1 min",
    }
    .run(repository.cargo("build --workspace --examples --locked"))?;
    Step {
        title: "test the mongodb backend with it",
        usually: "25 s",
    }
    .run(repository.command(repository.built("debug", "examples/ferretdb")))
}

#[cfg(test)]
mod tests {
    use wrt_test_servers::FERRETDB_VERSION;

    #[test]
    fn each_module_is_pinned_by_version_and_hash() {
        let required = include_str!("../ferretdb/go.mod");
        let required = required.lines().map(str::trim).filter_map(|line| {
            let line = line.strip_prefix("require ").unwrap_or(line);
            line.split("//").next().unwrap().trim().split_once(" v")
        });
        let hashes = include_str!("../ferretdb/go.sum");
        let required: Vec<_> = required.collect();
        assert!(required.contains(&("github.com/FerretDB/FerretDB", FERRETDB_VERSION)));
        for (module, version) in required {
            assert!(
                hashes.contains(&format!("{module} v{version} h1:")),
                "{module} {version}"
            );
        }
    }
}
