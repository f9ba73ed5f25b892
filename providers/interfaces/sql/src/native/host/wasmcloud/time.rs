//! Days and times, in the words of the package and in those of the trait.

use super::types::{self, Offset, PgValue, TimestampTz};
use crate::{
    Date, Other, Scalar, Time, Timestamp, days_of_date, instant_of_micros,
    native::calendar::{DAY_MICROS, parse_time, time_text},
};

/// The time after all others, and that before them, as Postgres writes them.
const AFTER_ALL: &str = "infinity";
const BEFORE_ALL: &str = "-infinity";

const NO_DATE: &str = "there is no such date";
const NO_TIME: &str = "there is no such time";

type Made<T> = Result<T, String>;

/// The day; or the word for a time that is none.
fn day(date: types::Date) -> Made<Result<Date, &'static str>> {
    let (year, month, day) = match date {
        types::Date::PositiveInfinity => return Ok(Err(AFTER_ALL)),
        types::Date::NegativeInfinity => return Ok(Err(BEFORE_ALL)),
        types::Date::Ymd(parts) => parts,
    };
    let (Ok(month), Ok(day)) = (month.try_into(), day.try_into()) else {
        return Err(NO_DATE.to_owned());
    };
    let date = Date { year, month, day };
    days_of_date(&date).ok_or(NO_DATE)?;
    Ok(Ok(date))
}

fn time(time: types::Time) -> Made<Time> {
    let types::Time {
        hour,
        min,
        sec,
        micro,
    } = time;
    let (Ok(hour), Ok(minute), Ok(second)) = (hour.try_into(), min.try_into(), sec.try_into())
    else {
        return Err(NO_TIME.to_owned());
    };
    let time = Time {
        hour,
        minute,
        second,
        microsecond: micro,
    };
    time_text(&time).ok_or(NO_TIME)?;
    Ok(time)
}

fn word(type_name: &str, text: &str) -> Scalar {
    Scalar::Other(Other {
        type_name: type_name.to_owned(),
        text: text.to_owned(),
    })
}

pub(super) fn date_scalar(date: types::Date) -> Made<Scalar> {
    Ok(match day(date)? {
        Ok(date) => Scalar::Date(date),
        Err(infinite) => word("date", infinite),
    })
}

pub(super) fn time_scalar(value: types::Time) -> Made<Scalar> {
    Ok(Scalar::Time(time(value)?))
}

/// With its zone behind it, as the guest writes it.
pub(super) fn zoned_time_scalar(value: types::TimeTz) -> Made<Scalar> {
    let text = time_text(&time(value.time)?).ok_or(NO_TIME)?;
    let zone = value.timesonze;
    let separator = if zone.starts_with(['+', '-']) {
        ""
    } else {
        " "
    };
    Ok(word("timetz", &format!("{text}{separator}{zone}")))
}

pub(super) fn timestamp_scalar(value: types::Timestamp) -> Made<Scalar> {
    let types::Timestamp { date, time: of_day } = value;
    Ok(match day(date)? {
        Ok(date) => Scalar::Timestamp(Timestamp {
            date,
            time: time(of_day)?,
        }),
        Err(infinite) => word("timestamp", infinite),
    })
}

/// The instant at which clocks in that zone show that time.
pub(super) fn instant_scalar(value: TimestampTz) -> Made<Scalar> {
    let types::Timestamp { date, time: of_day } = value.timestamp;
    let date = match day(date)? {
        Ok(date) => date,
        Err(infinite) => return Ok(word("timestamptz", infinite)),
    };
    let east = match value.offset {
        Offset::EasternHemisphereSecs(seconds) => i64::from(seconds),
        Offset::WesternHemisphereSecs(seconds) => -i64::from(seconds),
    };
    if !(-86_399..=86_399).contains(&east) {
        return Err(format!("no time zone is {east} seconds east of UTC"));
    }
    let Time {
        hour,
        minute,
        second,
        microsecond,
    } = time(of_day)?;
    let minutes = i64::from(hour) * 60 + i64::from(minute);
    let seconds = minutes * 60 + i64::from(second) - east;
    let days = days_of_date(&date).ok_or(NO_DATE)?;
    let micros = i128::from(days) * i128::from(DAY_MICROS)
        + i128::from(seconds) * 1_000_000
        + i128::from(microsecond);
    let instant = instant_of_micros(micros).ok_or(NO_DATE)?;
    Ok(Scalar::Instant(instant))
}

pub(super) fn date_shown(date: Date) -> types::Date {
    let Date { year, month, day } = date;
    types::Date::Ymd((year, month.into(), day.into()))
}

