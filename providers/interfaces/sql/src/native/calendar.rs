//! Days, times and instants as numbers and as texts. Gregorian, also before it was used.

use crate::{Date, Interval, Time, Timestamp};

/// A day's microseconds.
pub(crate) const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// Days of an era, of 400 years.
const ERA_DAYS: i64 = 146_097;

/// From the first of March of the year 0 to the first of January 1970.
const EPOCH_DAYS: i64 = 719_468;

/// The day so many days after the first of January 1970; none where its year has no number here.
///
/// By Howard Hinnant's `civil_from_days`.
#[must_use]
pub fn date_of_days(days: i64) -> Option<Date> {
    let days = days.checked_add(EPOCH_DAYS)?;
    let (era, day_of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on: the leap day is a year's last one.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era.checked_mul(400)? + i64::from(month <= 2);
    Some(Date {
        year: year.try_into().ok()?,
        month: month.try_into().ok()?,
        day: day.try_into().ok()?,
    })
}

/// The days of a date after the first of January 1970; none where the calendar has no such day.
#[must_use]
pub fn days_of_date(date: &Date) -> Option<i64> {
    let (year, month, day) = (
        i64::from(date.year),
        i64::from(date.month),
        i64::from(date.day),
    );
    if !(1..=12).contains(&month) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * ERA_DAYS + day_of_era - EPOCH_DAYS;
    (date_of_days(days).as_ref() == Some(date)).then_some(days)
}

/// The time so many microseconds after midnight; none where a day has no such time.
#[must_use]
pub fn time_of_micros(micros: i64) -> Option<Time> {
    if !(0..=DAY_MICROS).contains(&micros) {
        return None;
    }
    let seconds = micros / 1_000_000;
    Some(Time {
        hour: (seconds / 3600).try_into().ok()?,
        minute: (seconds / 60 % 60).try_into().ok()?,
        second: (seconds % 60).try_into().ok()?,
        microsecond: (micros % 1_000_000).try_into().ok()?,
    })
}

/// The instant so many microseconds after the first moment of 1970.
#[must_use]
pub fn instant_of_micros(micros: i128) -> Option<Timestamp> {
    let day = i128::from(DAY_MICROS);
    let days = i64::try_from(micros.div_euclid(day)).ok()?;
    let time = i64::try_from(micros.rem_euclid(day)).ok()?;
    Some(Timestamp {
        date: date_of_days(days)?,
        time: time_of_micros(time)?,
    })
}

fn is_time(time: &Time) -> bool {
    let micros = (i64::from(time.hour) * 60 + i64::from(time.minute)) * 60;
    let micros = (micros + i64::from(time.second)) * 1_000_000 + i64::from(time.microsecond);
    time_of_micros(micros).as_ref() == Some(time)
}

/// `2026-11-27`, of more digits where the year has them, and ` BC` behind it before the year 1; none
/// where the calendar has no such day.
pub(crate) fn date_text(date: &Date) -> Option<String> {
    days_of_date(date)?;
    let (year, era) = era_of(date.year);
    Some(format!("{year:04}-{:02}-{:02}{era}", date.month, date.day))
}

/// `14:30:00`, with six more digits where there is more to say.
pub(crate) fn time_text(time: &Time) -> Option<String> {
    let seconds = format!("{:02}:{:02}:{:02}", time.hour, time.minute, time.second);
    is_time(time).then(|| match time.microsecond {
        0 => seconds,
        micros => format!("{seconds}.{micros:06}"),
    })
}

/// Both, with `zone` behind them.
pub(crate) fn timestamp_text(timestamp: &Timestamp, zone: &str) -> Option<String> {
    let Timestamp { date, time } = timestamp;
    days_of_date(date)?;
    let (year, era) = era_of(date.year);
    let time = time_text(time)?;
    Some(format!(
        "{year:04}-{:02}-{:02} {time}{zone}{era}",
        date.month, date.day
    ))
}

fn era_of(year: i32) -> (i64, &'static str) {
    match i64::from(year) {
        year if year > 0 => (year, ""),
        year => (1 - year, " BC"),
    }
}

/// `1 mons 2 days 3.000004 secs`: the words that Postgres reads and writes.
pub(crate) fn interval_text(interval: &Interval) -> String {
    let Interval {
        months,
        days,
        microseconds,
    } = interval;
    let sign = if *microseconds < 0 { "-" } else { "" };
    let micros = microseconds.unsigned_abs();
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    format!("{months} mons {days} days {sign}{seconds}.{micros:06} secs")
}

/// Reads what [`date_text`] writes.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let (text, is_before) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut parts = text.splitn(3, '-');
    let year: i32 = digits(parts.next()?, 4..=7)?;
    let date = Date {
        year: if is_before { 1 - year } else { year },
        month: digits(parts.next()?, 2..=2)?,
        day: digits(parts.next()?, 2..=2)?,
    };
    days_of_date(&date).map(|_| date)
}

