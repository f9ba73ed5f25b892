//! What a [`super::MemberTable`] keeps of one node.

use std::{mem, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wrt_protocol::{
    Epoch,
    heartbeat::{Heartbeat, NodeState, ReplicaReport},
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
        heartbeat: Heartbeat,
        offset: ClockOffset,
        is_self: bool,
        now: Instant,
    ) -> Self {
        let lost = CancellationToken::new();
        let left = heartbeat.state == NodeState::Leaving && !is_self;
        if left {
            lost.cancel();
        }
        Self {
            sequence: heartbeat.sequence,
            interval: claimed_interval(heartbeat.interval_ms),
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
                id: heartbeat.node,
                epoch: heartbeat.epoch,
                state: heartbeat.state,
                liveness: if left {
                    Liveness::Dead
                } else {
                    Liveness::Alive
                },
                labels: heartbeat.labels.into(),
                version: heartbeat.version.into(),
                replicas: heartbeat.replicas.into(),
                lost,
                is_self,
            }),
            offset,
        }
    }

    /// Takes in a heartbeat of an older incarnation, and answers whether that is the one that lives.
    pub(super) fn gives_way_to_older(&mut self, heartbeat: &Heartbeat, now: Instant) -> bool {
        let patience = suspect_after(claimed_interval(heartbeat.interval_ms));
        let is_next = |older: &Older| {
            older.epoch == heartbeat.epoch
                && heartbeat.sequence > older.sequence
                && now.saturating_duration_since(older.heard_at) < patience
        };
        let before = self.older.filter(is_next);
        let older = Older {
            epoch: heartbeat.epoch,
            sequence: heartbeat.sequence,
            beats: before.map_or(0, |older| older.beats).saturating_add(1),
            since: before.map_or(now, |older| older.since),
            heard_at: now,
        };
        self.older = Some(older);
        self.ended_at.is_some()
            && heartbeat.state != NodeState::Leaving
            && older.beats >= HEARTBEATS_MISSED_SUSPECT
            && now.saturating_duration_since(older.since) >= patience
    }

    /// Whether a newer heartbeat of the same incarnation lay somewhere for so long that it says nothing
    /// of now. Several that did arrive together, so each is less late than the one before. What a node
    /// says last stays true.
    pub(super) fn is_held_up(&mut self, heartbeat: &Heartbeat, now: Instant) -> bool {
        let sent_at = heartbeat.sent_at.0;
        let late_by = self.offset.peer_now(now).0.saturating_sub(sent_at);
        let late_by = Duration::from_micros(late_by);
        let before = mem::replace(&mut self.late_by, late_by);
        let limit = suspect_after(self.interval);
        let as_late_as_before = before >= limit && late_by + self.interval / 2 > before;
        late_by >= limit && !as_late_as_before && heartbeat.state != NodeState::Leaving
    }

    /// Takes in a newer heartbeat of the same incarnation.
    pub(super) fn update(&mut self, heartbeat: Heartbeat, now: Instant) -> ViewChange {
        self.sequence = heartbeat.sequence;
        self.interval = claimed_interval(heartbeat.interval_ms);
        self.heard_at = now;
        self.absence = Absence::default();
        let change = self.compare(&heartbeat);
        if change == ViewChange::None {
            return change;
        }
        let left = heartbeat.state == NodeState::Leaving && !self.member.is_self;
        self.ended_at = left.then_some(now);
        let member = Arc::make_mut(&mut self.member);
        if left {
            member.lost.cancel();
            member.liveness = Liveness::Dead;
        } else if member.liveness != Liveness::Alive {
            member.lost = CancellationToken::new();
            member.liveness = Liveness::Alive;
        }
        member.state = heartbeat.state;
        if *member.labels != *heartbeat.labels {
            member.labels = heartbeat.labels.into();
        }
        if *member.version != *heartbeat.version {
            member.version = heartbeat.version.into();
        }
        member.replicas = heartbeat.replicas.into();
        change
    }

    /// Lets nobody wait for it any longer.
    pub(super) fn give_up(&mut self, liveness: Liveness) {
        self.member.lost.cancel();
        Arc::make_mut(&mut self.member).liveness = liveness;
    }

    fn compare(&self, heartbeat: &Heartbeat) -> ViewChange {
        let Member {
            state,
            liveness,
            labels,
            version,
            replicas,
            ..
        } = &*self.member;
        let same_replica =
            |(a, b): (&ReplicaReport, &ReplicaReport)| a.actor == b.actor && a.state == b.state;
        let same_membership = *liveness == Liveness::Alive
            && *state == heartbeat.state
            && **version == *heartbeat.version
            && **labels == *heartbeat.labels
            && replicas.len() == heartbeat.replicas.len()
            && replicas.iter().zip(&heartbeat.replicas).all(same_replica);
        if !same_membership {
            ViewChange::Membership
        } else if **replicas != *heartbeat.replicas {
            ViewChange::Load
        } else {
            ViewChange::None
        }
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
