//! `wrt up`

mod progress;
mod wait;

use std::{collections::BTreeSet, time::Duration};

use wrt_deployment::{DesiredApp, Digest, Pushed, Revision, Scope, Store, StoreError};
use wrt_runtime::Runtime;

use super::{
    args::{LatticeArgs, UpArgs},
    collect::collect,
    exit::Failure,
    manifest_file,
    output::Output,
    program,
};
use crate::lattice::Lattice;
use wait::Waiting;

/// How often somebody else may get in between reading an app and changing it.
const PUT_ATTEMPTS_MAX: usize = 5;

pub async fn up(
    runtime: &Runtime,
    lattice: &LatticeArgs,
    arguments: UpArgs,
    output: Output,
) -> Result<(), Failure> {
    // Once without the lattice: a mistake in a manifest is told where no server is, too.
    let path = &arguments.manifest;
    manifest_file::read(path, runtime, Scope::Lattice, None, &[])?;
    let lattice = Lattice::connect(&lattice.servers(), lattice.lattice_name.clone()).await?;
    let store = lattice.make_store(arguments.state_copies).await?;
    let deployed = store.snapshot().await?;
    let others: Vec<&DesiredApp> = deployed.apps.values().map(|stored| &stored.app).collect();
    let manifest = manifest_file::read(path, runtime, Scope::Lattice, None, &others)?;
    let (app, components) = (manifest.checked.app, manifest.checked.components);
    for bytes in components.values() {
        let (digest, pushed) = store.push(&app.app, bytes).await?;
        if pushed == Pushed::New {
            output.progress(&format!("pushed {digest}, {} bytes", bytes.len()));
        }
    }
    let (mut revision, released) = put(&store, &app).await?;
    store.claim(&app, revision, &components).await?;
    output.progress(&format!(
        "{} is deployed in revision {}",
        app.app, revision.0
    ));
    drop(components);
    collect(&store, &released, output).await;
    if arguments.timeout > 0 {
        let waiting = Waiting {
            lattice: &lattice,
            store: &store,
            app: &app,
            others: &others,
            revision,
            output,
        };
        let waited = waiting.wait(Duration::from_secs(arguments.timeout));
        revision = waited.await?;
    }
    lattice.close().await;
    let json = serde_json::json!({ "app": app.app, "revision": revision.0, "ready": arguments.timeout > 0 });
    let text = match arguments.timeout {
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

/// Stores the app in place of whatever is there; the last of two that deploy at once wins, as a
/// whole. Answers its revision, and the code that what was there has named.
async fn put(store: &Store, app: &DesiredApp) -> Result<(Revision, BTreeSet<Digest>), Failure> {
    let mut attempt = 1;
    loop {
        let (expected, stored) = match store.app(&app.app).await {
            Ok(Some(stored)) => (Some(stored.revision), Some(stored.app)),
            Ok(None) => (None, None),
            Err(StoreError::Unreadable { app, revision, .. }) => {
                tracing::warn!(%app, "replaces what another version of WRT stored");
                (Some(revision), None)
            }
            Err(error) => return Err(error.into()),
        };
        if let (Some(revision), Some(stored)) = (expected, &stored)
            && stored == app
        {
            return Ok((revision, BTreeSet::new()));
        }
        match store.put(app, expected).await {
            Err(StoreError::Conflict { .. }) if attempt < PUT_ATTEMPTS_MAX => attempt += 1,
            put => {
                let released = stored.iter().flat_map(DesiredApp::code).collect();
                return Ok((put?, released));
            }
        }
    }
}
