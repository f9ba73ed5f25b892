use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate, TimeZone as _, Timelike as _};
use proptest::prelude::*;

use super::*;

const DAY_S: i64 = 24 * 60 * 60;

fn timing(cron: &str, time_zone: &str) -> Timing {
    let times = Times {
        cron: cron.to_owned(),
        time_zone: time_zone.to_owned(),
        late_ms_max: 60_000,
    };
    Timing::new(&times).unwrap_or_else(|error| panic!("{error}"))
}

fn utc(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp()
}

fn ticks(timing: &Timing, from: i64) -> impl Iterator<Item = i64> {
    let next = |at: &i64| timing.next_after(*at);
    std::iter::successors(next(&from), next)
}

#[test]
fn clocks_that_are_put_forward_and_back() {
    for (cron, from, expected) in [
        // 02:30 is not there on the 29th of March 2026, and there twice on the 25th of October.
        (
            "30 2 * * *",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"][..],
        ),
        (
            "30 2 * * *",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        // Each hour is each hour that passes.
        (
            "0 * * * *",
            "2026-03-29T00:30:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"],
        ),
        (
            "0 * * * *",
            "2026-10-24T23:30:00Z",
            &[
                "2026-10-25T00:00:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T02:00:00Z",
            ],
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(|text| utc(text)).collect();
        let timing = timing(cron, "Europe/Berlin");
        let found: Vec<_> = ticks(&timing, utc(from)).take(expected.len()).collect();
        assert_eq!(found, expected, "{cron} from {from}");
    }
}

#[test]
fn the_last_tick_runs_unless_it_is_too_late() {
    let every_minute = timing("* * * * *", "UTC");
    let due = |after, now| every_minute.due(after, now);
    let (run, missed) = (|at| Some(at), |missed| missed);
    for (after, now, expected) in [
        (0, 59, (None, missed(0))),
        (0, 60, (run(60), missed(0))),
        (60, 60, (None, missed(0))),
        (60, 119, (None, missed(0))),
        (0, 179, (run(120), missed(1))),
        // A clock that was set back.
        (600, 60, (None, missed(0))),
    ] {
        let found = due(after, now);
        assert_eq!((found.run, found.missed), expected, "{after} {now}");
    }
    let daily = timing("0 0 * * *", "UTC");
    let late = daily.due(0, 3 * DAY_S + 61);
    assert_eq!(
        late,
        Due {
            run: None,
            missed: 3
        }
    );
    let every_second = timing("* * * * * *", "UTC");
    let long_ago = every_second.due(0, 365 * DAY_S);
    let expected = Due {
        run: Some(365 * DAY_S),
        missed: COUNTED_MAX - 1,
    };
    assert_eq!(long_ago, expected, "counted up to a bound");
}

fn patterns() -> impl Strategy<Value = String> {
    let minute = prop_oneof![
        Just("*".to_owned()),
        (0..60_u8).prop_map(|at| at.to_string()),
        (2..30_u8).prop_map(|step| format!("*/{step}")),
    ];
    let hour = prop_oneof![
        Just("*".to_owned()),
        (0..24_u8).prop_map(|at| at.to_string()),
        (2..12_u8).prop_map(|step| format!("*/{step}")),
    ];
    let weekday =
        prop_oneof![3 => Just("*".to_owned()), 1 => (0..7_u8).prop_map(|at| at.to_string())];
    (minute, hour, weekday)
        .prop_map(|(minute, hour, weekday)| format!("{minute} {hour} * * {weekday}"))
}

fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ])
}

/// Some day between 2000 and 2050.
fn instants() -> impl Strategy<Value = i64> {
    946_684_800..2_524_608_000_i64
}

proptest! {
    /// Whenever and however often one looks: each tick is run or missed, and none twice.
    #[test]
    fn each_tick_is_due_once(
        pattern in patterns(),
        zone in zones(),
        from in instants(),
        looks in prop::collection::vec(0..2 * 60 * 60_i64, 1..20),
    ) {
        let timing = timing(&pattern, zone);
        let (mut after, mut now) = (from, from);
        let (mut run, mut missed) = (Vec::new(), 0);
        for pause in looks {
            now += pause;
            let due = timing.due(after, now);
            run.extend(due.run);
            missed += due.missed;
            after = after.max(now);
        }
        let all: Vec<_> = ticks(&timing, from).take_while(|at| *at <= now).collect();
        prop_assert_eq!(run.len() as u64 + missed, all.len() as u64);
        prop_assert!(run.windows(2).all(|two| two[0] < two[1]), "{:?}", run);
        prop_assert!(run.iter().all(|at| all.contains(at)));
    }

    /// A time of the day comes on each day, once, whatever clocks do on it.
    #[test]
    fn a_time_of_day_comes_once_a_day(
        hour in 0..24_u8,
        minute in 0..60_u8,
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        year in 2020..2035_i32,
    ) {
        let timing = timing(&format!("{minute} {hour} * * *"), zone);
        let zone: Tz = zone.parse().unwrap();
        let began = NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
        let began = zone.from_local_datetime(&began).unwrap().timestamp() - 1;
        let mut days = BTreeMap::<NaiveDate, u32>::new();
        for at in ticks(&timing, began).take(364) {
            let local = zone.timestamp_opt(at, 0).unwrap();
            *days.entry(local.date_naive()).or_default() += 1;
        }
        prop_assert_eq!(days.len(), 364);
        prop_assert!(days.values().all(|count| *count == 1), "{:?}", days);
        prop_assert_eq!(days.keys().next().map(NaiveDate::ordinal), Some(1));
    }

    /// What comes is a time of the pattern, but where clocks have left that out.
    #[test]
    fn a_tick_is_a_time_of_its_pattern(hour in 0..24_u32, minute in 0..60_u32, from in instants()) {
        let timing = timing(&format!("{minute} {hour} * * *"), "Asia/Kathmandu");
        let zone: Tz = "Asia/Kathmandu".parse().unwrap();
        let at = timing.next_after(from).unwrap();
        let local = zone.timestamp_opt(at, 0).unwrap();
        prop_assert_eq!((local.hour(), local.minute(), local.second()), (hour, minute, 0));
        prop_assert!(at > from && at <= from + DAY_S);
    }
}
