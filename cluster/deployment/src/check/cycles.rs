//! Components that would call each other in a circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wrt_protocol::Name;

use super::{Check, Ends};
use crate::{ProblemKind, Span};

/// Who calls whom.
pub(super) type Calls = BTreeMap<Name, BTreeSet<Name>>;

impl Check<'_> {
    /// No chain of links may come back to where it began: such a call would never end.
    pub(super) fn cycles(&self) {
        let mut spans = BTreeMap::new();
        for (name, end, span) in self.links_between_components() {
            spans.entry((name.clone(), end.clone())).or_insert(span);
        }
        let calls = self.calls_between_components();
        for cycle in cycles(&calls) {
            let path = path_of(&cycle);
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

impl Check<'_> {
    pub(super) fn calls_between_components(&self) -> Calls {
        let mut calls = Calls::new();
        for (name, end, _) in self.links_between_components() {
            calls.entry(name.clone()).or_default().insert(end.clone());
        }
        calls
    }

    fn links_between_components(&self) -> impl Iterator<Item = (&Name, &Name, Span)> {
        let components = self.manifest.components.iter();
        let links = components.flat_map(|(name, component)| {
            let links = component.links.iter();
            links.map(move |link| (name, &link.end))
        });
        links.filter_map(|(name, end)| match self.ends(end.get_ref()) {
            Ends::Component(called) => Some((name, called, end.span())),
            Ends::Provider(_) | Ends::Both | Ends::Nobody => None,
        })
    }
}

/// A cycle as people read it: back to where it began.
pub(super) fn path_of(cycle: &[Name]) -> String {
    let names = cycle.iter().chain(cycle.first());
    let names: Vec<&str> = names.map(Name::as_str).collect();
    names.join(" -> ")
}

/// A shortest cycle through each name that is on one, each cycle once, from its least name on.
pub(super) fn cycles(calls: &Calls) -> BTreeSet<Vec<Name>> {
    let through_each = calls
        .keys()
        .filter_map(|name| shortest_way(calls, name, name));
    through_each.map(from_the_least).collect()
}

/// Whether a link of `to` that ends at `from` would close a circle.
pub(super) fn leads_to(calls: &Calls, from: &Name, to: &Name) -> bool {
    from == to || shortest_way(calls, from, to).is_some()
}

/// A shortest way of at least one call, without `to` at its end.
fn shortest_way<'a>(calls: &'a Calls, from: &'a Name, to: &Name) -> Option<Vec<&'a Name>> {
    let mut came_from: BTreeMap<&Name, &Name> = BTreeMap::new();
    let mut reached = VecDeque::from([from]);
    while let Some(name) = reached.pop_front() {
        for called in calls.get(name).into_iter().flatten() {
            if called == to {
                let back = std::iter::successors(Some(name), |name| came_from.get(name).copied());
                let mut way: Vec<&Name> = back.collect();
                way.reverse();
                return Some(way);
            }
            // Where it began is reached already, so that the way back ends there.
            if called != from && !came_from.contains_key(called) {
                came_from.insert(called, name);
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
