//! `cargo xtask charts`: what Helm and Kubernetes' own schemas say of the chart in `node/deploy`, and NATS of its
//! configuration.
//!
//! It is no part of `cargo xtask test`: from scratch Helm takes minutes to build, and Go. No cluster is started: that
//! needs containers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command as Program,
};

use anyhow::{Context, ensure};
use clap::ArgMatches;
use wrt_test_servers::{find_in_path, nats_server_binary};

use crate::{
    command::Command,
    repository::Repository,
    setup::{self, pypi},
    step::Step,
};

/// The command.
pub const COMMAND: Command = Command {
    name: "charts",
    about: "Build Helm with Go, and check the chart of node/deploy with it and with the schemas of Kubernetes",
    arguments: |parser| parser,
    run: |repository: &Repository, _: &ArgMatches| run(repository),
};

/// The chart, and where what checks it is pinned.
const CHART: &str = "node/deploy/chart";
const PINS: &str = "node/xtask/charts";

/// The oldest version that the chart says it is for, and the newest whose schemas are there.
const VERSIONS: [&str; 2] = ["1.27.0", "1.37.0"];

/// Values with which the chart is as it should be.
const GOOD: [&[&str]; 4] = [
    &[],
    &["nats.enabled=false", "nats.url=tls://nats.example.com:4222"],
    &["nodes.count=1", "nats.count=1", "nodes.ports=null"],
    &[
        "image.pullSecrets={registry}",
        "nodes.labels.zone=west",
        "nodes.labels.disk=fast",
        "nodes.capacity.memoryMiB=4096",
        "nodes.capacity.concurrency=500",
        "nodes.secrets={shop-redis,shop-mail}",
        "nodes.env[0].name=RUST_LOG,nodes.env[0].value=info",
        "nodes.nodeSelector.pool=wrt",
        "nodes.tolerations[0].key=wrt,nodes.tolerations[0].operator=Exists",
        "nodes.service.type=LoadBalancer",
        "nats.count=5",
        "nats.storageClass=fast",
    ],
];

/// Values that are refused, and what is said of them.
const BAD: [(&str, &str); 5] = [
    ("nats.enabled=false", "/nats/url"),
    ("nats.count=2", "/nats/count"),
    ("nodes.count=0", "/nodes/count"),
    ("nodes.replicas=3", "replicas"),
    (
        "nodes.ports[0].name=http,nodes.ports[0].port=80",
        "/nodes/ports/0/port",
    ),
];

fn run(repository: &Repository) -> anyhow::Result<()> {
    let tools = Tools::ready(repository)?;
    let folder = repository.target().join("charts/rendered");
    fs::create_dir_all(&folder)?;
    for (number, values) in GOOD.into_iter().enumerate() {
        let sets = values.iter().flat_map(|value| ["--set", value]);
        let mut lint = tools.helm(repository, &["lint", "--strict", CHART]);
        lint.args(sets.clone());
        Step {
            title: "lint the chart",
            usually: "0.2 s",
        }
        .run_quietly(lint)?;
        let mut template = tools.helm(repository, &["template", "shop", CHART]);
        template.args(["--kube-version", VERSIONS[0]]).args(sets);
        let rendered = Step {
            title: "render it",
            usually: "0.2 s",
        }
        .run_quietly(template)?;
        let file = folder.join(format!("{number}.yaml"));
        fs::write(&file, &rendered)?;
        for version in VERSIONS {
            Step {
                title: "hold it against the schemas of Kubernetes",
                usually: "1 s",
            }
            .run_quietly(tools.validate(repository, version, &file))?;
        }
        if let Some(configuration) = nats_configuration(&rendered) {
            let file = folder.join(format!("{number}.conf"));
            fs::write(&file, configuration)?;
            Step {
                title: "read its configuration of NATS",
                usually: "0.1 s",
            }
            .run_quietly(nats(repository, &file)?)?;
        }
    }
    for (values, said) in BAD {
        let mut template = tools.helm(repository, &["template", "shop", CHART]);
        template.args(["--kube-version", VERSIONS[0], "--set", values]);
        let output = template.output().context("helm does not run")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            !output.status.success() && errors.contains(said),
            "{values}: the chart takes it, or does not name {said}: {errors}"
        );
    }
    let (good, bad) = (GOOD.len(), BAD.len());
    eprintln!("    the chart is as it should be with {good} sets of values, and refuses {bad}");
    Ok(())
}

