//! When a component runs, as a manifest says it.

use std::ops::RangeInclusive;

use serde::Deserialize;
use wrt_command::Start;
use wrt_runtime::SelectionError;

use crate::timing::Timing;

/// Milliseconds that a tick may be late and run all the same.
pub const LATE_MS: RangeInclusive<u64> = 0..=3_600_000;

/// Bytes of a pattern, and of a time zone's name.
pub const PATTERN_BYTES_MAX: usize = 256;

/// When and how a component runs. Whatever stands here, it runs when it is called (`wrt call`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSelection {
    /// `"deploy"`: once for each revision of the app.
    #[serde(default)]
    pub run: Run,
    /// At these times.
    pub schedule: Option<Times>,
    /// Its arguments at a deploy or a tick.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Whether its runs must not overlap.
    #[serde(default)]
    pub at_most_one: bool,
}

/// What starts a component beside the clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// Somebody who calls it.
    #[default]
    Call,
    /// A deploy of its app, too.
    Deploy,
}

/// Times of the clock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Minute, hour, day, month, day of the week; seconds may stand in front.
    pub cron: String,
    /// An IANA time zone.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// How late a tick may run.
    #[serde(default = "a_minute_ms")]
    pub late_ms_max: u64,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn a_minute_ms() -> u64 {
    60_000
}

impl JobSelection {
    pub(crate) fn check(&self, at: usize) -> Result<(), SelectionError> {
        let refused = |field, message| SelectionError {
            at,
            field: Some(field),
            message,
        };
        let arguments = Start::with(self.arguments.clone());
        let arguments = arguments.check();
        arguments.map_err(|fault| refused("arguments", fault.detail().to_owned()))?;
        let Some(times) = &self.schedule else {
            return Ok(());
        };
        if !LATE_MS.contains(&times.late_ms_max) {
            let (least, most) = (LATE_MS.start(), LATE_MS.end());
            let message = format!("late_ms_max must be from {least} to {most}");
            return Err(refused("schedule", message));
        }
        if times.cron.len().max(times.time_zone.len()) > PATTERN_BYTES_MAX {
            let message = format!("a pattern has at most {PATTERN_BYTES_MAX} bytes");
            return Err(refused("schedule", message));
        }
        let timing = Timing::new(times);
        timing
            .map(drop)
            .map_err(|error| refused("schedule", error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        let selection: JobSelection = toml::from_str(text).map_err(|error| error.to_string())?;
        selection.check(0).map_err(|error| error.to_string())
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for (text, expected) in [
            ("", None),
            ("run = \"deploy\"\nat_most_one = true", None),
            ("schedule = { cron = \"0 3 * * *\" }", None),
            (
                "schedule = { cron = \"*/5 * * * * *\", time_zone = \"Europe/Berlin\" }",
                None,
            ),
            ("run = \"often\"", Some("often")),
            ("cron = \"0 3 * * *\"", Some("cron")),
            ("schedule = { cron = \"0 25 * * *\" }", Some("cron")),
            ("schedule = { cron = \"0 0 30 2 *\" }", Some("never")),
            (
                "schedule = { cron = \"0 3 * * *\", time_zone = \"Europe/Berln\" }",
                Some("Europe/Berln"),
            ),
            (
                "schedule = { cron = \"0 3 * * *\", late_ms_max = 3600001 }",
                Some("late_ms_max"),
            ),
        ] {
            match (check(text), expected) {
                (Ok(()), None) => {}
                (Err(told), Some(part)) => assert!(told.contains(part), "{text}: {told}"),
                (told, _) => panic!("{text}: {told:?}"),
            }
        }
    }
}
