//! What nodes have said lately: asked of each of them, and put in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, SecondsFormat};
use serde::de::DeserializeOwned;
use tokio::time::sleep;
use wrt_protocol::{Epoch, Name, NodeId, limits::HEARTBEAT_INTERVAL};

use super::{args::SelectionArgs, exit::Failure, output::Output};
use crate::{
    Observer, SeenNode,
    journal::{Cursor, Page, Question},
    lattice::Lattice,
};

/// How often one who follows asks.
const ASK_INTERVAL: Duration = Duration::from_millis(500);
/// Answers of one node that are taken before the others are asked again.
const PAGES_MAX: usize = 16;

/// An entry, as it is shown.
pub trait Entry: DeserializeOwned + Send {
    fn unix_nanos(&self) -> u64;
    fn text(&self, node: &NodeId) -> String;
    fn json(&self, node: &NodeId) -> serde_json::Value;
}

/// Of whom something is asked.
pub struct Of {
    pub app: Option<Name>,
    pub name: Option<Name>,
}

impl Of {
    pub fn read(selection: &SelectionArgs) -> Result<Self, Failure> {
        let Some(of) = &selection.of else {
            return Ok(Self {
                app: None,
                name: None,
            });
        };
        let named = |text: &str| Name::new(text).map_err(|error| Failure::usage(error.to_string()));
        let (app, name) = match of.split_once('/') {
            Some((app, name)) => (app, Some(name)),
            None => (of.as_str(), None),
        };
        Ok(Self {
            app: Some(named(app)?),
            name: name.map(named).transpose()?,
        })
    }
}

/// Shows what all nodes, or the one that is meant, answer to a question; for ever where somebody follows.
/// `is_shown` may leave out what has been shown already.
pub async fn show<T: Entry>(
    lattice: &Lattice,
    selection: &SelectionArgs,
    output: Output,
    question: impl Fn(Option<Cursor>) -> Question,
    mut is_shown: impl FnMut(&T) -> bool,
) -> Result<(), Failure> {
    let observer = lattice.observe().await?;
    observer.settle(HEARTBEAT_INTERVAL * 3).await;
    let mut reader = Reader {
        lattice,
        observer,
        only: selection.node.clone(),
        cursors: BTreeMap::new(),
        is_first: true,
        silent: BTreeSet::new(),
        output,
    };
    if reader.nodes().is_empty() {
        let which = selection.node.as_ref().map(|node| format!(" {node}"));
        return Err(Failure::failed(anyhow::anyhow!(
            "no node{} is on lattice {}",
            which.unwrap_or_default(),
            lattice.name()
        )));
    }
    loop {
        let entries: Vec<(NodeId, T)> = reader.round(&question).await;
        for (node, entry) in entries.into_iter().filter(|(_, entry)| is_shown(entry)) {
            output.result(&entry.text(&node), &entry.json(&node));
        }
        if !selection.follow {
            return Ok(());
        }
        sleep(ASK_INTERVAL).await;
    }
}

struct Reader<'a> {
    lattice: &'a Lattice,
    observer: Observer,
    only: Option<NodeId>,
    cursors: BTreeMap<NodeId, Cursor>,
    is_first: bool,
    /// Nodes that did not answer, each told once.
    silent: BTreeSet<NodeId>,
    output: Output,
}

impl Reader<'_> {
    fn nodes(&self) -> Vec<NodeId> {
        let nodes = self.observer.nodes().into_values();
        let nodes = nodes.filter(SeenNode::is_alive).map(|seen| seen.beat.node);
        let is_meant = |node: &NodeId| self.only.as_ref().is_none_or(|only| only == node);
        nodes.filter(is_meant).collect()
    }

    /// What is new since the last round, by its time.
    async fn round<T: Entry>(
        &mut self,
        question: &impl Fn(Option<Cursor>) -> Question,
    ) -> Vec<(NodeId, T)> {
        let nodes = self.nodes();
        let read = nodes.iter().map(|node| self.read(node, question));
        let read: Vec<Read<T>> = futures::future::join_all(read).await;
        self.is_first = false;
        let mut all = Vec::new();
        for (node, read) in nodes.into_iter().zip(read) {
            if read.missed > 0 {
                let missed = read.missed;
                let text = format!("{missed} of {node} are missing: it has said too much since");
                let json = serde_json::json!({ "node": node, "missed": missed });
                self.output.result(&text, &json);
            }
            match read.cursor {
                Some(cursor) => {
                    self.silent.remove(&node);
                    self.cursors.insert(node.clone(), cursor);
                }
                None if self.silent.insert(node.clone()) => {
                    let text =
                        format!("{node} does not answer, or is of a build that keeps nothing");
                    self.output.progress(&text);
                }
                None => {}
            }
            all.extend(read.entries.into_iter().map(|entry| (node.clone(), entry)));
        }
        all.sort_by_key(|(_, entry): &(NodeId, T)| entry.unix_nanos());
        all
    }

    async fn read<T: Entry>(
        &self,
        node: &NodeId,
        question: &impl Fn(Option<Cursor>) -> Question,
    ) -> Read<T> {
        let mut read = Read {
            entries: Vec::new(),
            missed: 0,
            cursor: self.cursors.get(node).copied(),
        };
        let before = read.cursor;
        // One that has come since has said nothing that was shown.
        let anew = Cursor {
            epoch: Epoch(0),
            number: 0,
        };
        let mut after = match self.is_first {
            true => None,
            false => Some(before.unwrap_or(anew)),
        };
        read.cursor = None;
        for _page in 0..PAGES_MAX {
            let page = self.lattice.ask::<Page<T>>(node, &question(after)).await;
            let Some(page) = page else { return read };
            let is_last = after.is_none() || page.entries.is_empty();
            read.missed += page.missed;
            read.entries.extend(page.entries);
            read.cursor = Some(page.next);
            if is_last {
                break;
            }
            after = Some(page.next);
        }
        read
    }
}

/// What a node has answered in a round; no cursor where it did not.
struct Read<T> {
    entries: Vec<T>,
    missed: u64,
    cursor: Option<Cursor>,
}

/// RFC 3339, in milliseconds.
pub fn time(unix_nanos: u64) -> String {
    let nanos = i64::try_from(unix_nanos).unwrap_or(i64::MAX);
    DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::Millis, true)
}
