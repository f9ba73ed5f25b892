//! What a command of `cargo xtask` is.

use clap::ArgMatches;

use crate::repository::Repository;

/// One command; its file holds it as `COMMAND`.
pub struct Command {
    /// As it is typed.
    pub name: &'static str,
    /// One line for the help.
    pub about: &'static str,
    /// Adds its arguments to the parser.
    pub arguments: fn(clap::Command) -> clap::Command,
    /// Does it.
    pub run: fn(&Repository, &ArgMatches) -> anyhow::Result<()>,
}

/// The parser for all commands.
pub fn parser(commands: &[Command]) -> clap::Command {
    let subcommands = commands
        .iter()
        .map(|command| (command.arguments)(clap::Command::new(command.name).about(command.about)));
    clap::Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .about("Sets up, builds, tests and shows WRT")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(subcommands)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_parser_is_sound_and_names_every_command() {
        let parser = super::parser(crate::COMMANDS);
        parser.clone().debug_assert();
        for command in crate::COMMANDS {
            assert!(
                parser.find_subcommand(command.name).is_some(),
                "{}",
                command.name
            );
        }
    }
}
