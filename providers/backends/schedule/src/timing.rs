//! When a pattern comes. Pure.

#[cfg(test)]
mod tests;

use std::str::FromStr as _;

use chrono::DateTime;
use chrono_tz::Tz;
use croner::Cron;

use crate::selection::Times;

/// Ticks that are counted when many were missed: over that it is told that there were at least so many.
pub(crate) const COUNTED_MAX: u64 = 10_000;

/// A pattern in its time zone.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    cron: Cron,
    zone: Tz,
    late_max_s: i64,
    text: String,
}

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimingError {
    #[error("there is no time zone {0:?}: name one of the IANA database, as Europe/Berlin")]
    Zone(String),
    #[error("{cron:?} is no cron pattern: {reason}")]
    Pattern { cron: String, reason: String },
    #[error("the time {0:?} never comes")]
    Never(String),
}

/// The ticks of a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Due {
    /// The last one, if it is not too late for it.
    pub(crate) run: Option<i64>,
    /// The others, up to [`COUNTED_MAX`].
    pub(crate) missed: u64,
}

impl Timing {
    pub(crate) fn new(times: &Times) -> Result<Self, TimingError> {
        let Times {
            cron,
            time_zone,
            late_ms_max,
        } = times;
        let zone = Tz::from_str(time_zone).map_err(|_none| TimingError::Zone(time_zone.clone()))?;
        let parsed = Cron::from_str(cron);
        let parsed = parsed.map_err(|error| TimingError::Pattern {
            cron: cron.clone(),
            reason: error.to_string(),
        })?;
        let timing = Self {
            cron: parsed,
            zone,
            late_max_s: i64::try_from(late_ms_max / 1000).unwrap_or(i64::MAX),
            text: format!("{cron} {time_zone}"),
        };
        // From any day on: what has no next one then has none at all.
        match timing.next_after(0) {
            Some(_) => Ok(timing),
            None => Err(TimingError::Never(cron.clone())),
        }
    }

    /// What tells it from another.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The first tick behind that second since 1970; none where none comes any more.
    pub(crate) fn next_after(&self, second: i64) -> Option<i64> {
        let from = DateTime::from_timestamp(second, 0)?.with_timezone(&self.zone);
        let next = self.cron.find_next_occurrence(&from, false).ok()?;
        // A search that does not move would be one for ever.
        Some(next.timestamp()).filter(|next| *next > second)
    }

    /// What is due at `now` of the ticks behind `after`. It looks forward only: so every tick is due once,
    /// however often and whenever one looks.
    pub(crate) fn due(&self, after: i64, now: i64) -> Due {
        let mut ticks = 0;
        let mut last = None;
        let mut at = after;
        while let Some(next) = self.next_after(at).filter(|next| *next <= now) {
            (at, last) = (next, Some(next));
            ticks += 1;
            if ticks == COUNTED_MAX {
                // The last one, without those in between.
                at = at.max(now - self.late_max_s - 1);
            }
        }
        let run = last.filter(|last| now - last <= self.late_max_s);
        let counted = ticks.min(COUNTED_MAX);
        Due {
            run,
            missed: counted - u64::from(run.is_some()),
        }
    }
}
