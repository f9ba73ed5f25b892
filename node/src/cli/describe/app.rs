//! An app.

use std::collections::BTreeMap;

use serde::Serialize;
use wrt_deployment::explain;
use wrt_protocol::{ActorKind, Name};

use super::{Described, Scene, lines::Lines};
use crate::{cli::exit::Failure, lattice::Lattice};

/// The form for programs.
#[derive(Serialize)]
struct Shown {
    kind: &'static str,
    app: Name,
    /// None where this build cannot read what is deployed.
    revision: Option<u64>,
    /// Why.
    unreadable: Option<String>,
    /// Revisions that are kept, the last one being deployed.
    revisions: Vec<u64>,
    actors: Vec<ShownActor>,
    /// Nodes that hold on to what they knew of it, and why.
    held: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct ShownActor {
    actor: String,
    kind: ActorKind,
    /// Its code's digest, or its backend's name.
    made_of: String,
    wanted: usize,
    placed: usize,
    ready: usize,
    /// What keeps replicas from being ready, by the node.
    errors: BTreeMap<String, String>,
}

pub(super) async fn describe(
    scene: &Scene,
    lattice: &Lattice,
    app: &Name,
) -> Result<Described, Failure> {
    let past = match lattice.store().await? {
        Some(store) => store.history(app).await?,
        None => Vec::new(),
    };
    let stored = scene.desired.apps.get(app);
    let held = scene.nodes.keys().filter_map(|node| {
        let reason = scene.status(node)?.held.get(app.as_str())?;
        Some((node.to_string(), reason.clone()))
    });
    let shown = Shown {
        kind: "app",
        app: app.clone(),
        revision: stored.map(|stored| stored.revision.0),
        unreadable: scene.desired.held.get(app.as_str()).cloned(),
        revisions: past.iter().map(|past| past.revision.0).collect(),
        actors: actors(scene, app),
        held: held.collect(),
    };
    Ok(Described {
        text: text(&shown),
        json: serde_json::to_value(&shown)?,
    })
}

fn actors(scene: &Scene, app: &Name) -> Vec<ShownActor> {
    let Some(stored) = scene.desired.apps.get(app) else {
        return Vec::new();
    };
    let apps = scene.apps();
    let one = |actor: wrt_protocol::ActorAddress| {
        let explained = explain(apps.iter().copied(), &scene.members, &actor)?;
        let made_of = match actor.kind {
            ActorKind::Component => stored.app.components.get(&actor.name)?.digest.to_string(),
            ActorKind::Provider => stored.app.providers.get(&actor.name)?.backend.clone(),
        };
        let errors = scene.replicas(&actor).filter_map(|replica| {
            let error = replica.error?.to_owned();
            Some((replica.node.to_string(), error))
        });
        Some(ShownActor {
            made_of,
            wanted: explained.wanted,
            placed: explained.placed,
            ready: scene.ready(&actor),
            errors: errors.collect(),
            kind: actor.kind,
            actor: actor.to_string(),
        })
    };
    let actors = stored.app.actors().map(|(actor, _)| actor);
    actors.filter_map(one).collect()
}

fn text(shown: &Shown) -> String {
    let mut lines = Lines::default();
    lines.add("app", shown.app.as_str());
    match (shown.revision, &shown.unreadable) {
        (_, Some(reason)) => lines.add("revision", format!("not readable here: {reason}")),
        (Some(revision), None) => lines.add("revision", revision.to_string()),
        (None, None) => lines.add("revision", "-"),
    }
    let kept: Vec<_> = shown.revisions.iter().map(ToString::to_string).collect();
    lines.add("kept", kept.join(", "));
    lines.list(
        "actors",
        shown.actors.iter().map(|it| {
            format!(
                "{} ({}): {} of {} ready, {} placed",
                it.actor, it.made_of, it.ready, it.wanted, it.placed
            )
        }),
    );
    let errors = shown.actors.iter().flat_map(|it| {
        let errors = it.errors.iter();
        errors.map(|(node, error)| format!("{} on {node}: {error}", it.actor))
    });
    lines.list(
        "troubles",
        errors.chain(
            shown
                .held
                .iter()
                .map(|(node, reason)| format!("{node} goes on with what it knew: {reason}")),
        ),
    );
    lines.text()
}
