//! Which suites run beside which.

use anyhow::Context;
use serde::Deserialize;

use crate::{repository::Repository, step::Step};

/// Suites that wait most of their time for what servers, brokers and programs notice: two lanes of them
/// run beside all others, each one after the other.
const PATIENT: [&[&str]; 2] = [
    &["blobstore", "config", "examples", "features", "messaging"],
    &["operator", "scenarios"],
];

/// The arguments of `cargo test` for each lane. What is in no list is in `others`, so that a new suite
/// cannot be forgotten.
#[derive(Debug, PartialEq)]
pub struct Lanes {
    /// The patient suites.
    pub patient: [String; 2],
    /// Unit tests and all other suites.
    pub others: String,
}

impl Lanes {
    /// The workspace's.
    pub fn of(repository: &Repository) -> anyhow::Result<Self> {
        let step = Step {
            title: "list the suites",
            usually: "0.2 s",
        };
        let metadata = repository.cargo("metadata --no-deps --format-version 1 --locked");
        Self::read(&step.run_quietly(metadata)?)
    }

    fn read(metadata: &str) -> anyhow::Result<Self> {
        let workspace: Workspace = serde_json::from_str(metadata)
            .context("what `cargo metadata` prints is not as known")?;
        let targets = workspace.packages.iter().flat_map(|p| &p.targets);
        let mut suites: Vec<&str> = targets
            .filter(|target| target.kind.iter().any(|kind| kind == "test"))
            .map(|target| target.name.as_str())
            .collect();
        suites.sort_unstable();
        suites.dedup();
        if let Some(gone) = PATIENT.concat().iter().find(|it| !suites.contains(it)) {
            anyhow::bail!("there is no suite {gone}: take it out of PATIENT in test/lanes.rs");
        }
        suites.retain(|name| !PATIENT.concat().contains(name));
        let chosen = |names: &[&str]| -> String {
            let each = names.iter().map(|name| format!(" --test {name}"));
            each.collect()
        };
        Ok(Self {
            patient: PATIENT.map(chosen),
            others: format!(" --lib --bins{}", chosen(&suites)),
        })
    }
}

#[derive(Deserialize)]
struct Workspace {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_suite_is_in_one_lane() {
        let Lanes { patient, others } = Lanes::of(&Repository::find()).unwrap();
        let all = format!("{others} {}", patient.concat());
        for needed in [
            "--lib",
            "--bins",
            "--test operator",
            "--test rules",
            "--test tidy",
        ] {
            assert_eq!(all.matches(needed).count(), 1, "{all}");
        }
        for name in PATIENT.concat() {
            assert!(!others.contains(&format!(" --test {name}")), "{others}");
        }
    }

    #[test]
    fn a_patient_suite_that_is_gone_is_told() {
        let metadata = r#"{"packages": [{"targets": [{"name": "tidy", "kind": ["test"]}]}]}"#;
        let error = Lanes::read(metadata).unwrap_err().to_string();
        assert!(error.starts_with("there is no suite blobstore"), "{error}");
    }
}
