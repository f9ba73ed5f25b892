//! `nodes`, `replicas`, `exclusive`, `labels`, `spread`, `apart_from` and `room`.

use std::collections::BTreeSet;

use toml::Spanned;
use wrt_protocol::{
    NodeId,
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
};

use super::section::{NumberOrWord, Section};
use crate::{
    PlacementRule, ProblemKind, Room, Span,
    limits::{APART_FROM_MAX, REPLICAS, ROOM_CONCURRENCY, ROOM_MEMORY_BYTES},
};

/// What `replicas` says for one on each node.
const EVERY: &str = "every";

impl PlacementRule {
    /// All but `apart_from`, which names actors: whether they are there is seen when all are read.
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let (replicas, every_node) = match section.number_or_word("replicas", REPLICAS, EVERY) {
            Some(NumberOrWord::Number(number)) => (u32::try_from(number).ok(), false),
            Some(NumberOrWord::Word) => (None, true),
            None => (None, false),
        };
        let nodes = read_nodes(section);
        let labels = section.string_table("labels");
        let spread = read_spread(section);
        let is_chosen = section.has("replicas") || !labels.is_empty() || spread.is_some();
        let exclusive = section.boolean("exclusive").filter(|it| *it.get_ref());
        let findings = section.findings();
        let is_several = every_node || nodes.len() > 1 || replicas.is_some_and(|it| it > 1);
        if let Some(exclusive) = exclusive.as_ref().filter(|_| is_several) {
            let message = format!(
                "{} is `exclusive`, and goes to several nodes",
                section.title
            );
            let help = "name one node at most, and leave `replicas` out: of what is exclusive one replica serves";
            findings.add(ProblemKind::Conflict, exclusive.span(), message, help);
        }
        if !nodes.is_empty() && is_chosen {
            let message = format!(
                "{} has `nodes`, and `replicas`, `labels` or `spread` too",
                section.title
            );
            let help = "keep `nodes` for one replica on each of them, or the others to let the \
                        lattice choose";
            findings.add(ProblemKind::Conflict, section.span.clone(), message, help);
        } else if let (Some(spread), None) = (&spread, replicas) {
            let message = format!("{} has `spread`, and no number of replicas", section.title);
            let help = "say how many are spread: `replicas = 3`";
            findings.add(ProblemKind::Conflict, spread.span(), message, help);
        }
        for (key, (span, value)) in &labels {
            check_label(section, span.clone(), key, value.get_ref());
        }
        if labels.len() > LABELS_MAX {
            let message = format!("{} asks for {} labels", section.title, labels.len());
            let help = format!("a node has at most {LABELS_MAX}");
            findings.add(ProblemKind::OutOfRange, section.span.clone(), message, help);
        }
        let labels = labels
            .into_iter()
            .map(|(key, (_, value))| (key, value.into_inner()))
            .collect();
        Self {
            nodes,
            labels,
            replicas,
            every_node,
            exclusive: exclusive.is_some(),
            spread: spread.map(Spanned::into_inner),
            apart_from: BTreeSet::new(),
            room: read_room(section),
        }
    }
}

/// `apart_from`, as it is written.
pub(super) fn read_apart_from(section: &mut Section<'_, '_>) -> Vec<Spanned<String>> {
    let Some(list) = section.strings("apart_from") else {
        return Vec::new();
    };
    if list.get_ref().len() > APART_FROM_MAX {
        let message = format!("`apart_from` of {} is too long", section.title);
        let help = format!("name at most {APART_FROM_MAX}, or give their nodes labels");
        let findings = section.findings();
        findings.add(ProblemKind::TooLarge, list.span(), message, help);
    }
    list.into_inner()
}

fn read_spread(section: &mut Section<'_, '_>) -> Option<Spanned<String>> {
    let spread = section.string("spread")?;
    check_label(section, spread.span(), spread.get_ref(), "");
    Some(spread)
}

fn check_label(section: &Section<'_, '_>, span: Span, key: &str, value: &str) {
    if key.is_empty() || key.len().max(value.len()) > LABEL_BYTES_MAX {
        let message = format!("no node can have this label of {}", section.title);
        let help = format!("a label's key and value have at most {LABEL_BYTES_MAX} bytes");
        let findings = section.findings();
        findings.add(ProblemKind::OutOfRange, span, message, help);
    }
}

fn read_room(section: &mut Section<'_, '_>) -> Room {
    let Some(mut table) = section.section("room") else {
        return Room::default();
    };
    let memory_bytes = table.number("memory_bytes", ROOM_MEMORY_BYTES);
    let concurrency = table.number("concurrency", ROOM_CONCURRENCY);
    table.finish();
    Room {
        memory_bytes: memory_bytes.unwrap_or(0),
        concurrency: concurrency.unwrap_or(0),
    }
}

fn read_nodes(section: &mut Section<'_, '_>) -> Vec<NodeId> {
    let Some(list) = section.strings("nodes") else {
        return Vec::new();
    };
    let findings = section.findings();
    if list.get_ref().is_empty() {
        let message = format!("`nodes` of {} names no node", section.title);
        let help = "name one, or leave `nodes` out";
        findings.add(ProblemKind::OutOfRange, list.span(), message, help);
    }
    let mut seen = BTreeSet::new();
    let mut nodes = Vec::new();
    for text in list.into_inner() {
        let Some(name) = findings.name(text.get_ref(), text.span()) else {
            continue;
        };
        let node = NodeId::from(name.into_inner());
        if seen.insert(node.clone()) {
            nodes.push(node);
        } else {
            let message = format!("{} names node `{node}` twice", section.title);
            let help = "remove one: a node has one replica of it";
            findings.add(ProblemKind::Conflict, text.span(), message, help);
        }
    }
    nodes
}
