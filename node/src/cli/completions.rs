//! `wrt completions`: what a shell needs to complete the command line.

use super::{args::CompletionsArgs, output::Output};

/// Prints it for the program whose command line this is.
pub fn completions(mut command: clap::Command, arguments: &CompletionsArgs, output: Output) {
    let script = script(&mut command, arguments.shell);
    let json = serde_json::json!({ "shell": arguments.shell.to_string(), "script": script });
    output.result(script.trim_end(), &json);
}

fn script(command: &mut clap::Command, shell: clap_complete::Shell) -> String {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::{
        args::{NodeArgs, WrtArgs},
        program::named,
    };

    /// Also for commands below commands, and for a program that is not called as ours are.
    #[test]
    fn each_shell_completes_what_can_be_written() {
        for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
            let shell = shell.parse().expect("a shell");
            let script = |command, name: &str| script(&mut named(command, name.to_owned()), shell);
            let wrt = script(WrtArgs::command(), "wrt");
            for word in ["uncordon", "completions", "lattice-name", "rollback"] {
                assert!(wrt.contains(word), "{shell}: {word}");
            }
            let own = script(NodeArgs::command(), "my-node");
            assert!(
                own.contains("my-node") && own.contains("capacity-memory"),
                "{shell}"
            );
            assert!(!own.contains("PROGRAM"), "{shell}");
        }
    }
}
