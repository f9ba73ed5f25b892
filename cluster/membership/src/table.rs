//! The decisions: what a node believes of each other one, from heartbeats and silence alone.
//!
//! # When hearing something proves nothing
//!
//! A connection that was stalled delivers, when it moves again, what lay in it: heartbeats of a node
//! that has long given this connection up, and calls sent on the strength of them are lost. So one
//! who is silent is not taken back by a heartbeat that was held up for as long as makes suspect, by
//! the estimate of its clock, but by its next one. A node whose clock stood still while it was
//! suspended looks late for ever; its heartbeats do not come all at once, and that tells them apart.
//!
//! # When something was missed
//!
//! Most heartbeats say only what has changed since the one before. One whose changes are made to another share
//! than is known shows that its node lives, and says whether that takes work; of the share it changes nothing
//! ([`Observed::Gap`]), and its node is to be asked for a whole one. Nobody becomes a member by less.
//!
//! # When an older incarnation is the one that lives
//!
//! The newer of two incarnations stays, and the older one hears of it and stops. Epochs grow by what a
//! node has kept and by its wall clock; one that has kept nothing, and whose clock went back, starts
//! under an older one. It is taken in when the newer one is dead or gone, and the older one has beaten
//! several times, one after the other, for as long as makes suspect: a heartbeat that was held up, and
//! whose node is no more, is not followed by others.
//!
//! # When hearing nothing proves nothing
//!
//! Eviction moves shares and is expensive to be wrong about; suspicion only redirects calls. So
//! silence always makes suspect, and makes dead only when the fault is likely not this node's own:
//!
//! - **Own link down**: nobody dies. When it is up again, everyone's silence counts from then. The
//!   link is down when the transport says so, and also when this node does not hear its own
//!   heartbeats come back from the bus for [`suspect_after`]: a bus that is stalled looks connected.
//! - **More than half silent**: when more than half of at least [`MASS_SILENCE_MEMBERS_MIN`] others
//!   are suspect, the bus is likelier to be at fault than all of them. Each then dies only after
//!   [`mass_death_hold`]. With two others or fewer there is no majority to tell by, and
//!   [`dead_after`] holds, for the bus at least carries this node's own heartbeats. When enough are heard again, those still silent get one more
//!   [`suspect_after`] to follow.
//! - **A body flows**: a machine that is busy with bodies may hold heartbeats up. Their frames are signs of
//!   life and put suspicion off, for [`dead_after`] at the most: what came may have lain somewhere, and a
//!   node that beats no more must be given up some time. They bring back nobody who is suspect.
//! - **Nobody is there**: what the bus says of one who is silent can make it dead sooner, by the rules of
//!   `absence.rs`, which are stricter.
//! - **Own pause**: when two ticks are [`PAUSE_MIN`] apart, this node was stopped and could hear
//!   nobody. Everyone's silence counts from the end of the pause. The first tick is the end of one:
//!   a node that joins cannot know how long it took.

mod absence;
mod entry;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use wrt_protocol::{
    NodeId,
    heartbeat::{Beat, Heartbeat, NodeState, Pulse, Said, WholeShare},
    limits::{HEARTBEAT_INTERVAL, LABEL_BYTES_MAX, LABELS_MAX, MEMBERS_MAX, REPLICAS_PER_NODE_MAX},
};
use wrt_transport::LinkState;

use crate::{ClockOffset, Liveness, NodeClock, View, dead_after, mass_death_hold, suspect_after};
use entry::Entry;

pub use absence::{Presence, Question};

/// Others that must be known for a majority of them to mean something.
const MASS_SILENCE_MEMBERS_MIN: usize = 3;
/// Two ticks this far apart show that this node was stopped. Five times what they should be apart at the most;
/// a node whose ticks are always this late suspects nobody, and is in no state to judge either.
const PAUSE_MIN: Duration = HEARTBEAT_INTERVAL.saturating_mul(2);
/// How long a dead node is remembered: its name is shown, and its older incarnations are refused.
const DEAD_REMEMBERED: Duration = Duration::from_secs(60);

