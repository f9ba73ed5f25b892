//! A manifest on disk.

use std::{fs, path::Path};

use anyhow::Context as _;
use wrt_component::Engines;
use wrt_deployment::{Checked, DesiredApp, Manifest, Scope};
use wrt_runtime::Runtime;

use super::exit::Failure;
use crate::{AppEnvironment, LocalCode, NodeCatalog};

/// A manifest that was read and checked.
pub struct CheckedManifest {
    /// What it asks for.
    pub checked: Checked,
    /// Its code, artefacts included.
    pub code: std::collections::BTreeMap<wrt_deployment::Digest, LocalCode>,
}

/// Reads and checks a manifest, also against the `others` that are deployed. Where it is to run `here`,
/// its components may be artefacts, and the environment fills what it leaves out.
pub fn read(
    path: &Path,
    runtime: &Runtime,
    scope: Scope,
    here: Option<(Engines, AppEnvironment)>,
    others: &[&DesiredApp],
) -> Result<CheckedManifest, Failure> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the manifest {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let (engines, environment) = here.unzip();
    let environment = environment.unwrap_or_else(AppEnvironment::nothing);
    let catalog = NodeCatalog::new(runtime.clone(), folder, engines).with_environment(environment);
    let manifest = Manifest::read(&path.display().to_string(), &text)?;
    let checked = manifest.check(&catalog, scope, others)?;
    let components = checked.components.iter();
    let mut code: std::collections::BTreeMap<_, _> = components
        .map(|(digest, bytes)| (*digest, LocalCode::Component(bytes.clone())))
        .collect();
    for (digest, artefact) in catalog.into_artefacts() {
        code.insert(digest, LocalCode::Artefact(artefact));
    }
    Ok(CheckedManifest { checked, code })
}
