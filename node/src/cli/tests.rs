use clap::CommandFactory as _;

use super::args::{NodeArgs, WrtArgs};

fn help(command: &mut clap::Command) -> String {
    command.render_long_help().to_string()
}

/// Help texts are part of what a user relies on.
#[test]
fn help_texts() {
    for (name, mut command) in [
        ("wrt-node", NodeArgs::command()),
        ("wrt", WrtArgs::command()),
    ] {
        command = command.term_width(100);
        command.build();
        insta::assert_snapshot!(name, help(&mut command));
        for subcommand in command
            .get_subcommands_mut()
            .filter(|it| it.get_name() != "help")
        {
            let name = format!("{name}-{}", subcommand.get_name());
            insta::assert_snapshot!(name, help(subcommand));
        }
    }
}
