//! What the bus says of one who is silent: whether anybody listens where it would.
//!
//! ```text
//!           missed a heartbeat         nobody listens there           the same, ABSENT_APART later
//! (heard) --------------------> asked --------------------> unknown --------------------------> dead
//!    ^                            |                            |
//!    +---- it beats, it answers --+---- no answer in time -----+      unless something is amiss
//! ```
//!
//! A process that stands still, or gets no time, keeps its connections, and a machine that is cut off keeps
//! them for as long as the server believes in it: there somebody listens, and the answer does not come.
//! Nothing follows from that; such a one dies of its silence.
//!
//! # When that nobody listens proves nothing
//!
//! A client whose server is lost, or that was disconnected, is not there until it has connected again, and
//! lives. So nothing is concluded, and nobody asked,
//!
//! - for [`dead_after`] from when this node's own link is up again, its own pause has ended, enough are heard
//!   again, or it has joined: others may need longer than this node to be back;
//! - unless those who are quiet are a minority of all members, this node included and those who were absent
//!   within the last [`dead_after`] as well. So never more than a minority is absent at a time, and of two
//!   nodes none ever is.

use std::time::Duration;

use tokio::time::Instant;
use wrt_protocol::{Epoch, NodeId};
use wrt_transport::LinkState;

use super::{Entry, MemberTable, ViewChange};
use crate::{Liveness, dead_after, missed_after};

/// Time between the two answers that nobody is there. A client that has lost its connection takes less to
/// make another one, where a server is there.
const ABSENT_APART: Duration = Duration::from_millis(250);
/// How old the second answer may be when something is concluded from it.
const ABSENT_FRESH: Duration = Duration::from_millis(500);
/// A question of which nothing was heard for so long, not even that it had no answer, was never put.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(1);
/// Nodes that are asked at a time.
const ASKED_MAX: usize = 16;

/// A question to one who is silent: is it there?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who.
    pub node: NodeId,
    /// The incarnation that is silent.
    pub epoch: Epoch,
    /// When it was put.
    pub asked_at: Instant,
}

/// What has become of a [`Question`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has answered.
    There,
    /// The bus knows nobody who listens there.
    Unknown,
    /// Somebody listens, and has not answered in time.
    Unanswered,
    /// It did not get to the bus, or what became of it is not known.
    NotAsked,
}

/// What the bus has said of a node since that was heard last.
#[derive(Debug, Default)]
pub(super) struct Absence {
    /// When the question was put that has no answer yet.
    asked_at: Option<Instant>,
    /// When the next one may be.
    next_at: Option<Instant>,
    /// When it was said first, and when last, that nobody is there; nothing else was said in between.
    unknown: Option<(Instant, Instant)>,
}

impl Absence {
    fn is_due(&self, now: Instant) -> bool {
        let is_put = |at| is_within(at, FORGOTTEN_AFTER, now);
        !self.asked_at.is_some_and(is_put) && self.next_at.is_none_or(|at| now >= at)
    }

    fn take(&mut self, question: &Question, presence: Presence, interval: Duration, now: Instant) {
        // Of one that was put before the node was heard, or before an answer that came after all.
        if self.asked_at != Some(question.asked_at) {
            return;
        }
        self.asked_at = None;
        let is_fresh = |(_, last): &(Instant, Instant)| is_within(*last, ABSENT_FRESH, now);
        let before = self.unknown.take().filter(is_fresh);
        let pause = match presence {
            Presence::Unknown => {
                self.unknown = Some((before.map_or(now, |(first, _)| first), now));
                ABSENT_APART
            }
            Presence::There | Presence::Unanswered => interval,
            Presence::NotAsked => ABSENT_APART,
        };
        self.next_at = Some(now + pause);
    }

    fn is_certain(&self, now: Instant) -> bool {
        self.unknown.is_some_and(|(first, last)| {
            !is_within(first, ABSENT_APART, last) && is_within(last, ABSENT_FRESH, now)
        })
    }
}

