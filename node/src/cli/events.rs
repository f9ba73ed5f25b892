//! `wrt events`: what has happened, as the nodes have seen it.

use std::{collections::BTreeMap, time::Duration};

use wrt_host::Printable;
use wrt_protocol::{NodeId, subject::Role};

use super::{
    args::{EventsArgs, LatticeArgs},
    exit::Failure,
    journals::{Entry, Of, show, time},
    output::Output,
};
use crate::journal::{EventLine, EventQuestion, Question};

/// What several nodes say within this time is one event.
const SAME_WITHIN: Duration = Duration::from_secs(10);
/// Events that are remembered as told.
const TOLD_MAX: usize = 10_000;

pub async fn events(
    lattice: &LatticeArgs,
    arguments: EventsArgs,
    output: Output,
) -> Result<(), Failure> {
    let selection = arguments.selection;
    let of = Of::read(&selection)?;
    let lattice = lattice.connect(Role::Observer).await?;
    let question = |after| {
        Question::Events(EventQuestion {
            after,
            tail: selection.tail,
            app: of.app.clone(),
            name: of.name.clone(),
        })
    };
    let mut told = Told::default();
    let is_new = |event: &EventLine| told.is_new(event);
    let shown = show(&lattice, &selection, output, question, is_new).await;
    lattice.close().await;
    shown
}

/// What was told, and when it was.
#[derive(Default)]
struct Told(BTreeMap<String, u64>);

impl Told {
    /// What happens to a replica one node says; of apps and nodes all of them do.
    fn is_new(&mut self, event: &EventLine) -> bool {
        if event.actor.is_some() {
            return true;
        }
        let within = u64::try_from(SAME_WITHIN.as_nanos()).unwrap_or(u64::MAX);
        let last = self.0.get(&event.text);
        let is_new = last.is_none_or(|last| event.unix_nanos.abs_diff(*last) > within);
        if is_new {
            if self.0.len() >= TOLD_MAX {
                self.0.clear();
            }
            self.0.insert(event.text.clone(), event.unix_nanos);
        }
        is_new
    }
}

impl Entry for EventLine {
    fn unix_nanos(&self) -> u64 {
        self.unix_nanos
    }

    fn text(&self, node: &NodeId) -> String {
        let (kind, text) = (Printable(&self.kind).to_string(), Printable(&self.text));
        format!("{} {kind:10} {node}: {text}", time(self.unix_nanos))
    }

    fn json(&self, node: &NodeId) -> serde_json::Value {
        serde_json::json!({
            "time": time(self.unix_nanos), "node": node, "kind": self.kind, "app": self.app,
            "actor": self.actor, "about": self.about, "revision": self.revision, "text": self.text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_node_says_of_an_app_is_told_once() {
        let event = |seconds: u64, text: &str, actor: Option<&str>| EventLine {
            unix_nanos: seconds * 1_000_000_000,
            kind: "deployed".to_owned(),
            app: Some("shop".to_owned()),
            actor: actor.map(str::to_owned),
            about: None,
            revision: Some(7),
            text: text.to_owned(),
        };
        let mut told = Told::default();
        assert!(told.is_new(&event(100, "shop is deployed", None)));
        assert!(!told.is_new(&event(99, "shop is deployed", None)));
        assert!(!told.is_new(&event(109, "shop is deployed", None)));
        assert!(told.is_new(&event(120, "shop is deployed", None)));
        assert!(told.is_new(&event(120, "shop is removed", None)));
        for _ in 0..2 {
            assert!(told.is_new(&event(1, "serves here", Some("component/shop/cart"))));
        }
    }
}
