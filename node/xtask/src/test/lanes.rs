//! Which suites run beside which.

use anyhow::Context;
use serde::Deserialize;

use crate::{repository::Repository, step::Step};

/// Suites that wait most of their time for what servers, brokers and programs notice, and measure
/// nothing: they run beside all others, one after the other.
const PATIENT: [&str; 6] = [
    "operator",
    "examples",
    "messaging",
    "blobstore",
    "config",
    "features",
];

/// The arguments of `cargo test` for each lane. What is in no list is in `others`, so that a new suite
/// cannot be forgotten.
#[derive(Debug, PartialEq)]
pub struct Lanes {
    /// The patient suites.
    pub patient: String,
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
        if let Some(gone) = PATIENT.iter().find(|name| !suites.contains(name)) {
            anyhow::bail!("there is no suite {gone}: take it out of PATIENT in test/lanes.rs");
        }
        let (patient, others): (Vec<_>, Vec<_>) =
            suites.into_iter().partition(|name| PATIENT.contains(name));
        let chosen = |names: Vec<&str>| names.iter().map(|n| format!(" --test {n}")).collect();
        Ok(Self {
            patient: chosen(patient),
            others: format!(" --lib --bins{}", chosen(others)),
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
        for name in PATIENT {
            assert!(patient.contains(&format!(" --test {name}")));
        }
        for needed in ["--lib", "--bins", "--test scenarios", "--test tidy"] {
            assert!(others.contains(needed), "{others}");
            assert!(!patient.contains(needed), "{patient}");
        }
    }

    #[test]
    fn a_patient_suite_that_is_gone_is_told() {
        let metadata = r#"{"packages": [{"targets": [{"name": "tidy", "kind": ["test"]}]}]}"#;
        let error = Lanes::read(metadata).unwrap_err().to_string();
        assert!(error.starts_with("there is no suite operator"), "{error}");
    }
}
