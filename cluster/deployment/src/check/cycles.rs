//! Components that would call each other in a circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wrt_protocol::Name;

use super::{Check, Ends};
use crate::ProblemKind;

/// Who calls whom.
pub(super) type Calls = BTreeMap<Name, BTreeSet<Name>>;

impl Check<'_> {
    /// No chain of links may come back to where it began: such a call would never end.
    pub(super) fn cycles(&self) {
        let mut calls = Calls::new();
        let mut spans = BTreeMap::new();
        for (name, component) in &self.manifest.components {
            for link in &component.links {
                if let Ends::Component(end) = self.ends(link.end.get_ref()) {
                    calls.entry(name.clone()).or_default().insert(end.clone());
                    spans
                        .entry((name.clone(), end.clone()))
                        .or_insert_with(|| link.end.span());
                }
            }
        }
        for cycle in cycles(&calls) {
            let path: Vec<&str> = cycle
                .iter()
                .chain(cycle.first())
                .map(Name::as_str)
                .collect();
            let path = path.join(" -> ");
            let (message, help) = match cycle.as_slice() {
                [only] => (
                    format!("component `{only}` is linked to itself: {path}"),
                    "link it to a provider, or to another component",
                ),
                _ => (
                    format!("links lead in a circle: {path}"),
                    "lead one of them to a provider, or to a component outside of the circle",
                ),
            };
            // The link that closes it: in a chain written from front to back, the odd one.
            let closing = cycle.last().cloned().zip(cycle.first().cloned());
            let span = closing.and_then(|closing| spans.get(&closing).cloned());
            self.findings
                .add(ProblemKind::LinkCycle, span.unwrap_or(0..0), message, help);
        }
    }
}

/// A shortest cycle through each name that is on one, each cycle once, from its least name on.
pub(super) fn cycles(calls: &Calls) -> BTreeSet<Vec<Name>> {
    let through_each = calls.keys().filter_map(|name| shortest(calls, name));
    through_each.map(from_the_least).collect()
}

/// A shortest way from `start` back to it, without `start` at its end.
fn shortest<'a>(calls: &'a Calls, start: &'a Name) -> Option<Vec<&'a Name>> {
    let next = |name| calls.get(name).into_iter().flatten();
    let mut came_from: BTreeMap<&Name, &Name> = BTreeMap::new();
    let mut reached = VecDeque::from([start]);
    while let Some(name) = reached.pop_front() {
        for called in next(name) {
            if called == start {
                let back = std::iter::successors(Some(name), |name| came_from.get(name).copied());
                let mut cycle: Vec<&Name> = back.collect();
                cycle.reverse();
                return Some(cycle);
            }
            if let std::collections::btree_map::Entry::Vacant(entry) = came_from.entry(called) {
                entry.insert(name);
                reached.push_back(called);
            }
        }
    }
    None
}

fn from_the_least(mut cycle: Vec<&Name>) -> Vec<Name> {
    let least = (0..cycle.len()).min_by_key(|at| cycle[*at]).unwrap_or(0);
    cycle.rotate_left(least);
    cycle.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests;