/// What became of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// It counted.
    Applied,
    /// It was heard, and what it says of the share is missing something: its node is to be asked for all of it.
    Gap,
    /// It is of an older incarnation, or older than one already heard.
    Stale,
    /// It was held up, and its node is not heard yet.
    Late,
    /// It is over a limit of the protocol.
    Malformed,
    /// Its node is unknown, and there is no room for another.
    Dropped,
}

/// How much of the view is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ViewChange {
    /// Nothing.
    #[default]
    None,
    /// Numbers by which a caller chooses among replicas.
    Load,
    /// Who there is, or who takes calls.
    Membership,
}

/// What a node believes of every other one. Pure: time and heartbeats come from outside.
#[derive(Debug)]
pub struct MemberTable {
    own: NodeId,
    clock: NodeClock,
    entries: BTreeMap<NodeId, Entry>,
    change: ViewChange,
    link: LinkState,
    mass_silence: bool,
    ticked_at: Option<Instant>,
    /// When this node last heard itself; none before the first time, and for ever on a bus that
    /// gives nobody what he sent.
    echo_at: Option<Instant>,
    /// Since when nothing was amiss with this node's own hearing; none before the first tick.
    calm_since: Option<Instant>,
    /// Whether somebody is being asked whether it is there.
    asks: bool,
    absent: u64,
    generation: u64,
}

impl MemberTable {
    /// A table that knows nobody. This node itself enters with [`MemberTable::observe_own`].
    #[must_use]
    pub fn new(own: NodeId, clock: NodeClock) -> Self {
        Self {
            own,
            clock,
            entries: BTreeMap::new(),
            change: ViewChange::None,
            link: LinkState::Up,
            mass_silence: false,
            ticked_at: None,
            echo_at: None,
            calm_since: None,
            asks: false,
            absent: 0,
            generation: 0,
        }
    }

    /// Takes in what this node says of itself. It is never suspect.
    pub fn observe_own(&mut self, heartbeat: Heartbeat, now: Instant) {
        let Beat { pulse, said } = Beat::from(heartbeat);
        if let Some(entry) = self.entries.get_mut(&self.own) {
            let (change, _known) = entry.update(&pulse, said, now);
            self.change = self.change.max(change);
        } else if let Said::Whole(share) = said {
            let entry = Entry::new(pulse, share, ClockOffset::exact(self.clock), true, now);
            self.entries.insert(self.own.clone(), entry);
            self.change = ViewChange::Membership;
        }
    }

    /// Takes in that a heartbeat of this incarnation came back from the bus at `now`.
    pub fn observe_echo(&mut self, now: Instant) {
        self.echo_at = Some(now);
    }

    /// Takes in a heartbeat of an earlier build: [`MemberTable::observe_beat`].
    pub fn observe(&mut self, heartbeat: Heartbeat, now: Instant) -> Observed {
        self.observe_beat(heartbeat.into(), now)
    }

    /// Takes in a heartbeat that arrived at `now`. One of this node's own name is always stale here.
    ///
    /// A heartbeat over the limits on labels, replicas and members changes nothing.
    pub fn observe_beat(&mut self, beat: Beat, now: Instant) -> Observed {
        if !is_within_limits(&beat) {
            return Observed::Malformed;
        }
        let Beat { pulse, said } = beat;
        if pulse.node == self.own {
            return Observed::Stale;
        }
        let Some(entry) = self.entries.get_mut(&pulse.node) else {
            return self.meet(pulse, said, now);
        };
        let same = pulse.epoch == entry.member.epoch;
        let left = entry.member.state == NodeState::Leaving;
        let older = pulse.epoch < entry.member.epoch;
        if (older && !entry.gives_way_to_older(&pulse, now))
            || (same && (pulse.sequence <= entry.sequence || left))
        {
            return Observed::Stale;
        }
        if same {
            let held_up = entry.is_held_up(&pulse, now);
            entry.offset.observe(pulse.sent_at, now);
            entry.member.clock.set(&entry.offset);
            if held_up && entry.member.liveness != Liveness::Alive {
                entry.sequence = pulse.sequence;
                return Observed::Late;
            }
            let (change, is_known) = entry.update(&pulse, said, now);
            self.change = self.change.max(change);
            return match is_known {
                true => Observed::Applied,
                false => Observed::Gap,
            };
        }
        let Some(share) = all_of(said) else {
            return Observed::Gap;
        };
        entry.member.lost.cancel();
        let offset = ClockOffset::new(pulse.sent_at, now);
        *entry = Entry::new(pulse, share, offset, false, now);
        self.change = ViewChange::Membership;
        Observed::Applied
    }

