//! What is to be done now with a job, and what is noted of it before. Pure.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::timing::Timing;

/// What is noted of a job, from one owner to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Who has written it, and how often: no two notes are the same.
    pub(crate) by: String,
    pub(crate) writes: u64,
    /// The pattern that it is about.
    pub(crate) timing: Option<String>,
    /// Up to this second every tick is decided.
    pub(crate) decided_until: i64,
    /// The last revision of the app that it was run for.
    pub(crate) deployed: Option<u64>,
    /// The last run that was begun, while its end is not noted.
    pub(crate) begun: Option<Begun>,
}

/// A run that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// By whom.
    pub(crate) by: String,
    /// Which of its runs.
    pub(crate) number: u64,
    /// The second at which it is over, come what may.
    pub(crate) until: i64,
    /// Whether it was told that its owner was lost.
    pub(crate) is_told: bool,
}

/// What starts a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The deploy of that revision.
    Deploy(u64),
    /// The tick at that second.
    Tick(i64),
}

/// What is so now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// Who decides.
    pub(crate) owner: &'a str,
    /// The second.
    pub(crate) now: i64,
    pub(crate) timing: Option<&'a Timing>,
    /// The revision that it is to run for, if it does so at a deploy.
    pub(crate) revision: Option<u64>,
    /// Whether runs must not overlap.
    pub(crate) at_most_one: bool,
    /// Whether one of this owner's is in hand.
    pub(crate) is_running: bool,
    /// The last of its runs that is known to have ended.
    pub(crate) ended: Option<u64>,
    /// What one may take, in seconds.
    pub(crate) takes_max: i64,
    /// The number that a run gets which begins now.
    pub(crate) number: u64,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// What is to be noted before anything of it is done; none where nothing is.
    pub(crate) note: Option<Memory>,
    /// What runs then.
    pub(crate) start: Option<Why>,
    /// Ticks for which it was too late.
    pub(crate) missed: u64,
    /// Ticks that have come while another run was in hand.
    pub(crate) skipped: u64,
    /// Whether there is a run of which nobody knows how it has ended.
    pub(crate) is_lost: bool,
}

/// Decides. What it decides is done once, if its note is written in place of `memory`.
pub(crate) fn plan(memory: Option<&Memory>, facts: &Facts<'_>) -> Plan {
    let mut plan = Plan::default();
    let before = memory.cloned();
    let mut next = before.clone().unwrap_or_else(|| Memory {
        decided_until: facts.now,
        ..Memory::default()
    });
    look_after_begun(&mut next, facts, &mut plan);
    let is_busy = facts.at_most_one && (facts.is_running || next.begun.is_some());
    let new_timing = facts.timing.map(|timing| timing.text().to_owned());
    if next.timing != new_timing {
        next.timing = new_timing;
        next.decided_until = next.decided_until.max(facts.now);
    }
    let revision = facts.revision.filter(|it| next.deployed < Some(*it));
    if let Some(revision) = revision.filter(|_| !is_busy) {
        next.deployed = Some(revision);
        plan.start = Some(Why::Deploy(revision));
    } else if let Some(timing) = facts.timing {
        let due = timing.due(next.decided_until, facts.now);
        plan.missed = due.missed;
        if let Some(tick) = due.run {
            match is_busy {
                true => plan.skipped = 1,
                false => plan.start = Some(Why::Tick(tick)),
            }
        }
        if due.missed > 0 || due.run.is_some() {
            next.decided_until = facts.now;
        }
    }
    if plan.start.is_some() {
        next.begun = Some(Begun {
            by: facts.owner.to_owned(),
            number: facts.number,
            until: facts.now.saturating_add(facts.takes_max),
            is_told: false,
        });
    }
    plan.note = (before.as_ref() != Some(&next)).then_some(next);
    plan
}

/// Whether the run that was begun last is over, and whether that is to be told.
fn look_after_begun(memory: &mut Memory, facts: &Facts<'_>, plan: &mut Plan) {
    let Some(begun) = &mut memory.begun else {
        return;
    };
    if begun.by == facts.owner {
        if facts.ended >= Some(begun.number) {
            memory.begun = None;
        } else if !facts.is_running && begun.until <= facts.now {
            // It was told when its answer was lost.
            memory.begun = None;
        }
        return;
    }
    plan.is_lost = !std::mem::replace(&mut begun.is_told, true);
    // Where runs may overlap nobody waits for it.
    if !facts.at_most_one || begun.until <= facts.now {
        memory.begun = None;
    }
}
