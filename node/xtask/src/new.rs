//! `cargo xtask new`: the files that a new part begins with, and the lines that make it known.
//!
//! The texts are in `templates/`, one folder a kind, to be read and changed there. To add a kind, add
//! its folder and list it in [`KINDS`].

mod kinds;
mod registration;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use clap::{Arg, ArgMatches};

use crate::{command::Command, repository::Repository};
use kinds::{KINDS, Kind};
use registration::{Part, Registration, edits, host_of};

/// The command.
pub const COMMAND: Command = Command {
    name: "new",
    about: "Write the files of a new part: an interface, a backend, a trigger, a guest",
    arguments: |parser| {
        parser
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommands(KINDS.iter().map(parser_of))
    },
    run: |repository: &Repository, matches: &ArgMatches| {
        let (kind, arguments) = matches
            .subcommand()
            .expect("the parser asks for a subcommand");
        let kind = KINDS.iter().find(|known| known.name == kind);
        let kind = kind.expect("the parser knows the same kinds");
        let argument = |name| arguments.try_get_one::<String>(name).ok().flatten();
        let name = argument("name").expect("the parser asks for a name");
        let interface = argument("interface").map(String::as_str);
        let written = write(kind, name, interface, &repository.path(""))?;
        for path in &written {
            eprintln!("==> wrote {}", path.display());
        }
        format(repository, &written)?;
        (kind.lock)(repository)?;
        eprintln!("    next: {}", kind.next);
        Ok(())
    },
};

fn parser_of(kind: &Kind) -> clap::Command {
    let name = Arg::new("name").required(true).value_name("NAME");
    let name = name.help("Lower-case words with hyphens");
    let parser = clap::Command::new(kind.name).about(kind.about).arg(name);
    if kind.registration != Registration::BackendOf(None) {
        return parser;
    }
    let interface = Arg::new("interface").required(true).value_name("INTERFACE");
    parser.arg(interface.help("The interface that it offers: a folder of providers/interfaces"))
}

/// Writes the files of a new part below `root`, and the lines that make it known. Nothing is written
/// unless all of it can be.
fn write(
    kind: &Kind,
    name: &str,
    interface: Option<&str>,
    root: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    check_name(name)?;
    let folder = format!("{}/{name}", kind.parent);
    ensure!(!root.join(&folder).exists(), "{folder} exists already");
    let type_name = type_name(name);
    let part = Part {
        name,
        type_name: &type_name,
        folder: &folder,
    };
    let (mut words, mut changed) = (words(name), Vec::new());
    match kind.registration {
        Registration::Nowhere => {}
        Registration::Package => changed = edits(root, part, None)?,
        Registration::BackendOf(fixed) => {
            let interface = fixed
                .or(interface)
                .context("a backend offers an interface")?;
            let host = host_of(root, interface)?;
            changed = edits(root, part, Some(&host))?;
            words.extend(words_of_interface(interface, &host));
        }
    }
    let files = kind.files.iter().map(|(file, template)| {
        let path = match file.strip_prefix('/') {
            Some(from_root) => root.join(fill_in(from_root, &words)),
            None => root.join(&folder).join(file),
        };
        (path, fill_in(template, &words))
    });
    let changed = changed
        .into_iter()
        .map(|(file, text)| (root.join(file), text));
    let mut written = Vec::new();
    for (path, text) in files.chain(changed) {
        let parent = path.parent().expect("it lies in a folder");
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let is_of_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(is_of_word)
    };
    ensure!(
        name.split('-').all(is_word),
        "`{name}` is no name: lower-case words with hyphens, each beginning with a letter"
    );
    Ok(())
}

type Words = Vec<(&'static str, String)>;

/// `my-part` as it is, as `my_part`, as `MyPart` and as `MY_PART`.
fn words(name: &str) -> Words {
    let module = name.replace('-', "_");
    vec![
        ("{{name}}", name.to_owned()),
        ("{{VARIABLE}}", module.to_ascii_uppercase()),
        ("{{crate}}", module),
        ("{{Type}}", type_name(name)),
    ]
}

/// A trait has the name of its `Host` without the package's namespace, mostly.
fn words_of_interface(interface: &str, host: &str) -> Words {
    let name = host.strip_prefix("Wasi").or(host.strip_prefix("Wrt"));
    vec![
        ("{{interface}}", interface.to_owned()),
        ("{{interface_crate}}", interface.replace('-', "_")),
        ("{{Trait}}", name.unwrap_or(host).to_owned()),
        ("{{Host}}", host.to_owned()),
    ]
}

fn type_name(name: &str) -> String {
    let capitalised = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('-').map(capitalised).collect()
}

fn fill_in(template: &str, words: &Words) -> String {
    let fill_in = |text: String, (word, value): &(&str, String)| text.replace(word, value);
    words.iter().fold(template.to_owned(), fill_in)
}

/// Names have other lengths than the templates' words.
fn format(repository: &Repository, written: &[PathBuf]) -> anyhow::Result<()> {
    let is_rust = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "rs");
    let mut rustfmt = repository.command("rustfmt");
    rustfmt.args(["--edition", "2024"]);
    let status = rustfmt.args(written.iter().filter(is_rust)).status();
    let status = status.context("cannot run rustfmt")?;
    ensure!(status.success(), "rustfmt does not take what was written");
    Ok(())
}
