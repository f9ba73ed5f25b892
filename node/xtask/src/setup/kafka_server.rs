//! Apache Kafka, from Maven: its jars, each pinned by its hash, and a formatted folder for its data.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use wrt_test_servers::{KAFKA_FORMATTED, find_in_path, kafka_cached, kafka_folder};

use crate::{apt, repository::Repository, step::Step};

/// The jars, with their hashes.
const JARS: &str = include_str!("../../kafka/jars.sha256");

/// Any one does: each test has a cluster of its own.
const CLUSTER: &str = "d3J0LXRlc3Qta2Fma2EtMQ";

/// Installs it in the project's cache folder unless it is there.
pub fn install(repository: &Repository) -> anyhow::Result<()> {
    if find_in_path("java").is_none() {
        apt::install(repository, "default-jre-headless")?;
    }
    if kafka_folder().is_err() {
        let target = kafka_cached().context("neither XDG_CACHE_HOME nor HOME is set")?;
        download(repository, &target)?;
    }
    eprintln!("    kafka: {}", kafka_folder()?.display());
    Ok(())
}

/// Downloads beside the target and renames, so that what is under the final name is whole.
fn download(repository: &Repository, target: &Path) -> anyhow::Result<()> {
    if find_in_path("mvn").is_none() {
        apt::install(repository, "maven")?;
    }
    let folder = target.parent().context("the cache is a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let work = tempfile::tempdir_in(folder).context("cannot make a temporary folder")?;
    let jars = work.path().join("kafka");
    let mut maven = repository.command("mvn");
    maven.args(["-B", "-q", "-f"]);
    maven.arg(repository.path("node/xtask/kafka/pom.xml"));
    maven.arg("org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies");
    maven.arg(format!("-DoutputDirectory={}", jars.display()));
    maven.arg("-DincludeScope=runtime");
    Step {
        title: "download Kafka from Maven",
        usually: "10 s",
    }
    .run_quietly(maven)?;
    check(repository, &jars)?;
    format(repository, &jars, &work.path().join("server.properties"))?;
    if target.exists() {
        fs::remove_dir_all(target)
            .with_context(|| format!("cannot remove {}", target.display()))?;
    }
    fs::rename(&jars, target).with_context(|| format!("cannot write {}", target.display()))
}

/// Every jar is one of the list, and as it was when that was written.
fn check(repository: &Repository, jars: &Path) -> anyhow::Result<()> {
    let (count, expected) = (fs::read_dir(jars)?.count(), JARS.lines().count());
    ensure!(
        count == expected,
        "Maven brought {count} files, and {expected} are known"
    );
    let list = repository.path("node/xtask/kafka/jars.sha256");
    let mut sums = repository.command("sha256sum");
    sums.args(["--quiet", "-c"]).arg(list).current_dir(jars);
    Step {
        title: "check Kafka's jars",
        usually: "1 s",
    }
    .run_quietly(sums)?;
    Ok(())
}

/// A folder as a new server needs it. It takes a second, and no server changes what is in it: so each
/// begins with a copy.
fn format(repository: &Repository, jars: &Path, properties: &Path) -> anyhow::Result<()> {
    let data = jars.join(KAFKA_FORMATTED);
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         controller.quorum.voters=1@127.0.0.1:2\nlog.dirs={}\n",
        data.display()
    );
    fs::write(properties, text)?;
    let mut java = repository.command("java");
    java.arg("-cp").arg(jars.join("*"));
    java.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]);
    java.arg(properties);
    Step {
        title: "format a folder for Kafka",
        usually: "2 s",
    }
    .run_quietly(java)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_jar_is_pinned_by_its_hash() {
        for line in JARS.lines() {
            let (hash, jar) = line.split_once("  ").unwrap();
            assert!(hash.len() == 64 && jar.ends_with(".jar"), "{line}");
        }
        assert!(JARS.contains("kafka_2.13-4.4.0.jar"));
    }
}
