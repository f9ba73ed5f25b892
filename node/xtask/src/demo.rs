//! `cargo xtask demo`: the main job, shown with real parts.

use clap::{Arg, ArgAction, ArgMatches};

use crate::{command::Command, guests, repository::Repository, setup, step::Step};

/// The command.
pub const COMMAND: Command = Command {
    name: "demo",
    about: "Set up, build, and show three nodes, a counter, and a node that is killed",
    arguments: |parser| {
        parser.arg(
            Arg::new("once")
                .long("once")
                .action(ArgAction::SetTrue)
                .help("End after the figures instead of staying up to be tried"),
        )
    },
    run,
};

fn run(repository: &Repository, arguments: &ArgMatches) -> anyhow::Result<()> {
    setup::servers(repository)?;
    guests::build(repository)?;
    let step = |title, usually, arguments| Step { title, usually }.run(repository.cargo(arguments));
    step(
        "build the workspace",
        "1 min, from scratch 12 min",
        "build --workspace --locked",
    )?;
    let mut demo = repository.command(repository.built("debug", "wrt-demo"));
    if arguments.get_flag("once") {
        demo.arg("--once");
    }
    Step {
        title: "show it",
        usually: "15 s, or until Ctrl-C",
    }
    .run(demo)
}
