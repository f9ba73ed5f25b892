//! `cargo xtask websockets`: the public conformance suite for websockets (Autobahn's) judges the server, and the
//! client.
//!
//! A command of its own, and no part of the tests: the suite runs on Python 2.7 alone, which no registry has.
//! What it has found is held by tests of the server.

use std::{collections::BTreeMap, fs, path::Path, process::Command as Program, time::Duration};

use anyhow::{Context, ensure};
use clap::{Arg, ArgMatches};
use serde::Deserialize;
use wrt_test_servers::{Process, cache_folder, free_port};

use crate::{command::Command, guests, repository::Repository, setup::pypi, step::Step};

/// The command.
pub const COMMAND: Command = Command {
    name: "websockets",
    about: "Have the public conformance suite for websockets judge both sides (needs Python 2.7)",
    arguments: |parser| {
        let python = Arg::new("python").long("python").default_value("python2.7");
        let cases = Arg::new("cases").long("cases").default_value("*");
        parser
            .arg(python.help("The program of Python 2.7 to run it with"))
            .arg(cases.help("Which of its cases, separated by commas: 5.*,7.1.1"))
    },
    run,
};

/// What is installed, from the root.
const REQUIREMENTS: &str = "node/xtask/autobahn/requirements.txt";
/// The suite's client, which connects to the example; and its server, to which the example connects.
const FUZZ: &str = "node/xtask/autobahn/fuzz.py";
const SERVE: &str = "node/xtask/autobahn/serve.py";
const VERSION: &str = "25.10.1";
const APP: &str = "examples/echo/app.toml";
/// What the example's manifest says of where it may connect to.
const ALLOWED: &str = "127.0.0.1:9001";
const READY_LIMIT: Duration = Duration::from_secs(120);

/// Compression is not served; and what only measures how long it takes is no part of conformance.
const LEFT_OUT: [&str; 4] = ["9.7.*", "9.8.*", "12.*", "13.*"];
/// Text that is no UTF-8 is found when its message is whole, which the suite lets pass.
const NON_STRICT: [&str; 4] = ["6.4.1", "6.4.2", "6.4.3", "6.4.4"];

/// How one case ended, in the suite's words.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    behavior: String,
    behavior_close: String,
}

fn run(repository: &Repository, arguments: &ArgMatches) -> anyhow::Result<()> {
    let argument = |name| arguments.get_one::<String>(name).expect("it has a default");
    let (python, cases) = (argument("python"), argument("cases"));
    let packages = cache_folder().context("neither XDG_CACHE_HOME nor HOME is set")?;
    let packages = packages.join(format!("autobahntestsuite-{VERSION}"));
    if !packages.is_dir() {
        check_python(python)?;
        pypi::install_packages(repository, python, REQUIREMENTS, &packages)?;
    }
    guests::build(repository)?;
    Step {
        title: "build the workspace",
        usually: "1 min, from scratch 13 min",
    }
    .run(repository.cargo("build --workspace --locked"))?;
    let work = tempfile::tempdir().context("cannot make a temporary folder")?;
    let suite = format!("127.0.0.1:{}", free_port()?);
    let (_node, address) = start_echo(repository, work.path(), &suite)?;
    for (title, script) in [
        ("have the suite connect", FUZZ),
        ("have the suite be connected to", SERVE),
    ] {
        let spec = serde_json::json!({
            "outdir": work.path(),
            "servers": [{ "agent": "wrt", "url": format!("ws://{address}/") }],
            "url": format!("ws://{suite}"),
            "echo": format!("ws://{address}/"),
            "cases": cases.split(',').collect::<Vec<_>>(),
            "exclude-cases": LEFT_OUT,
            "exclude-agent-cases": {},
        });
        let spec_file = work.path().join("spec.json");
        fs::write(&spec_file, spec.to_string())?;
        let mut fuzz = repository.command(python);
        fuzz.args(["-W", "ignore", script]);
        fuzz.arg(&packages).arg(&spec_file);
        Step {
            title,
            usually: "1 min",
        }
        .run_quietly(fuzz)?;
        let index = work.path().join("index.json");
        let report = fs::read_to_string(&index).context("the suite has left no report")?;
        fs::remove_file(index)?;
        judge(&report)?;
    }
    Ok(())
}

