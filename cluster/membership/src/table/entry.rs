//! What a [`super::MemberTable`] keeps of one node.

use std::{mem, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wrt_protocol::{
    Epoch,
    heartbeat::{
        Applied, Changes, NodeState, Pulse, ReplicaReport, Said, ShareRevision, WholeShare,
    },
    limits::HEARTBEATS_MISSED_SUSPECT,
};

use super::{ViewChange, absence::Absence};
use crate::{
    ClockOffset, Liveness, Member, dead_after, interval::claimed_interval, member::PeerClock,
    suspect_after,
};

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) member: Arc<Member>,
    pub(super) offset: ClockOffset,
    pub(super) sequence: u64,
    pub(super) interval: Duration,
    /// Which share of it is known; none of a build that numbers none.
    share: Option<ShareRevision>,
    /// Whether it reads what has changed, and not only whole heartbeats.
    pub(super) reads_changes: bool,
    /// How late the last heartbeat was.
    late_by: Duration,
    /// When silence began to count.
    pub(super) heard_at: Instant,
    /// When it last showed a sign of life that is no heartbeat.
    pub(super) shown_at: Instant,
    /// No eviction before this, unless by [`crate::mass_death_hold`].
    pub(super) spared_until: Instant,
    /// When it died or left.
    pub(super) ended_at: Option<Instant>,
    /// What the bus says of it since it was heard last.
    pub(super) absence: Absence,
    /// When it died of that, the last time.
    pub(super) absent_at: Option<Instant>,
    /// An older incarnation that is heard.
    older: Option<Older>,
}

/// An incarnation that is older than the one that is known, and beats.
#[derive(Debug, Clone, Copy)]
struct Older {
    epoch: Epoch,
    sequence: u64,
    /// Heartbeats, one after the other.
    beats: u32,
    since: Instant,
    heard_at: Instant,
}

impl Entry {
    pub(super) fn new(
        pulse: Pulse,
        share: WholeShare,
        offset: ClockOffset,
        is_self: bool,
        now: Instant,
    ) -> Self {
        let lost = CancellationToken::new();
        let left = pulse.state == NodeState::Leaving && !is_self;
        if left {
            lost.cancel();
        }
        Self {
            sequence: pulse.sequence,
            interval: claimed_interval(pulse.interval_ms),
            share: share.part.map(|part| part.revision),
            reads_changes: share.part.is_some(),
            late_by: Duration::ZERO,
            heard_at: now,
            shown_at: now,
            spared_until: now,
            ended_at: left.then_some(now),
            absence: Absence::default(),
            absent_at: None,
            older: None,
            member: Arc::new(Member {
                clock: PeerClock::new(&offset),
                id: pulse.node,
                epoch: pulse.epoch,
                state: pulse.state,
                liveness: if left {
                    Liveness::Dead
                } else {
                    Liveness::Alive
                },
                labels: share.labels.into(),
                version: share.version.into(),
                replicas: share.replicas.into(),
                lost,
                is_self,
            }),
            offset,
        }
    }

    /// Takes in a heartbeat of an older incarnation, and answers whether that is the one that lives.
    pub(super) fn gives_way_to_older(&mut self, pulse: &Pulse, now: Instant) -> bool {
        let patience = suspect_after(claimed_interval(pulse.interval_ms));
        let is_next = |older: &Older| {
            older.epoch == pulse.epoch
                && pulse.sequence > older.sequence
                && now.saturating_duration_since(older.heard_at) < patience
        };
        let before = self.older.filter(is_next);
        let older = Older {
            epoch: pulse.epoch,
            sequence: pulse.sequence,
            beats: before.map_or(0, |older| older.beats).saturating_add(1),
            since: before.map_or(now, |older| older.since),
            heard_at: now,
        };
        self.older = Some(older);
        self.ended_at.is_some()
            && pulse.state != NodeState::Leaving
            && older.beats >= HEARTBEATS_MISSED_SUSPECT
            && now.saturating_duration_since(older.since) >= patience
    }

