use clap::CommandFactory as _;

use super::{
    args::{NodeArgs, WrtArgs},
    program::named,
};

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
        command = named(command, name.to_owned()).term_width(100);
        command.build();
        // `wrt node` is a command, and `wrt-node` a program.
        insta::assert_snapshot!(format!("program-{name}"), help(&mut command));
        for subcommand in command
            .get_subcommands_mut()
            .filter(|it| it.get_name() != "help")
        {
            let name = format!("{name}-{}", subcommand.get_name());
            insta::assert_snapshot!(name.as_str(), help(subcommand));
            let below = subcommand.get_subcommands_mut();
            for deed in below.filter(|it| it.get_name() != "help") {
                let name = format!("{name}-{}", deed.get_name());
                insta::assert_snapshot!(name, help(deed));
            }
        }
    }
}

/// It said `wrt-node`, which may not be there at all.
#[test]
fn a_program_of_ones_own_speaks_of_itself() {
    let mut command = named(NodeArgs::command(), "my-node".to_owned()).term_width(100);
    command.build();
    let version = command.render_version();
    assert_eq!(version, format!("my-node {}\n", env!("CARGO_PKG_VERSION")));
    let mut texts = vec![help(&mut command)];
    texts.extend(command.get_subcommands_mut().map(help));
    for text in texts {
        for other in ["wrt-node", "PROGRAM", " wrt "] {
            assert!(!text.contains(other), "{other}:\n{text}");
        }
    }
}