pub(super) fn time_shown(time: Time) -> types::Time {
    let Time {
        hour,
        minute,
        second,
        microsecond,
    } = time;
    types::Time {
        hour: hour.into(),
        min: minute.into(),
        sec: second.into(),
        micro: microsecond,
    }
}

pub(super) fn timestamp_shown(timestamp: Timestamp) -> types::Timestamp {
    let Timestamp { date, time } = timestamp;
    types::Timestamp {
        date: date_shown(date),
        time: time_shown(time),
    }
}

/// In UTC.
pub(super) fn instant_shown(timestamp: Timestamp) -> TimestampTz {
    in_utc(timestamp_shown(timestamp))
}

/// As the reference host has it.
fn in_utc(timestamp: types::Timestamp) -> TimestampTz {
    TimestampTz {
        timestamp,
        offset: Offset::WesternHemisphereSecs(0),
    }
}

/// What only has a text: a time that is none, and a time of day in a zone.
pub(super) fn of_text(type_name: &str, text: &str) -> Option<PgValue> {
    if type_name == "timetz" {
        let (time, zone) = text.split_at(text.rfind(['+', '-'])?);
        let time = time_shown(parse_time(time)?);
        return Some(PgValue::TimeTz(types::TimeTz {
            timesonze: zone.to_owned(),
            time,
        }));
    }
    let date = match text {
        AFTER_ALL => types::Date::PositiveInfinity,
        BEFORE_ALL => types::Date::NegativeInfinity,
        _ => return None,
    };
    let time = types::Time {
        hour: 0,
        min: 0,
        sec: 0,
        micro: 0,
    };
    let timestamp = types::Timestamp { date, time };
    match type_name {
        "date" => Some(PgValue::Date(date)),
        "timestamp" => Some(PgValue::Timestamp(timestamp)),
        "timestamptz" => Some(PgValue::TimestampTz(in_utc(timestamp))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(date: types::Date, hour: u32, offset: Offset) -> TimestampTz {
        let time = types::Time {
            hour,
            min: 30,
            sec: 0,
            micro: 1,
        };
        TimestampTz {
            timestamp: types::Timestamp { date, time },
            offset,
        }
    }

    #[test]
    fn an_instant_is_where_the_clock_shows_it() {
        let day = types::Date::Ymd((2024, 2, 29));
        for (offset, expected) in [
            (Offset::WesternHemisphereSecs(0), ((2024, 2, 29), 22)),
            (Offset::WesternHemisphereSecs(4 * 3600), ((2024, 3, 1), 2)),
            (
                Offset::EasternHemisphereSecs(23 * 3600),
                ((2024, 2, 28), 23),
            ),
        ] {
            let Ok(Scalar::Instant(instant)) = instant_scalar(at(day, 22, offset)) else {
                panic!("no instant");
            };
            let Timestamp {
                date: Date { year, month, day },
                time,
            } = instant;
            assert_eq!(((year, month, day), time.hour), expected);
            assert_eq!((time.minute, time.microsecond), (30, 1));
        }
        let far = Offset::EasternHemisphereSecs(i32::MAX);
        assert!(instant_scalar(at(day, 22, far)).is_err());
        let last = types::Date::Ymd((i32::MAX, 12, 31));
        let west = Offset::WesternHemisphereSecs(86_399);
        assert_eq!(instant_scalar(at(last, 22, west)), Err(NO_DATE.to_owned()));
    }

    #[test]
    fn what_no_calendar_has_is_refused() {
        for parts in [(2023, 2, 29), (2024, 0, 1), (2024, 300, 1), (2024, 1, 32)] {
            assert!(date_scalar(types::Date::Ymd(parts)).is_err(), "{parts:?}");
        }
        for (hour, min, sec, micro) in [
            (25, 0, 0, 0),
            (300, 0, 0, 0),
            (1, 60, 0, 0),
            (1, 0, 0, 1_000_000),
        ] {
            let time = types::Time {
                hour,
                min,
                sec,
                micro,
            };
            assert!(time_scalar(time).is_err(), "{hour}:{min}:{sec}.{micro}");
        }
    }

    #[test]
    fn a_time_in_a_zone_has_its_zone() {
        let Some(PgValue::TimeTz(time)) = of_text("timetz", "04:05:06.5-03:30") else {
            panic!("no time");
        };
        assert_eq!(
            (time.time.hour, time.time.micro, &*time.timesonze),
            (4, 500_000, "-03:30")
        );
        let Ok(Scalar::Other(other)) = zoned_time_scalar(time) else {
            panic!("no text");
        };
        assert_eq!(other.text, "04:05:06.500000-03:30");
        assert_eq!(of_text("timetz", "04:05:06"), None);
        assert_eq!(of_text("date", "today"), None);
    }
}
