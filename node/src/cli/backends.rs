//! `wrt-node backends`

use std::fmt::Write as _;

use serde::Serialize;
use wrt_runtime::{BackendEntry, Runtime, Setting};

use super::{args::BackendsArgs, exit::Failure, output::Output, program};

/// A backend, as a program reads it.
#[derive(Debug, Serialize)]
struct Described {
    backend: &'static str,
    offers: Vec<String>,
    calls: Vec<String>,
    settings: Vec<Setting>,
}

impl From<&BackendEntry> for Described {
    fn from(entry: &BackendEntry) -> Self {
        let names = |names: Vec<_>| names.iter().map(ToString::to_string).collect();
        Self {
            backend: entry.name(),
            offers: names(entry.offers()),
            calls: names(entry.calls()),
            settings: entry.settings(),
        }
    }
}

pub fn backends(
    runtime: &Runtime,
    arguments: &BackendsArgs,
    output: Output,
) -> Result<(), Failure> {
    let mut described = runtime.backends().iter().map(Described::from);
    let Some(wanted) = &arguments.backend else {
        let all: Vec<_> = described.collect();
        let lines: Vec<_> = all.iter().map(brief).collect();
        output.result(&lines.join("\n"), &all);
        return Ok(());
    };
    let Some(found) = described.find(|it| it.backend == wanted) else {
        let names = runtime.backends().iter().map(BackendEntry::name);
        let names: Vec<_> = names.collect();
        return Err(Failure::from(anyhow::anyhow!(
            "{} has no backend `{wanted}`; it has {}",
            program::name(),
            names.join(", ")
        )));
    };
    output.result(whole(&found).trim_end(), &found);
    Ok(())
}

fn brief(it: &Described) -> String {
    let serves = it.offers.iter().chain(&it.calls).map(String::as_str);
    format!(
        "{:<12} {}",
        it.backend,
        serves.collect::<Vec<_>>().join(", ")
    )
}

fn whole(it: &Described) -> String {
    let mut text = format!("{}\n", it.backend);
    for (what, names) in [("offers", &it.offers), ("calls", &it.calls)] {
        if !names.is_empty() {
            let _ = writeln!(text, "  {what} {}", names.join(", "));
        }
    }
    for setting in &it.settings {
        let from = setting.variable.map(|variable| format!(" ({variable})"));
        let default = match (&setting.default, setting.required) {
            (Some(default), _) => format!(" = {default}"),
            (None, true) => ", which must be given".to_owned(),
            (None, false) => String::new(),
        };
        let from = from.unwrap_or_default();
        let _ = writeln!(text, "\n  {}{from}{default}", setting.name);
        let _ = writeln!(text, "      {}", setting.description);
    }
    text
}
