//! `cargo xtask`: everything that a fresh machine needs, by one command each.
//!
//! Exit codes: 0, done; 1, a step failed, and the last lines name the command to run by hand;
//! 2, wrong usage.
//!
//! To add a command, write a file with a `COMMAND` and list it in [`COMMANDS`].

mod apt;
mod azure;
mod bench;
mod charts;
mod command;
mod cost;
mod demo;
mod ferretdb;
mod guests;
mod languages;
mod new;
mod repository;
mod setup;
mod step;
mod test;
mod websockets;
mod wit;

use std::process::ExitCode;

use crate::{command::Command, repository::Repository};

const COMMANDS: &[Command] = &[
    demo::COMMAND,
    test::COMMAND,
    bench::COMMAND,
    cost::COMMAND,
    setup::COMMAND,
    ferretdb::COMMAND,
    azure::COMMAND,
    charts::COMMAND,
    guests::COMMAND,
    languages::COMMAND,
    websockets::COMMAND,
    new::COMMAND,
    wit::COMMAND,
];

fn main() -> ExitCode {
    let matches = command::parser(COMMANDS).get_matches();
    let (name, arguments) = matches
        .subcommand()
        .expect("the parser asks for a subcommand");
    let chosen = COMMANDS.iter().find(|command| command.name == name);
    let chosen = chosen.expect("the parser knows the same commands");
    match (chosen.run)(&Repository::find(), arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
