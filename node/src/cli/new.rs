//! `wrt new`: the files that a component of one's own begins with.

mod templates;

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context as _;
use wrt_protocol::Name;

use super::{args::NewArgs, exit::Failure, output::Output, program};
pub use templates::TEMPLATES;
use templates::Template;

/// Names that a Rust crate cannot have, or not beside what it depends on. All have them, so that the one who begins
/// in Python may go on in Rust.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "target",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "wasip2",
    "web",
    "bus",
    "where",
    "while",
    "wit-bindgen",
    "yield",
];

pub fn new(arguments: &NewArgs, output: Output) -> Result<(), Failure> {
    let Some(name) = arguments.name.as_ref().filter(|_| !arguments.list) else {
        list(output);
        return Ok(());
    };
    let name = checked(name)?;
    let chosen = TEMPLATES.iter().find(|it| it.name == arguments.template);
    let template = chosen.expect("the command line takes no others");
    let folder = Path::new(&name);
    let files = template.filled_in(&name);
    write(folder, &files)?;
    let next = template.next(&name, &program::name());
    let text = format!("wrote {} files in {name}; next:\n  {next}", files.len());
    let paths: Vec<_> = files.iter().map(|(path, _)| path).collect();
    let json = serde_json::json!({
        "created": name, "template": template.name, "files": paths, "next": next,
    });
    output.result(&text, &json);
    Ok(())
}

fn list(output: Output) {
    let line = |it: &Template| format!("{:<12} {}", it.name, it.about);
    let lines: Vec<_> = TEMPLATES.iter().map(line).collect();
    let entry = |it: &Template| serde_json::json!({ "template": it.name, "about": it.about });
    let json: Vec<_> = TEMPLATES.iter().map(entry).collect();
    output.result(&lines.join("\n"), &json);
}

/// A name that a component and a crate can have.
fn checked(name: &str) -> Result<String, Failure> {
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_of_both = name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(is_legal)
        && Name::new(name).is_ok();
    if !is_of_both {
        return Err(Failure::usage(format!(
            "{name:?} is no name for a component: use lower-case letters, digits and hyphens, a letter first"
        )));
    }
    if RESERVED.contains(&name) {
        return Err(Failure::usage(format!(
            "{name} is a word of its own in Rust or in the manifest: choose another name"
        )));
    }
    Ok(name.to_owned())
}

/// Makes the folder and the files in it. What is there already is left alone; what cannot be written whole is removed.
fn write(folder: &Path, files: &[(&'static str, String)]) -> Result<(), Failure> {
    let at = folder.display();
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Failure::failed(anyhow::anyhow!(
                "{at} is there already, and nothing is written over: choose another name, or remove it"
            )));
        }
        made => made.with_context(|| format!("cannot make the folder {at}"))?,
    }
    let written = files.iter().try_for_each(|(path, text)| {
        let path = folder.join(path);
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)?;
            file.write_all(text.as_bytes())
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    });
    written.map_err(|error| {
        // Made by this very call; if it stays, the next one says that it is there.
        let _removed = fs::remove_dir_all(folder);
        Failure::failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_components_and_crates() {
        for name in ["shop", "my-shop-2"] {
            assert_eq!(checked(name).ok().as_deref(), Some(name));
        }
        for name in [
            "", "Shop", "2shop", "-a", "a-", "my_shop", "../shop", "a b", "fn", "wasip2", "ä",
        ] {
            let refused = checked(name).map_err(|failure| failure.code);
            assert_eq!(refused, Err(2), "{name}");
        }
    }

    #[test]
    fn nothing_is_written_over_and_nothing_half_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let shop = folder.path().join("shop");
        let file = |path| (path, "text".to_owned());
        // Its second file cannot be there beside its first.
        let refused = write(&shop, &[file("a"), file("a/b")]);
        assert_eq!(refused.map_err(|failure| failure.code), Err(1));
        assert!(!shop.exists());
        write(&shop, &[file("a"), file("b/c")]).unwrap();
        assert_eq!(fs::read_to_string(shop.join("b/c")).unwrap(), "text");
        let refused = write(&shop, &[file("a")]).map_err(|failure| failure.error.to_string());
        assert!(refused.unwrap_err().contains("is there already"));
    }

    #[test]
    fn all_templates_are_filled_in() {
        for template in TEMPLATES {
            let files = template.filled_in("my-shop");
            for (path, text) in &files {
                assert!(!text.contains("{{"), "{}: {path}: {text}", template.name);
            }
            let manifest = files.iter().find(|(path, _)| *path == "app.toml");
            let (_, manifest) = manifest.expect("each has a manifest");
            let read = wrt_deployment::Manifest::read("app.toml", manifest).unwrap();
            assert!(read.components.contains_key("my-shop"));
        }
    }
}