/// Reads what [`time_text`] writes, also with fewer digits behind the seconds or without them.
pub(crate) fn parse_time(text: &str) -> Option<Time> {
    let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = text.splitn(3, ':');
    let time = Time {
        hour: digits(parts.next()?, 2..=2)?,
        minute: digits(parts.next()?, 2..=2)?,
        second: parts.next().map_or(Some(0), |text| digits(text, 2..=2))?,
        microsecond: digits::<u32>(fraction, 1..=6)? * 10_u32.pow(6 - fraction.len() as u32),
    };
    is_time(&time).then_some(time)
}

/// Reads what [`timestamp_text`] writes, with that zone.
pub(crate) fn parse_timestamp(text: &str, zone: &str) -> Option<Timestamp> {
    let (text, era) = match text.strip_suffix(" BC") {
        Some(text) => (text, " BC"),
        None => (text, ""),
    };
    let text = text.strip_suffix(zone)?;
    let (date, time) = text.split_once([' ', 'T'])?;
    Some(Timestamp {
        date: parse_date(&format!("{date}{era}"))?,
        time: parse_time(time)?,
    })
}

/// Reads what [`interval_text`] writes.
pub(crate) fn parse_interval(text: &str) -> Option<Interval> {
    let words: Vec<_> = text.split(' ').collect();
    let [months, "mons", days, "days", seconds, "secs"] = words[..] else {
        return None;
    };
    let (seconds, micros) = seconds.split_once('.')?;
    let micros: i128 = digits::<u32>(micros, 6..=6)?.into();
    let sign = if seconds.starts_with('-') { -1 } else { 1 };
    let seconds: i128 = seconds.parse::<i64>().ok()?.into();
    Some(Interval {
        months: months.parse().ok()?,
        days: days.parse().ok()?,
        microseconds: (seconds * 1_000_000 + sign * micros).try_into().ok()?,
    })
}

fn digits<T: std::str::FromStr>(
    text: &str,
    how_many: std::ops::RangeInclusive<usize>,
) -> Option<T> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    (all && how_many.contains(&text.len())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(year: i32, month: u8, day: u8) -> Date {
        Date { year, month, day }
    }

    #[test]
    fn days_have_their_dates() {
        for (days, expected) in [
            (0, date(1970, 1, 1)),
            (-1, date(1969, 12, 31)),
            (19_782, date(2024, 2, 29)),
            (10_957, date(2000, 1, 1)),
            (-719_162, date(1, 1, 1)),
            (-719_163, date(0, 12, 31)),
        ] {
            assert_eq!(date_of_days(days), Some(expected));
            assert_eq!(days_of_date(&expected), Some(days));
        }
        for none in [
            date(2023, 2, 29),
            date(2024, 0, 1),
            date(2024, 13, 1),
            date(2024, 4, 31),
            date(2024, 4, 0),
        ] {
            assert_eq!(days_of_date(&none), None, "{none:?}");
            assert_eq!(date_text(&none), None, "{none:?}");
        }
    }

    #[test]
    fn texts_are_those_of_the_databases() {
        let time = Time {
            hour: 7,
            minute: 5,
            second: 9,
            microsecond: 120,
        };
        let timestamp = Timestamp {
            date: date(-43, 3, 15),
            time,
        };
        assert_eq!(
            timestamp_text(&timestamp, "+00").as_deref(),
            Some("0044-03-15 07:05:09.000120+00 BC")
        );
        assert_eq!(parse_time("07:05").map(|time| time.minute), Some(5));
        assert_eq!(parse_time("25:00:00"), None);
        assert_eq!(parse_date("2024-1-01"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(micros in any::<i64>(), months in any::<i32>(), days in any::<i32>()) {
            let instant = instant_of_micros(micros.into()).expect("64 bits are no more than 600,000 years");
            for zone in ["", "Z", "+00"] {
                let text = timestamp_text(&instant, zone).expect("it is one");
                prop_assert_eq!(parse_timestamp(&text, zone), Some(instant));
            }
            let interval = Interval { months, days, microseconds: micros };
            prop_assert_eq!(parse_interval(&interval_text(&interval)), Some(interval));
        }
    }
}
