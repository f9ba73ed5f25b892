//! What each actor wants, and whose turn comes first.
//!
//! An actor that asks for no room and is kept apart from nobody goes where it goes, whatever others
//! do. Only the turn of the others matters. It comes from the desired state alone, so that nodes which
//! come and go change nobody's turn: whoever can go to fewer places comes first (named nodes, then each
//! node, then labels), then who takes more room, then the name.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use wrt_protocol::ActorAddress;

use super::{PlacementRule, Room};
use crate::DesiredApp;

/// How many replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// One on each of the nodes that its rule names.
    Named,
    /// One on each node that may have it.
    Each,
    /// So many.
    Number(usize),
}

/// What an actor wants.
#[derive(Debug, Clone)]
pub(super) struct Wish<'a> {
    pub(super) actor: ActorAddress,
    pub(super) rule: &'a PlacementRule,
    pub(super) reach: Reach,
    /// Those that are on no node with it, whoever said so.
    pub(super) apart: BTreeSet<ActorAddress>,
}

/// Whose turn it is.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// It can go nowhere else.
    Named,
    /// It wants all of them, and says of nobody that it yields to them.
    Each,
    Labelled,
    Anywhere,
    /// It wants all that those leave over which it is to be kept apart from.
    EachOther,
}

impl Wish<'_> {
    /// Whether others count where it goes, or it counts where others go.
    pub(super) fn is_entangled(&self) -> bool {
        !self.apart.is_empty() || !self.rule.room.is_nothing()
    }

    fn turn(&self) -> (Turn, Reverse<Room>, &ActorAddress) {
        let turn = match self.reach {
            Reach::Named => Turn::Named,
            Reach::Each if self.rule.apart_from.is_empty() => Turn::Each,
            Reach::Each => Turn::EachOther,
            Reach::Number(_) if !self.rule.labels.is_empty() => Turn::Labelled,
            Reach::Number(_) => Turn::Anywhere,
        };
        (turn, Reverse(self.rule.room), &self.actor)
    }
}

/// What all apps want, in turn.
pub(super) fn wishes<'a>(apps: impl IntoIterator<Item = &'a DesiredApp>) -> Vec<Wish<'a>> {
    let wishes = apps.into_iter().flat_map(of_app);
    // Most are free, and their order does not matter: there is nothing to sort.
    let (mut turns, free): (Vec<_>, Vec<_>) = wishes.partition(Wish::is_entangled);
    turns.sort_unstable_by(|a, b| a.turn().cmp(&b.turn()));
    turns.extend(free);
    turns
}

fn of_app(app: &DesiredApp) -> impl Iterator<Item = Wish<'_>> {
    let mut apart = kept_apart(app);
    app.actors().map(move |(actor, rule)| Wish {
        reach: match rule.replicas {
            _ if !rule.nodes.is_empty() => Reach::Named,
            _ if app.goes_to_each_node(&actor) => Reach::Each,
            replicas => Reach::Number(replicas.unwrap_or(1) as usize),
        },
        apart: apart.remove(&actor).unwrap_or_default(),
        actor,
        rule,
    })
}

/// Who is kept apart from whom: both know of it, whichever has said so.
fn kept_apart(app: &DesiredApp) -> BTreeMap<ActorAddress, BTreeSet<ActorAddress>> {
    let mut apart: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let said = app.actors().filter(|(_, rule)| !rule.apart_from.is_empty());
    for (actor, rule) in said {
        for other in rule.kept_from(&actor) {
            apart
                .entry(other.clone())
                .or_default()
                .insert(actor.clone());
            apart.entry(actor.clone()).or_default().insert(other);
        }
    }
    apart
}
