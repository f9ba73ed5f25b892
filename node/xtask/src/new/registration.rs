//! The lines by which the standard programs come to know a crate: the workspace itself has it by its
//! folder.
//!
//! They are put into files that people write, so nothing else of a file is touched; a file that does
//! not look as expected is an error that says which, and then nothing is written at all.

use std::{fs, path::Path};

use anyhow::{Context, bail};

const NODE: &str = "node/Cargo.toml";
/// What the standard programs are made of.
const STANDARD: &str = "node/src/standard.rs";

/// How programs come to know a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registration {
    /// They do not.
    Nowhere,
    /// As a package, with its default behind it.
    Package,
    /// As a backend for the package of an interface: of that one, or of one that has to be named.
    BackendOf(Option<&'static str>),
}

/// A crate as the lines name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    /// As it is typed: `my-part`.
    pub name: &'a str,
    /// `MyPart`.
    pub type_name: &'a str,
    /// From the root.
    pub folder: &'a str,
}

/// The `Host` that the standard programs take from an interface's crate.
pub(super) fn host_of(root: &Path, interface: &str) -> anyhow::Result<String> {
    let text = read(root, STANDARD)?;
    let found = imports(&text, interface).find(|ident| entry_of(&text, ident).is_some());
    let found = found.with_context(|| {
        format!("`runtime!` in {STANDARD} has no package of the interface `{interface}`")
    })?;
    Ok(found.to_owned())
}

/// The files with their new texts.
pub(super) fn edits(
    root: &Path,
    part: Part<'_>,
    host: Option<&str>,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let edit = |path: &'static str, change: &dyn Fn(&str) -> anyhow::Result<String>| {
        let text = change(&read(root, path)?);
        anyhow::Ok((path, text.with_context(|| format!("cannot add to {path}"))?))
    };
    Ok(vec![
        edit(NODE, &|text| in_node(text, part))?,
        edit(STANDARD, &|text| in_standard(text, part, host))?,
    ])
}

fn read(root: &Path, path: &str) -> anyhow::Result<String> {
    fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
}

/// Behind the last crate that the programs always have, with the feature that they have and others do not.
fn in_node(text: &str, part: Part<'_>) -> anyhow::Result<String> {
    let (name, folder) = (part.name, part.folder);
    let is_feature = |line: &str| line.starts_with("    \"dep:wrt-");
    let text = insert_behind(text, is_feature, &format!("    \"dep:wrt-{name}\","))?;
    let is_optional = |line: &str| line.starts_with("wrt-") && line.contains("optional = true");
    let line = format!("wrt-{name} = {{ path = \"../{folder}\", optional = true }}");
    insert_behind(&text, is_optional, &line)
}

/// An import, and an entry of `runtime!` or a place in one.
fn in_standard(text: &str, part: Part<'_>, host: Option<&str>) -> anyhow::Result<String> {
    let (module, type_name) = (part.name.replace('-', "_"), part.type_name);
    let (import, text) = match host {
        Some(host) => {
            let import = format!("use wrt_{module}::{type_name};");
            (import, with_backend(text, host, type_name)?)
        }
        None => {
            let import = format!("use wrt_{module}::{{{type_name}Default, Wrt{type_name}}};");
            let entry = format!("    Wrt{type_name}: {type_name}Default,");
            let is_entry = |line: &str| line.starts_with("    ") && line.contains(": ");
            (import, insert_behind(text, is_entry, &entry)?)
        }
    };
    // Sorted, as rustfmt has them.
    let mut lines: Vec<_> = text.lines().collect();
    let is_later = |line: &&str| line.starts_with("use wrt_") && path_of(line) > path_of(&import);
    let Some(mut at) = lines.iter().position(is_later) else {
        return insert_behind(&text, |line| line.starts_with("use wrt_"), &import);
    };
    // In which builds that one is there says nothing of this one.
    while at > 0 && lines[at - 1].starts_with("#[") {
        at -= 1;
    }
    lines.insert(at, &import);
    Ok(lines.join("\n") + "\n")
}

fn path_of(import: &str) -> &str {
    import.split("::").next().unwrap_or(import)
}

fn with_backend(text: &str, host: &str, backend: &str) -> anyhow::Result<String> {
    let line = entry_of(text, host).with_context(|| format!("no entry of `{host}`"))?;
    let (_, served_by) = line.split_once(':').context("an entry has a colon")?;
    let served_by = served_by.trim().trim_end_matches(',');
    let served_by = match served_by.trim_start_matches('[').trim_end_matches(']') {
        "_" => backend.to_owned(),
        others => format!("[{others}, {backend}]"),
    };
    Ok(text.replacen(line, &format!("    {host}: {served_by},"), 1))
}