    /// Whether a newer heartbeat of the same incarnation lay somewhere for so long that it says nothing
    /// of now. Several that did arrive together, so each is less late than the one before. What a node
    /// says last stays true.
    pub(super) fn is_held_up(&mut self, pulse: &Pulse, now: Instant) -> bool {
        let sent_at = pulse.sent_at.0;
        let late_by = self.offset.peer_now(now).0.saturating_sub(sent_at);
        let late_by = Duration::from_micros(late_by);
        let before = mem::replace(&mut self.late_by, late_by);
        let limit = suspect_after(self.interval);
        let as_late_as_before = before >= limit && late_by + self.interval / 2 > before;
        late_by >= limit && !as_late_as_before && pulse.state != NodeState::Leaving
    }

    /// Takes in a newer heartbeat of the same incarnation. Answers how much has changed, and whether the share
    /// is known as the node has it.
    pub(super) fn update(&mut self, pulse: &Pulse, said: Said, now: Instant) -> (ViewChange, bool) {
        self.sequence = pulse.sequence;
        self.interval = claimed_interval(pulse.interval_ms);
        self.heard_at = now;
        self.absence = Absence::default();
        let change = self.take_pulse(pulse, now);
        let share = match said {
            Said::Whole(share) => self.take_whole(share),
            Said::Changes(changes) => self.take_changes(&changes),
        };
        let is_known = share.is_some();
        (change.max(share.unwrap_or_default()), is_known)
    }

    fn take_pulse(&mut self, pulse: &Pulse, now: Instant) -> ViewChange {
        let is_alive = self.member.liveness == Liveness::Alive;
        if is_alive && self.member.state == pulse.state {
            return ViewChange::None;
        }
        let left = pulse.state == NodeState::Leaving && !self.member.is_self;
        self.ended_at = left.then_some(now);
        let member = Arc::make_mut(&mut self.member);
        member.state = pulse.state;
        if left {
            member.lost.cancel();
            member.liveness = Liveness::Dead;
        } else if !is_alive {
            member.lost = CancellationToken::new();
            member.liveness = Liveness::Alive;
        }
        ViewChange::Membership
    }

    /// None where a part is missing.
    fn take_whole(&mut self, share: WholeShare) -> Option<ViewChange> {
        self.reads_changes = share.part.is_some();
        if !share.is_all() {
            return None;
        }
        self.share = share.part.map(|part| part.revision);
        let change = self.take_replicas(share.replicas);
        let is_same =
            *self.member.version == *share.version && *self.member.labels == *share.labels;
        if is_same {
            return Some(change);
        }
        let member = Arc::make_mut(&mut self.member);
        if *member.labels != *share.labels {
            member.labels = share.labels.into();
        }
        if *member.version != *share.version {
            member.version = share.version.into();
        }
        Some(ViewChange::Membership)
    }

    /// None where they are made to another share than is known.
    fn take_changes(&mut self, changes: &Changes) -> Option<ViewChange> {
        self.reads_changes = true;
        match changes.apply(self.share, || self.member.replicas.to_vec()) {
            Applied::Nothing => Some(ViewChange::None),
            Applied::Changed(replicas) => {
                self.share = Some(changes.revision);
                Some(self.take_replicas(replicas))
            }
            Applied::NotKnown => None,
        }
    }

    fn take_replicas(&mut self, replicas: Vec<ReplicaReport>) -> ViewChange {
        let change = compare(&self.member.replicas, &replicas);
        if change != ViewChange::None {
            Arc::make_mut(&mut self.member).replicas = replicas.into();
        }
        change
    }

    /// Lets nobody wait for it any longer.
    pub(super) fn give_up(&mut self, liveness: Liveness) {
        self.member.lost.cancel();
        Arc::make_mut(&mut self.member).liveness = liveness;
    }

    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard_at)
    }

    /// Whether so little is heard of it that it is suspect.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        let (silence, patience) = (self.silence(now), suspect_after(self.interval));
        let shows_life = now.saturating_duration_since(self.shown_at) < patience;
        silence >= patience && (!shows_life || silence >= dead_after(self.interval))
    }
}

fn compare(before: &[ReplicaReport], now: &[ReplicaReport]) -> ViewChange {
    let same_replica =
        |(a, b): (&ReplicaReport, &ReplicaReport)| a.actor == b.actor && a.state == b.state;
    if before.len() != now.len() || !before.iter().zip(now).all(same_replica) {
        ViewChange::Membership
    } else if before != now {
        ViewChange::Load
    } else {
        ViewChange::None
    }
}
