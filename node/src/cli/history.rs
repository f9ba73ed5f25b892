//! `wrt history`

use chrono::{DateTime, SecondsFormat};
use comfy_table::{Table, presets};
use serde::Serialize;
use wrt_deployment::{Difference, PastApp, StoredAt, differences};
use wrt_host::Printable;
use wrt_protocol::{Name, subject::Role};

use super::{
    args::{HistoryArgs, LatticeArgs},
    exit::Failure,
    output::Output,
};
use crate::lattice::Lattice;

pub async fn history(
    lattice: &LatticeArgs,
    arguments: HistoryArgs,
    output: Output,
) -> Result<(), Failure> {
    let app = Name::new(&arguments.app).map_err(|error| Failure::usage(error.to_string()))?;
    let lattice = lattice.connect(Role::Observer).await?;
    let past = past(&lattice, &app).await;
    lattice.close().await;
    let shown = shown(&past?);
    let json = serde_json::json!({ "app": app, "revisions": shown });
    output.result(&table(&shown), &json);
    Ok(())
}

/// The revisions of an app, the one that is deployed last; there is one at least.
pub async fn past(lattice: &Lattice, app: &Name) -> Result<Vec<PastApp>, Failure> {
    let past = match lattice.store().await? {
        Some(store) => store.history(app).await?,
        None => Vec::new(),
    };
    if past.is_empty() {
        return Err(Failure::failed(anyhow::anyhow!(
            "no app {app} is deployed on lattice {}",
            lattice.name()
        )));
    }
    Ok(past)
}

/// A revision, as it is printed.
#[derive(Debug, Serialize)]
struct Shown {
    revision: u64,
    /// RFC 3339, by the NATS server's clock.
    stored_at: String,
    /// Whether it is the one that is deployed.
    deployed: bool,
    /// What it changed of the one before; none where that is not known, or this one cannot be read.
    changes: Option<Vec<String>>,
    /// Why this build cannot read it.
    unreadable: Option<String>,
}

fn shown(past: &[PastApp]) -> Vec<Shown> {
    let one = |(at, one): (usize, &PastApp)| {
        let before = at.checked_sub(1).and_then(|before| past.get(before));
        let before = before.and_then(|before| before.app.as_ref().ok());
        let changes = one.app.as_ref().ok().zip(before).map(|(app, before)| {
            let all = differences(Some(before), app);
            all.iter().map(Difference::to_string).collect()
        });
        Shown {
            revision: one.revision.0,
            stored_at: time(one.stored_at),
            deployed: at + 1 == past.len(),
            changes,
            unreadable: one.app.as_ref().err().cloned(),
        }
    };
    past.iter().enumerate().map(one).collect()
}

fn time(at: StoredAt) -> String {
    DateTime::from_timestamp_nanos(at.0).to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn table(all: &[Shown]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["REVISION", "STORED", "", "CHANGES"]);
    for one in all {
        let changes = match (&one.changes, &one.unreadable) {
            (_, Some(reason)) => format!("this build cannot read it: {reason}"),
            (Some(changes), None) if changes.is_empty() => "nothing".to_owned(),
            (Some(changes), None) => changes.join("; "),
            (None, None) => "what was before it is not kept".to_owned(),
        };
        table.add_row([
            one.revision.to_string(),
            one.stored_at.clone(),
            if one.deployed { "deployed" } else { "" }.to_owned(),
            Printable(&changes).to_string(),
        ]);
    }
    let lines = table.to_string();
    let lines: Vec<_> = lines.lines().map(str::trim_end).collect();
    lines.join("\n")
}
