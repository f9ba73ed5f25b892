//! The component of the crate under test, built by cargo.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde::Deserialize;

use crate::{Error, Result};

const TARGET: &str = "wasm32-wasip2";
/// The compiler of components, where the usual one has no `std` for them.
const RUSTC: &str = "WRT_GUEST_RUSTC";
/// Where components are built, if not where cargo builds everything.
const TARGET_DIR: &str = "WRT_GUEST_TARGET_DIR";

/// Where it is.
pub(crate) fn of_this_crate() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf>> = OnceLock::new();
    // Of several tests that come at once, one builds.
    BUILT.get_or_init(build).clone()
}

fn build() -> Result<PathBuf> {
    let Some(folder) = env::var_os("CARGO_MANIFEST_DIR") else {
        return Err(Error::new(
            "which crate is under test is said by CARGO_MANIFEST_DIR: run the test by `cargo test`, or name \
             a component by App::of_file",
        ));
    };
    let manifest = Path::new(&folder).join("Cargo.toml");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--target", TARGET])
        .args([
            "--message-format",
            "json-render-diagnostics",
            "--manifest-path",
        ])
        .arg(&manifest);
    // With what cargo says of the test's own package, build scripts that watch these would run again.
    let of_test =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_test)) {
        cargo.env_remove(name);
    }
    for (from, to) in [(RUSTC, "RUSTC"), (TARGET_DIR, "CARGO_TARGET_DIR")] {
        if let Some(value) = env::var_os(from) {
            cargo.env(to, value);
        }
    }
    let output = cargo.output();
    let output = output.map_err(|error: io::Error| Error::of("cannot run cargo", &error))?;
    if !output.status.success() {
        return Err(refusal(&String::from_utf8_lossy(&output.stderr)));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    component(&said, &manifest).ok_or_else(|| {
        Error::new(format!(
            "{} builds no component: write crate-type = [\"cdylib\"] under [lib]",
            manifest.display()
        ))
    })
}

fn refusal(said: &str) -> Error {
    let is_without_std = said.contains("target may not be installed") || said.contains("E0463");
    let hint = match is_without_std {
        true => format!(
            "this compiler has no std for {TARGET}: run `rustup target add {TARGET}`, or name one that has by the \
             variable {RUSTC}\n"
        ),
        false => String::new(),
    };
    Error::new(format!(
        "the component cannot be built\n{hint}{}",
        said.trim()
    ))
}

/// A line that cargo prints.
#[derive(Deserialize)]
struct Said {
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The component of the package with that manifest.
fn component(said: &str, manifest: &Path) -> Option<PathBuf> {
    let lines = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let ours = lines.filter(|line: &Said| line.manifest_path.as_deref() == Some(manifest));
    let mut files = ours.flat_map(|line| line.filenames);
    files.find(|file| {
        file.extension()
            .is_some_and(|extension| extension == "wasm")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_the_one_of_the_package() {
        let said = "   Compiling\n\
            {\"reason\":\"compiler-artifact\",\"manifest_path\":\"/other/Cargo.toml\",\"filenames\":[\"/t/other.wasm\"]}\n\
            {\"reason\":\"compiler-artifact\",\"manifest_path\":\"/ours/Cargo.toml\",\"filenames\":[\"/t/ours.d\",\"/t/ours.wasm\"]}\n\
            {\"reason\":\"build-finished\",\"success\":true}";
        for (manifest, expected) in [
            ("/ours/Cargo.toml", Some("/t/ours.wasm")),
            ("/none/Cargo.toml", None),
        ] {
            let found = component(said, Path::new(manifest));
            assert_eq!(found.as_deref(), expected.map(Path::new), "{manifest}");
        }
    }

    #[test]
    fn a_compiler_without_the_target_is_told_from_a_mistake() {
        for (said, told) in [
            (
                "error[E0463]: can't find crate for `std`\n = note: the `wasm32-wasip2` target may not be installed",
                true,
            ),
            ("error[E0308]: mismatched types", false),
        ] {
            let error = refusal(said).to_string();
            assert_eq!(
                error.contains("rustup target add wasm32-wasip2"),
                told,
                "{error}"
            );
            assert!(error.contains("the component cannot be built"), "{error}");
        }
    }
}