    /// Takes in that something else than a heartbeat came from `node` at `now`.
    pub fn observe_sign_of_life(&mut self, node: &NodeId, now: Instant) {
        if let Some(entry) = self.entries.get_mut(node) {
            entry.shown_at = now;
        }
    }

    /// Judges silence at `now`. Call it several times an interval; a late call is taken for a pause
    /// of this node.
    pub fn tick(&mut self, now: Instant, link: LinkState) {
        let paused = self
            .ticked_at
            .replace(now)
            .is_none_or(|before| now.saturating_duration_since(before) >= PAUSE_MIN);
        let was_isolated = self.is_isolated();
        if paused {
            self.echo_at = self.echo_at.map(|at| at.max(now));
        }
        let link = match self.is_deaf(now) {
            true => LinkState::Down,
            false => link,
        };
        let reconnected = self.link == LinkState::Down && link == LinkState::Up;
        self.link = link;
        if paused || reconnected {
            for entry in self.silent_ones() {
                entry.heard_at = entry.heard_at.max(now);
            }
            self.calm_since = Some(now);
        }
        self.suspect(now);
        self.weigh_silence(now);
        self.bury(now);
        self.bury_absent(now);
        if was_isolated != self.is_isolated() {
            self.change = ViewChange::Membership;
        }
    }

