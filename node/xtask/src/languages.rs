//! `cargo xtask languages`: the templates for other languages, each made, built by its registry's tools and called.
//!
//! It is no part of `cargo xtask test`: from scratch it fetches 200 MB, and takes minutes. Those in Rust are made by the
//! tests.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::ArgMatches;
use wrt_test_servers::{Process, find_in_path};

use crate::{command::Command, repository::Repository, step::Step};

/// The command.
pub const COMMAND: Command = Command {
    name: "languages",
    about: "Make the templates of `wrt new` for Python and JavaScript, build them and call them",
    arguments: |parser| parser,
    run: |repository: &Repository, _: &ArgMatches| run(repository),
};

/// A template: what it is built with, and what makes that ready, as the template's own text says.
const TEMPLATES: [(&str, &str, &str); 2] = [
    (
        "python",
        "python3",
        "python3 -m venv .venv && .venv/bin/pip install --quiet -r requirements.txt",
    ),
    ("javascript", "npm", "npm install --silent"),
];

/// A language's interpreter is a component of tens of megabytes, built and compiled anew.
const READY_LIMIT: Duration = Duration::from_secs(600);
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
const STOP_GRACE: Duration = Duration::from_secs(15);

fn run(repository: &Repository) -> anyhow::Result<()> {
    for (template, tool, _) in TEMPLATES {
        let is_there = find_in_path(tool).is_some();
        ensure!(
            is_there,
            "{tool} is missing, which the template {template} needs"
        );
    }
    // All of them, so that the crates are those that the tests are built with.
    Step {
        title: "build the programs",
        usually: "1 min",
    }
    .run(repository.cargo("build --workspace --bins --locked"))?;
    for (template, _, prepare) in TEMPLATES {
        try_out(repository, template, prepare).with_context(|| format!("template {template}"))?;
    }
    Ok(())
}

fn try_out(repository: &Repository, template: &str, prepare: &str) -> anyhow::Result<()> {
    let name = format!("my-{template}");
    let folder = repository.target().join("languages");
    fs::create_dir_all(&folder)?;
    let project = folder.join(&name);
    if project.exists() {
        fs::remove_dir_all(&project)?;
    }
    let wrt = repository.built("debug", "wrt");
    let mut new = repository.command(&wrt);
    new.current_dir(&folder);
    new.args(["new", &name, "--template", template]);
    Step {
        title: "make a component",
        usually: "0.1 s",
    }
    .run_quietly(new)?;
    let mut shell = repository.command("sh");
    shell.current_dir(&project).args(["-c", prepare]);
    Step {
        title: "fetch its tools",
        usually: "30 s",
    }
    .run_quietly(shell)?;
    eprintln!("==> build it and run it (usually 1 min)");
    let mut dev = repository.command(&wrt);
    dev.current_dir(&project);
    dev.args(["dev", "--address", "127.0.0.1:0"]);
    let dev = Process::spawn(name.as_str(), dev, folder.join(format!("{name}.log")))?;
    let built = dev.wait_for_log("built in", READY_LIMIT)?;
    let ready = dev.wait_for_log("is ready", READY_LIMIT)?;
    let listens = dev.wait_for_log("web listens on http://", READY_LIMIT)?;
    let (_, address) = listens.split_once("http://").context("it has no URL")?;
    let answer = get(address)?;
    let expected = format!("Hello from {name}\n");
    ensure!(answer.contains(&expected), "it has answered:\n{answer}");
    dev.wait_for_log("asked for /", ANSWER_LIMIT)?;
    dev.stop(STOP_GRACE)?;
    eprintln!("    {built}; {ready}");
    Ok(())
}

/// What is answered, head and all.
fn get(address: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
