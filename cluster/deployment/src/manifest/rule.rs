//! `nodes`, `replicas` and `labels`.

use std::collections::BTreeSet;

use wrt_protocol::{
    NodeId,
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
};

use super::section::Section;
use crate::{PlacementRule, ProblemKind, limits::REPLICAS};

impl PlacementRule {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let replicas = section.number_u32("replicas", REPLICAS);
        let nodes = read_nodes(section);
        let labels = section.string_table("labels");
        let findings = section.findings();
        if let (false, true) = (nodes.is_empty(), replicas.is_some() || !labels.is_empty()) {
            let message = format!(
                "{} has `nodes`, and `replicas` or `labels` too",
                section.title
            );
            let help = "keep `nodes` for one replica on each of them, or the others to let the \
                        lattice choose";
            findings.add(ProblemKind::Conflict, section.span.clone(), message, help);
        }
        for (key, (span, value)) in &labels {
            if key.is_empty() || key.len().max(value.get_ref().len()) > LABEL_BYTES_MAX {
                let message = format!("no node can have this label of {}", section.title);
                let help = format!("a label's key and value have at most {LABEL_BYTES_MAX} bytes");
                findings.add(ProblemKind::OutOfRange, span.clone(), message, help);
            }
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
        }
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
