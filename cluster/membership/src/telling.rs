//! What a node has told of its share, and what it tells next: the difference, and no more of it than fits.

use std::collections::{HashMap, HashSet};

use wrt_protocol::{
    ActorAddress,
    heartbeat::{Changes, ReplicaChange, ReplicaReport, ShareRevision, WholeShare},
};

/// What there is to say of a share beside its replicas.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    /// The build.
    pub version: &'a str,
    /// What the operator says of the node.
    pub labels: &'a [(String, String)],
}

/// How exactly loads are told. Callers choose by them, and count what they have in flight themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// All that has changed.
    Exact,
    /// What has changed by more than a quarter, or from or to nothing.
    Rough,
}

/// What a node has told of its share, as everybody who heard it knows it. Pure: reports go in.
///
/// How much a replica has handled and refused is not told by itself: it changes with each call, and nobody
/// acts on it.
#[derive(Debug, Default)]
pub struct Telling {
    revision: ShareRevision,
    told: Vec<ReplicaReport>,
}

impl Telling {
    /// What to tell everybody who knows what was told so far, in about so many bytes; the rest is told by the
    /// next ones. States come before loads.
    pub fn changes(
        &mut self,
        now: &[ReplicaReport],
        precision: Precision,
        bytes_max: usize,
    ) -> Changes {
        let since = self.revision;
        let mut composed = Composed {
            changes: Vec::new(),
            bytes_left: bytes_max,
        };
        let reports: HashMap<_, _> = now.iter().map(|report| (&report.actor, report)).collect();
        self.tell_of_those_gone(&reports, &mut composed);
        self.tell_how_they_are(&reports, &mut composed, |told, report| {
            told.state != report.state || told.concurrency_max != report.concurrency_max
        });
        self.tell_of_new_ones(now, &mut composed);
        self.tell_how_they_are(&reports, &mut composed, |told, report| match precision {
            Precision::Exact => load(told) != load(report),
            Precision::Rough => {
                differs(told.running, report.running) || differs(told.waiting, report.waiting)
            }
        });
        let changes = composed.changes;
        if !changes.is_empty() {
            self.revision.0 += 1;
        }
        Changes {
            since,
            revision: self.revision,
            changes,
        }
    }

    /// All of it, for everybody.
    pub fn whole(
        &mut self,
        now: &[ReplicaReport],
        is: Described<'_>,
    ) -> (ShareRevision, WholeShare) {
        self.revision.0 += 1;
        self.told = now.to_vec();
        (self.revision, share(self.told.clone(), is))
    }

    /// All that was told, for one who asks.
    #[must_use]
    pub fn told(&self, now: &[ReplicaReport], is: Described<'_>) -> (ShareRevision, WholeShare) {
        let reports: HashMap<_, _> = now.iter().map(|report| (&report.actor, report)).collect();
        let mut told = self.told.clone();
        for replica in &mut told {
            if let Some(report) = reports.get(&replica.actor) {
                replica.handled = report.handled;
                replica.refused = report.refused;
            }
        }
        (self.revision, share(told, is))
    }

    fn tell_of_those_gone(&mut self, now: &Reports<'_>, composed: &mut Composed) {
        for at in (0..self.told.len()).rev() {
            if now.contains_key(&self.told[at].actor) {
                continue;
            }
            let Some(at_16) = place(at) else { continue };
            if composed.take(ReplicaChange::Gone { at: at_16 }) {
                self.told.remove(at);
            }
        }
    }

    fn tell_of_new_ones(&mut self, now: &[ReplicaReport], composed: &mut Composed) {
        let told: HashSet<_> = self
            .told
            .iter()
            .map(|report| report.actor.clone())
            .collect();
        for report in now.iter().filter(|report| !told.contains(&report.actor)) {
            if place(self.told.len()).is_some() && composed.take(ReplicaChange::New(report.clone()))
            {
                self.told.push(report.clone());
            }
        }
    }

    fn tell_how_they_are(
        &mut self,
        now: &Reports<'_>,
        composed: &mut Composed,
        is_told: impl Fn(&ReplicaReport, &ReplicaReport) -> bool,
    ) {
        for (at, told) in self.told.iter_mut().enumerate() {
            let Some(report) = now.get(&told.actor).filter(|report| is_told(told, report)) else {
                continue;
            };
            let Some(at) = place(at) else { continue };
            let is = ReplicaChange::Is {
                at,
                state: report.state,
                running: report.running,
                waiting: report.waiting,
                concurrency_max: report.concurrency_max,
            };
            if composed.take(is) {
                *told = (*report).clone();
            }
        }
    }
}

type Reports<'a> = HashMap<&'a ActorAddress, &'a ReplicaReport>;

/// The changes of one heartbeat.
struct Composed {
    changes: Vec<ReplicaChange>,
    bytes_left: usize,
}

impl Composed {
    /// Answers whether there is room for it. The first one has room always.
    fn take(&mut self, change: ReplicaChange) -> bool {
        let bytes = change.bytes_max();
        let fits = bytes <= self.bytes_left || self.changes.is_empty();
        if fits {
            self.bytes_left = self.bytes_left.saturating_sub(bytes);
            self.changes.push(change);
        }
        fits
    }
}

fn share(replicas: Vec<ReplicaReport>, is: Described<'_>) -> WholeShare {
    WholeShare {
        version: is.version.to_owned(),
        labels: is.labels.to_vec(),
        replicas,
        part: None,
    }
}

fn place(at: usize) -> Option<u16> {
    u16::try_from(at).ok()
}

fn load(report: &ReplicaReport) -> (u32, u32) {
    (report.running, report.waiting)
}

/// Whether somebody would choose otherwise.
fn differs(told: u32, now: u32) -> bool {
    let is_other_side = (told == 0) != (now == 0);
    is_other_side || told.abs_diff(now) > told / 4
}

#[cfg(test)]
mod tests;