/// Helm, and a folder of Python's.
struct Tools {
    helm: PathBuf,
    packages: PathBuf,
}

impl Tools {
    fn ready(repository: &Repository) -> anyhow::Result<Self> {
        ensure!(
            find_in_path("go").is_some(),
            "go is missing: install Go 1.21 or newer, which brings the one that is needed"
        );
        setup::servers(repository)?;
        let folder = repository.target().join("charts");
        fs::create_dir_all(&folder)?;
        let helm = folder.join("helm");
        let mut go = repository.command("go");
        go.current_dir(repository.path(PINS));
        // What was built from the same before, go leaves as it is.
        go.args(["build", "-trimpath", "-o"]).arg(&helm);
        go.arg("helm.sh/helm/v3/cmd/helm");
        Step {
            title: "build Helm",
            usually: "2 s, from scratch 3 min",
        }
        .run_quietly(go)?;
        let packages = folder.join("packages");
        if !packages.is_dir() {
            pypi::ensure_pip(repository)?;
            let requirements = format!("{PINS}/requirements.txt");
            pypi::install_packages(repository, "python3", &requirements, &packages)?;
        }
        Ok(Self { helm, packages })
    }

    fn helm(&self, repository: &Repository, arguments: &[&str]) -> Program {
        let mut helm = repository.command(&self.helm);
        helm.args(arguments);
        helm
    }

    fn validate(&self, repository: &Repository, version: &str, file: &Path) -> Program {
        let mut python = repository.command("python3");
        python.env("PYTHONPATH", &self.packages);
        python.args(["-m", "kubernetes_validate", "--strict", "--quiet"]);
        python.args(["--kubernetes-version", version]).arg(file);
        python
    }
}

/// `nats-server` that only reads a configuration.
fn nats(repository: &Repository, file: &Path) -> anyhow::Result<Program> {
    let mut nats = repository.command(nats_server_binary()?);
    nats.arg("-t").arg("--config").arg(file);
    nats.envs([
        ("NATS_NAME", "shop-nats-0"),
        ("NATS_USER", "wrt"),
        ("NATS_PASSWORD", "p1234"),
    ]);
    nats.envs((0..5).map(|number| {
        let url = format!("nats-route://wrt:p1234@shop-nats-{number}.shop-nats:6222");
        (format!("NATS_ROUTE_{number}"), url)
    }));
    Ok(nats)
}

/// What stands under `nats.conf: |`, if anything does.
fn nats_configuration(rendered: &str) -> Option<String> {
    const INDENT: &str = "    ";
    let (_, rest) = rendered.split_once("  nats.conf: |\n")?;
    let lines = rest.lines();
    let lines = lines.map_while(|line| line.strip_prefix(INDENT));
    Some(lines.map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_checks_the_chart_is_pinned_by_version_and_hash() {
        pypi::check_pinned(include_str!("../charts/requirements.txt"));
        let required = include_str!("../charts/go.mod");
        let hashes = include_str!("../charts/go.sum");
        let modules = required.lines().map(str::trim).filter_map(|line| {
            let line = line.strip_prefix("require ").unwrap_or(line);
            line.split("//").next().unwrap().trim().split_once(" v")
        });
        let modules: Vec<_> = modules.collect();
        assert!(
            modules
                .iter()
                .any(|(module, _)| *module == "helm.sh/helm/v3")
        );
        for (module, version) in modules {
            let hash = format!("{module} v{version} h1:");
            assert!(hashes.contains(&hash), "{module} {version}");
        }
    }

    #[test]
    fn a_configuration_ends_where_its_block_does() {
        let rendered =
            "data:\n  nats.conf: |\n    a: 1\n    b {\n      c: 2\n    }\n---\nkind: X\n";
        let found = nats_configuration(rendered);
        assert_eq!(found.as_deref(), Some("a: 1\nb {\n  c: 2\n}\n"));
        assert_eq!(nats_configuration("kind: X\n"), None);
    }
}