fn is_within(at: Instant, patience: Duration, now: Instant) -> bool {
    now.saturating_duration_since(at) < patience
}

impl Entry {
    /// Whether it has missed a heartbeat, and has shown no other sign of life either.
    fn is_quiet(&self, now: Instant) -> bool {
        let patience = missed_after(self.interval);
        self.silence(now) >= patience && !is_within(self.shown_at, patience, now)
    }

    /// Whether it was absent a moment ago, and counts among those who are quiet.
    fn was_absent(&self, now: Instant) -> bool {
        let lately = |at| is_within(at, dead_after(self.interval), now);
        self.ended_at.is_some() && self.absent_at.is_some_and(lately)
    }
}

impl MemberTable {
    /// Who is to be asked now whether it is there. Call it after [`MemberTable::tick`]; each question is
    /// to be put at once, and what becomes of it told to [`MemberTable::observe_presence`].
    pub fn questions(&mut self, now: Instant) -> Vec<Question> {
        self.asks = self.may_conclude(now);
        if !self.asks {
            return Vec::new();
        }
        let mut asks = false;
        let mut questions = Vec::new();
        for entry in self.silent_ones().filter(|entry| entry.is_quiet(now)) {
            asks = true;
            if questions.len() < ASKED_MAX && entry.absence.is_due(now) {
                entry.absence.asked_at = Some(now);
                questions.push(Question {
                    node: entry.member.id.clone(),
                    epoch: entry.member.epoch,
                    asked_at: now,
                });
            }
        }
        self.asks = asks;
        questions
    }

    /// Whether somebody is being asked: then a tick should not be long in coming.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.asks
    }

    /// Takes in what became of a question. What follows from it is said by the next tick.
    ///
    /// An answer is a sign of life, as of when it was asked for.
    pub fn observe_presence(&mut self, question: &Question, presence: Presence, now: Instant) {
        let Some(entry) = self.entries.get_mut(&question.node) else {
            return;
        };
        if entry.member.epoch != question.epoch || entry.ended_at.is_some() {
            return;
        }
        if presence == Presence::There {
            entry.shown_at = entry.shown_at.max(question.asked_at);
        }
        entry.absence.take(question, presence, entry.interval, now);
    }

    /// Nodes that were dead because the bus knew nobody there.
    #[must_use]
    pub fn absent_count(&self) -> u64 {
        self.absent
    }

    /// Declares those dead of whom the bus has said twice that it knows nobody there.
    pub(super) fn bury_absent(&mut self, now: Instant) {
        if !self.asks || !self.may_conclude(now) {
            return;
        }
        let mut absent = 0;
        for entry in self.silent_ones() {
            if entry.is_quiet(now) && entry.absence.is_certain(now) {
                entry.give_up(Liveness::Dead);
                entry.ended_at = Some(now);
                entry.absent_at = Some(now);
                absent += 1;
            }
        }
        if absent > 0 {
            self.absent += absent;
            self.change = ViewChange::Membership;
        }
    }

    /// Whether that nobody listens somewhere would prove something.
    fn may_conclude(&self, now: Instant) -> bool {
        let own = self.entries.get(&self.own);
        let patience = own.map(|own| dead_after(own.interval));
        let is_calm = self.calm_since.zip(patience);
        let is_calm = is_calm.is_some_and(|(since, patience)| !is_within(since, patience, now));
        is_calm && self.link == LinkState::Up && !self.mass_silence && self.few_are_quiet(now)
    }

    fn few_are_quiet(&self, now: Instant) -> bool {
        let (mut members, mut quiet) = (0, 0);
        for entry in self.entries.values() {
            let was_absent = entry.was_absent(now);
            if entry.ended_at.is_none() || was_absent {
                members += 1;
                let is_quiet = was_absent || (!entry.member.is_self && entry.is_quiet(now));
                quiet += usize::from(is_quiet);
            }
        }
        quiet * 2 < members
    }
}