/// The line of `runtime!` for a package.
fn entry_of<'a>(text: &'a str, host: &str) -> Option<&'a str> {
    let start = format!("    {host}: ");
    text.lines().find(|line| line.starts_with(&start))
}

/// What is imported from an interface's crate.
fn imports<'a>(text: &'a str, interface: &str) -> impl Iterator<Item = &'a str> {
    let start = format!("use wrt_{}::", interface.replace('-', "_"));
    let imported = text
        .lines()
        .filter_map(move |line| line.strip_prefix(&start));
    let is_of_ident = |c: char| c.is_alphanumeric() || c == '_';
    imported
        .flat_map(move |names| names.split(move |c| !is_of_ident(c)))
        .filter(|name| !name.is_empty())
}

fn insert_behind(
    text: &str,
    is_neighbour: impl Fn(&str) -> bool,
    new: &str,
) -> anyhow::Result<String> {
    let mut lines: Vec<_> = text.lines().collect();
    if lines.contains(&new) {
        bail!("`{new}` is there already");
    }
    let Some(at) = lines.iter().rposition(|line| is_neighbour(line)) else {
        bail!("no line like `{new}` to put it behind");
    };
    lines.insert(at + 1, new);
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: Part<'_> = Part {
        name: "my-part",
        type_name: "MyPart",
        folder: "providers/backends/my-part",
    };

    #[test]
    fn a_backend_finds_its_place_beside_others() {
        for (entry, expected) in [
            ("_", "MyPart"),
            ("One", "[One, MyPart]"),
            ("[One, Two]", "[One, Two, MyPart]"),
        ] {
            let text = format!(
                "use wrt_a::{{A, WasiA}};\nuse wrt_z::Z;\n\nx!({{\n    WasiA: {entry},\n}});\n"
            );
            let expected = format!(
                "use wrt_a::{{A, WasiA}};\nuse wrt_my_part::MyPart;\nuse wrt_z::Z;\n\nx!({{\n    WasiA: {expected},\n}});\n"
            );
            assert_eq!(in_standard(&text, PART, Some("WasiA")).unwrap(), expected);
        }
        assert!(in_standard("use wrt_a::A;\n", PART, Some("WasiB")).is_err());
    }

    #[test]
    fn what_is_in_some_builds_only_stays_as_it_is() {
        let some = "#[cfg(feature = \"z\")]";
        let text = format!(
            "use wrt_a::A;\n{some}\nuse wrt_z::Z;\n\nx!({{\n    WasiA: [A, {some} Z],\n}});\n"
        );
        let expected = format!(
            "use wrt_a::A;\nuse wrt_my_part::MyPart;\n{some}\nuse wrt_z::Z;\n\nx!({{\n    \
             WasiA: [A, {some} Z, MyPart],\n}});\n"
        );
        assert_eq!(in_standard(&text, PART, Some("WasiA")).unwrap(), expected);
    }

    #[test]
    fn a_package_gets_an_entry_of_its_own() {
        let text = "use wrt_a::WasiA;\n\nx!({\n    WasiA: _,\n});\n";
        let expected = "use wrt_a::WasiA;\nuse wrt_my_part::{MyPartDefault, WrtMyPart};\n\nx!({\n    \
                        WasiA: _,\n    WrtMyPart: MyPartDefault,\n});\n";
        assert_eq!(in_standard(text, PART, None).unwrap(), expected);
    }

    #[test]
    fn what_only_standard_programs_have_is_optional_for_others() {
        let text = "standard = [\n    \"dep:wrt-a\",\n    \"dep:other\",\n]\n[dependencies]\n\
                    wrt-b.workspace = true\nwrt-a = { path = \"../a\", optional = true }\ntokio = \"1\"\n";
        let expected = "standard = [\n    \"dep:wrt-a\",\n    \"dep:wrt-my-part\",\n    \"dep:other\",\n]\n\
                        [dependencies]\nwrt-b.workspace = true\nwrt-a = { path = \"../a\", optional = true }\n\
                        wrt-my-part = { path = \"../providers/backends/my-part\", optional = true }\n\
                        tokio = \"1\"\n";
        assert_eq!(in_node(text, PART).unwrap(), expected);
        assert!(in_node("standard = []\n", PART).is_err());
    }
}
