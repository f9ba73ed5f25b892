//! `wrt up`

use wrt_deployment::{DesiredApp, Scope};
use wrt_protocol::subject::Role;
use wrt_runtime::Runtime;

use super::{
    args::{LatticeArgs, UpArgs},
    consent::Consent,
    deploy::{Deployment, deploy},
    exit::Failure,
    manifest_file,
    output::Output,
    program,
};

pub async fn up(
    runtime: &Runtime,
    lattice: &LatticeArgs,
    arguments: UpArgs,
    output: Output,
) -> Result<(), Failure> {
    // Once without the lattice: a mistake in a manifest is told where no server is, too.
    let path = &arguments.manifest;
    manifest_file::read(path, runtime, Scope::Lattice, None, &[])?;
    let lattice = lattice.connect(Role::Operator).await?;
    let store = lattice.make_store(arguments.state_copies).await?;
    let deployed = store.snapshot().await?;
    let others: Vec<&DesiredApp> = deployed.apps.values().map(|stored| &stored.app).collect();
    let manifest = manifest_file::read(path, runtime, Scope::Lattice, None, &others)?;
    let (app, components) = (manifest.checked.app, manifest.checked.components);
    let deployment = Deployment {
        lattice: &lattice,
        store: &store,
        app: &app,
        others: &others,
        cordons: &deployed.cordons,
        consent: Consent::of(arguments.deployment.yes),
        timeout: arguments.deployment.timeout,
        output,
    };
    let revision = deploy(&deployment, Some(components)).await?;
    lattice.close().await;
    let json = serde_json::json!({ "app": app.app, "revision": revision.0, "ready": arguments.deployment.timeout > 0 });
    let text = match arguments.deployment.timeout {
        0 => format!(
            "{} is deployed; `{} ps` shows how far it is",
            app.app,
            program::name()
        ),
        _ => format!("{} is up: every replica is ready", app.app),
    };
    output.result(&text, &json);
    Ok(())
}
