//! What the program is called: a node of one's own is not called `wrt-node`.

use std::{env, path::Path};

use clap::{ArgMatches, Command, Parser};

/// Stands for the program's name in help texts.
const PROGRAM: &str = "PROGRAM";

/// The name by which this program was started.
pub fn name() -> String {
    let path = env::args_os().next().unwrap_or_default();
    let name = Path::new(&path).file_name().unwrap_or_default();
    match name.to_string_lossy() {
        name if name.is_empty() => "wrt-node".to_owned(),
        name => name.into_owned(),
    }
}

/// How a node is started: by this program, or by the standard one where this is none for nodes.
pub fn join() -> String {
    join_by(&name())
}

fn join_by(program: &str) -> String {
    let program = match program {
        "wrt" => "wrt-node",
        program => program,
    };
    format!("`{program} join --name a`")
}

/// What can be written on this program's command line.
pub fn command<A: Parser>() -> Command {
    named(A::command(), name())
}

/// Reads the command line, or ends with what is wrong with it.
pub fn arguments<A: Parser>() -> A {
    let mut command = command::<A>();
    let read = |matches: &ArgMatches| A::from_arg_matches(matches);
    let arguments = read(&command.get_matches_mut());
    arguments.unwrap_or_else(|error| error.format(&mut command).exit())
}

/// A command line as the program `name` has it.
pub fn named(command: Command, name: String) -> Command {
    let name: &'static str = name.leak();
    let command = command.name(name).bin_name(name);
    command.mut_subcommands(|subcommand| {
        let help = subcommand.get_after_help().map(ToString::to_string);
        match help {
            Some(help) => subcommand.after_help(help.replace(PROGRAM, name)),
            None => subcommand,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_started_by_what_can_do_so() {
        for (program, expected) in [
            ("wrt", "`wrt-node join --name a`"),
            ("wrt-node", "`wrt-node join --name a`"),
            ("my-node", "`my-node join --name a`"),
        ] {
            assert_eq!(join_by(program), expected);
        }
    }
}
