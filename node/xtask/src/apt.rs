//! Debian's packages.

use std::process::{Command, Stdio};

use anyhow::bail;
use wrt_test_servers::find_in_path;

use crate::{repository::Repository, step::Step};

/// Installs a package; the caller has seen that it is missing.
pub fn install(repository: &Repository, package: &'static str) -> anyhow::Result<()> {
    if find_in_path("apt-get").is_none() {
        bail!(
            "{package} is missing, and there is no apt-get here: install it in this system's way"
        );
    }
    let Some(prefix) = root_prefix() else {
        bail!("{package} is missing, and installing it needs root: sudo apt-get install {package}");
    };
    let apt_get = |arguments: &[&str]| {
        let mut words = prefix
            .iter()
            .chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        let mut command = repository.command(words.next().expect("the list is not empty"));
        command.args(words).args(arguments);
        command
    };
    // Lists that are missing or old make the second step fail; reading them again costs seconds.
    Step {
        title: "read Debian's package lists",
        usually: "5 s",
    }
    .run_quietly(apt_get(&["-q", "update"]))?;
    Step {
        title: "install a Debian package",
        usually: "10 s",
    }
    .run_quietly(apt_get(&[
        "-q",
        "-y",
        "install",
        "--no-install-recommends",
        package,
    ]))?;
    Ok(())
}

/// What makes a command run as root; `None` where nothing does without a password.
fn root_prefix() -> Option<&'static [&'static str]> {
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    sudo.status()
        .is_ok_and(|status| status.success())
        .then_some(&["sudo", "-n"])
}
