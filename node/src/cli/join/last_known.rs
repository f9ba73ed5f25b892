//! The desired state as it was last seen, for a start while JetStream is away.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use wrt_deployment::{DesiredApp, Revision, Snapshot, StoredApp};

#[derive(Serialize, Deserialize)]
struct Kept {
    revision: u64,
    app: serde_json::Value,
}

/// Keeps a snapshot; that it could not be kept matters only at such a start.
pub fn keep(path: Option<&Path>, snapshot: &Snapshot) {
    let Some(path) = path else { return };
    let kept = |stored: &StoredApp| Kept {
        revision: stored.revision.0,
        app: serde_json::from_slice(&stored.app.to_json()).unwrap_or_default(),
    };
    let apps: Vec<Kept> = snapshot.apps.values().map(kept).collect();
    let partial = path.with_extension("partial");
    let written = serde_json::to_vec(&apps)
        .map_err(std::io::Error::other)
        .and_then(|json| {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(&partial, json)?;
            fs::rename(&partial, path)
        });
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "the desired state is not kept");
    }
}

/// What was kept, if anything was.
pub fn read(path: Option<&Path>) -> Option<Snapshot> {
    let kept: Vec<Kept> = serde_json::from_slice(&fs::read(path?).ok()?).ok()?;
    let mut apps = BTreeMap::new();
    for Kept { revision, app } in kept {
        let app = DesiredApp::from_json(app.to_string().as_bytes()).ok()?;
        apps.insert(
            app.app.clone(),
            StoredApp {
                revision: Revision(revision),
                app,
            },
        );
    }
    Some(Snapshot {
        apps,
        unreadable: BTreeMap::new(),
    })
}