fn check_python(python: &str) -> anyhow::Result<()> {
    let version = Program::new(python)
        .args(["-m", "pip", "--version"])
        .output();
    let version = version.with_context(|| format!("there is no {python}; --python names one"))?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    ensure!(
        version.contains("(python 2.7)"),
        "{python} is no Python 2.7 with pip; --python names one"
    );
    Ok(())
}

/// Runs the example that echoes, which may connect to `suite`; where it listens.
fn start_echo(
    repository: &Repository,
    folder: &Path,
    suite: &str,
) -> anyhow::Result<(Process, String)> {
    let text = fs::read_to_string(repository.path(APP))?;
    ensure!(text.contains(ALLOWED), "{APP} does not name {ALLOWED}");
    let guests = repository.path("examples/target");
    let text = text
        .replace(ALLOWED, suite)
        .replace("../target", &guests.to_string_lossy());
    let manifest = folder.join("app.toml");
    fs::write(&manifest, text)?;
    let mut node = repository.command(repository.built("debug", "wrt-node"));
    node.arg("run").arg(manifest);
    node.args(["--address", "web=127.0.0.1:0"]);
    let node = Process::spawn("wrt-node", node, folder.join("log"))?;
    node.wait_for_log("is ready", READY_LIMIT)?;
    let line = node.wait_for_log("listens on http://", READY_LIMIT)?;
    let (_, address) = line.rsplit_once("http://").context("it says where")?;
    Ok((node, address.trim().to_owned()))
}

/// Fails when a case ended otherwise than it should.
fn judge(index: &str) -> anyhow::Result<()> {
    let agents: BTreeMap<String, BTreeMap<String, Outcome>> =
        serde_json::from_str(index).context("the suite's report is not as known")?;
    let cases: Vec<_> = agents.values().flatten().collect();
    ensure!(!cases.is_empty(), "no case was run");
    let wrong = cases
        .iter()
        .filter(|(case, outcome)| !is_right(case, outcome));
    let wrong: Vec<_> = wrong
        .map(|(case, outcome)| {
            let Outcome {
                behavior,
                behavior_close,
            } = outcome;
            format!("{case}: {behavior}, closed: {behavior_close}")
        })
        .collect();
    let strict = cases
        .iter()
        .filter(|(_, outcome)| outcome.behavior == "OK")
        .count();
    eprintln!(
        "    {} cases, {strict} as strictly as can be, {} wrong",
        cases.len(),
        wrong.len()
    );
    ensure!(
        wrong.is_empty(),
        "not as it should be:\n{}",
        wrong.join("\n")
    );
    Ok(())
}

fn is_right(case: &str, outcome: &Outcome) -> bool {
    let is_close_right = ["OK", "INFORMATIONAL"].contains(&outcome.behavior_close.as_str());
    is_close_right
        && match outcome.behavior.as_str() {
            "OK" | "INFORMATIONAL" => true,
            "NON-STRICT" => NON_STRICT.contains(&case),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_is_pinned_by_version_and_hash() {
        let requirements = include_str!("../autobahn/requirements.txt");
        pypi::check_pinned(requirements);
        assert!(requirements.contains(&format!("autobahntestsuite=={VERSION} ")));
    }

    #[test]
    fn what_is_not_as_it_should_be_is_named() {
        let report = |case: &str, behavior: &str, close: &str| {
            judge(&format!(
                r#"{{"wrt": {{"{case}": {{"behavior": "{behavior}", "behaviorClose": "{close}", "duration": 1}}}}}}"#
            ))
        };
        for (case, behavior, close, is_right) in [
            ("1.1.1", "OK", "OK", true),
            ("7.13.1", "INFORMATIONAL", "INFORMATIONAL", true),
            ("6.4.1", "NON-STRICT", "OK", true),
            ("3.2", "NON-STRICT", "OK", false),
            ("1.1.1", "FAILED", "OK", false),
            ("1.1.1", "OK", "UNCLEAN", false),
            ("1.1.1", "UNIMPLEMENTED", "OK", false),
        ] {
            let judged = report(case, behavior, close);
            assert_eq!(judged.is_ok(), is_right, "{case} {behavior} {close}");
        }
        assert!(judge("{}").is_err(), "nothing was run");
    }
}