    /// Whether the node doubts its own hearing and declares nobody dead before time: its link is
    /// down, or most others fell silent.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.link == LinkState::Down || self.mass_silence
    }

    /// Nodes that are not dead or gone, this one included.
    #[must_use]
    pub fn live_count(&self) -> usize {
        let live = |entry: &&Entry| entry.ended_at.is_none();
        self.entries.values().filter(live).count()
    }

    /// Whether everybody who is remembered reads changes. One who is gone counts: it may be back.
    #[must_use]
    pub fn all_read_changes(&self) -> bool {
        let mut others = self.entries.values().filter(|it| !it.member.is_self);
        others.all(|entry| entry.reads_changes)
    }

    /// How much has changed since the last [`MemberTable::view`].
    #[must_use]
    pub fn change(&self) -> ViewChange {
        self.change
    }

    /// What the table now believes.
    pub fn view(&mut self) -> View {
        self.change = ViewChange::None;
        self.generation += 1;
        let members = self.entries.values().map(|entry| &entry.member);
        let present = members.filter(|member| member.state != NodeState::Leaving || member.is_self);
        View::new(self.generation, self.is_isolated(), present.cloned())
    }

    /// Whether this node does not hear even itself.
    fn is_deaf(&self, now: Instant) -> bool {
        let interval = self.entries.get(&self.own).map(|own| own.interval);
        let patience = suspect_after(interval.unwrap_or(HEARTBEAT_INTERVAL));
        self.echo_at
            .is_some_and(|at| now.saturating_duration_since(at) >= patience)
    }

    /// Takes in what is said by one who is not known.
    fn meet(&mut self, pulse: Pulse, said: Said, now: Instant) -> Observed {
        match all_of(said) {
            Some(share) => self.admit(pulse, share, now),
            // There will be nobody to ask.
            None if pulse.state == NodeState::Leaving => Observed::Stale,
            None => Observed::Gap,
        }
    }

    fn admit(&mut self, pulse: Pulse, share: WholeShare, now: Instant) -> Observed {
        // A place is kept for this node itself.
        let others_max = MEMBERS_MAX - 1;
        let others = self.entries.len() - usize::from(self.entries.contains_key(&self.own));
        if others >= others_max && !self.forget_longest_ended() {
            return Observed::Dropped;
        }
        let node = pulse.node.clone();
        let offset = ClockOffset::new(pulse.sent_at, now);
        let entry = Entry::new(pulse, share, offset, false, now);
        self.entries.insert(node, entry);
        self.change = ViewChange::Membership;
        Observed::Applied
    }

    fn forget_longest_ended(&mut self) -> bool {
        let ended = self
            .entries
            .iter()
            .filter_map(|(node, entry)| Some((entry.ended_at?, node)));
        let Some(node) = ended.min().map(|(_, node)| node.clone()) else {
            return false;
        };
        self.entries.remove(&node);
        true
    }

    /// The others that may still be heard or not.
    fn silent_ones(&mut self) -> impl Iterator<Item = &mut Entry> {
        let entries = self.entries.values_mut();
        entries.filter(|entry| entry.ended_at.is_none() && !entry.member.is_self)
    }

    fn suspect(&mut self, now: Instant) {
        let mut change = ViewChange::None;
        for entry in self.silent_ones() {
            if entry.is_silent(now) && entry.member.liveness == Liveness::Alive {
                entry.give_up(Liveness::Suspect);
                change = ViewChange::Membership;
            }
        }
        self.change = self.change.max(change);
    }

    fn weigh_silence(&mut self, now: Instant) {
        let (mut known, mut suspects) = (0, 0);
        for entry in self.silent_ones() {
            known += 1;
            suspects += usize::from(entry.member.liveness == Liveness::Suspect);
        }
        let before = self.mass_silence;
        self.mass_silence = known >= MASS_SILENCE_MEMBERS_MIN && suspects * 2 > known;
        if before && !self.mass_silence {
            for entry in self.silent_ones() {
                entry.spared_until = now + suspect_after(entry.interval);
            }
            self.calm_since = Some(now);
        }
    }

    fn bury(&mut self, now: Instant) {
        if self.link == LinkState::Up {
            let mass_silence = self.mass_silence;
            let mut change = ViewChange::None;
            for entry in self.silent_ones() {
                let silence = entry.silence(now);
                let dead = silence >= mass_death_hold(entry.interval)
                    || (silence >= dead_after(entry.interval)
                        && !mass_silence
                        && now >= entry.spared_until);
                if dead {
                    entry.give_up(Liveness::Dead);
                    entry.ended_at = Some(now);
                    change = ViewChange::Membership;
                }
            }
            self.change = self.change.max(change);
        }
        let before = self.entries.len();
        self.entries.retain(|_, entry| {
            entry
                .ended_at
                .is_none_or(|at| now.saturating_duration_since(at) < DEAD_REMEMBERED)
        });
        if self.entries.len() != before {
            self.change = ViewChange::Membership;
        }
    }
}

/// A share of which nothing is missing.
fn all_of(said: Said) -> Option<WholeShare> {
    match said {
        Said::Whole(share) => share.is_all().then_some(share),
        Said::Changes(_) => None,
    }
}

fn is_within_limits(beat: &Beat) -> bool {
    match &beat.said {
        Said::Whole(share) => {
            share.replicas.len() <= REPLICAS_PER_NODE_MAX
                && is_within_label_limits(&share.labels, &share.version)
        }
        // Nothing is taken over of changes before they are seen to fit.
        Said::Changes(_) => true,
    }
}

/// Whether what a node says of itself fits in a heartbeat.
pub(crate) fn is_within_label_limits(labels: &[(String, String)], version: &str) -> bool {
    let short = |text: &str| text.len() <= LABEL_BYTES_MAX;
    labels.len() <= LABELS_MAX
        && labels.iter().all(|(key, value)| short(key) && short(value))
        && short(version)
}
