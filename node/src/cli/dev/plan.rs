//! What a manifest says of builds: by what its components are made, and for which files.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::Context as _;
use wrt_deployment::Manifest;

use crate::cli::{args::DevArgs, exit::Failure};

/// Where cargo puts components, below its target folder.
const CARGO_TARGET: &str = "wasm32-wasip2";

/// How the components of an app are made.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    pub manifest: PathBuf,
    /// Each once, whatever it is that it makes.
    pub builds: Vec<Step>,
    /// The components that nobody here makes.
    pub made_elsewhere: BTreeSet<PathBuf>,
    /// All components: they are made, and no reason to make any.
    pub components: BTreeSet<PathBuf>,
}

/// A command that makes components.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// For the shell.
    pub command: String,
    /// Where it is run.
    pub folder: PathBuf,
    /// What it is run again for.
    pub watched: BTreeSet<PathBuf>,
}

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Whether the manifest has.
    pub manifest: bool,
    /// Whether a component has that nobody here makes.
    pub components: bool,
    /// The builds that are to be made again, each with a file that has changed.
    pub sources: Vec<(usize, PathBuf)>,
}

impl Plan {
    /// Reads it. A manifest that is wrong elsewhere has one: its other mistakes are told when it is deployed.
    pub fn read(arguments: &DevArgs) -> Result<Self, Failure> {
        let path = &arguments.manifest;
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read the manifest {}: name one, or begin with `new`",
                path.display()
            )
        })?;
        let manifest = Manifest::read(&path.display().to_string(), &text)?;
        let path = path.canonicalize()?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut plan = Self {
            manifest: path.clone(),
            builds: Vec::new(),
            made_elsewhere: BTreeSet::new(),
            components: BTreeSet::new(),
        };
        for component in manifest.components.values() {
            let Some(source) = &component.source else {
                continue;
            };
            let source = below(folder, source.get_ref());
            plan.components.insert(source.clone());
            let watched = component.watch.iter().map(|it| below(folder, it.get_ref()));
            let mut watched: BTreeSet<_> = watched.collect();
            let (command, built_in) = match (&component.build, &arguments.build) {
                (Some(command), _) => (command.get_ref().clone(), folder.to_owned()),
                (None, Some(command)) => (command.clone(), folder.to_owned()),
                (None, None) => match by_cargo(folder, &source) {
                    Some(built) => built,
                    None => {
                        plan.made_elsewhere.insert(source);
                        continue;
                    }
                },
            };
            if watched.is_empty() {
                watched.insert(built_in.clone());
            }
            if component.build.is_none() {
                let here = std::env::current_dir()?;
                let more = arguments.watch.iter();
                watched.extend(more.map(|it| below(&here, it)));
            }
            plan.add(command, built_in, watched);
        }
        Ok(plan)
    }

    /// The places of all builds.
    pub fn all(&self) -> BTreeSet<usize> {
        (0..self.builds.len()).collect()
    }

    fn add(&mut self, command: String, folder: PathBuf, watched: BTreeSet<PathBuf>) {
        let mut builds = self.builds.iter_mut();
        match builds.find(|it| it.command == command && it.folder == folder) {
            Some(step) => step.watched.extend(watched),
            None => self.builds.push(Step {
                command,
                folder,
                watched,
            }),
        }
    }
}

/// What cargo does for a component that lies where it puts them: in the manifest's own folder, where that is a
/// package, or above its target folder.
fn by_cargo(folder: &Path, source: &Path) -> Option<(String, PathBuf)> {
    let mut above = source.ancestors().skip(1);
    let profile = above.next()?.file_name()?.to_str()?;
    if above.next()?.file_name()? != CARGO_TARGET {
        return None;
    }
    let around_target = above.nth(1);
    let is_package = |folder: &&Path| folder.join("Cargo.toml").is_file();
    let mut package = [Some(folder), around_target].into_iter().flatten();
    let package = package.find(is_package)?;
    let profile = match profile {
        "debug" => String::new(),
        "release" => " --release".to_owned(),
        other => format!(" --profile {other}"),
    };
    let command = format!("cargo build --target {CARGO_TARGET}{profile}");
    Some((command, package.to_owned()))
}

/// A path below `folder`, or beside it, in the words in which a walk finds it.
fn below(folder: &Path, path: impl AsRef<Path>) -> PathBuf {
    let mut whole = folder.to_owned();
    for part in path.as_ref().components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_builds_what_lies_where_it_puts_it() {
        let folder = tempfile::tempdir().unwrap();
        let (workspace, package) = (folder.path(), folder.path().join("shop"));
        fs::create_dir(&package).unwrap();
        fs::write(workspace.join("Cargo.toml"), "").unwrap();
        let command = |source: &str| {
            let built = by_cargo(&package, &below(&package, source));
            built.map(|(command, folder)| (command, folder.canonicalize().unwrap()))
        };
        let debug = "target/wasm32-wasip2/debug/shop.wasm";
        assert_eq!(command(debug), None, "there is no package");
        let release = "../target/wasm32-wasip2/release/shop.wasm";
        let whole = workspace.canonicalize().unwrap();
        let by_release = "cargo build --target wasm32-wasip2 --release".to_owned();
        assert_eq!(command(release), Some((by_release.clone(), whole)));
        fs::write(package.join("Cargo.toml"), "").unwrap();
        let own = package.canonicalize().unwrap();
        assert_eq!(command(release), Some((by_release, own.clone())));
        let by_debug = "cargo build --target wasm32-wasip2".to_owned();
        assert_eq!(command(debug), Some((by_debug, own.clone())));
        let small = "target/wasm32-wasip2/small/shop.wasm";
        let by_small = "cargo build --target wasm32-wasip2 --profile small".to_owned();
        assert_eq!(command(small), Some((by_small, own)));
        for other in [
            "shop.wasm",
            "target/debug/shop.wasm",
            "wasm32-wasip2/x.wasm",
        ] {
            assert_eq!(command(other), None, "{other}");
        }
    }
}
