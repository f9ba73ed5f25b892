//! Values as SQLite keeps them: numbers, texts and bytes. What has no type there is a text, and is read as
//! what its column was declared; an array is a text of JSON.

use rusqlite::{CachedStatement, Row, ToSql, types::ValueRef};
use serde_json::Value as Json;

use super::{declared::Declared, error::failure};
use crate::native::{
    calendar::{
        date_text, interval_text, parse_date, parse_interval, parse_time, parse_timestamp,
        time_text, timestamp_text,
    },
    value::{no_such_time, scalar_text},
};
use crate::{Array, Scalar, SqlError, Value};

/// Digits of a decimal that SQLite keeps, in a column that takes it for a number.
const DECIMAL_DIGITS: usize = 15;

/// Of an instant, which SQLite's own functions read.
const UTC: &str = "Z";

/// How many parameters a statement has: the largest number of one.
pub(super) fn parameters_of(statement: &CachedStatement<'_>) -> Result<usize, SqlError> {
    let indices = 1..=statement.parameter_count();
    let mut largest = 0;
    for index in indices {
        largest = largest.max(number_of(statement, index)?);
    }
    Ok(largest)
}

/// The number of the parameter at an index: SQLite counts `$2` as a name, in the order of appearance.
fn number_of(statement: &CachedStatement<'_>, index: usize) -> Result<usize, SqlError> {
    let Some(name) = statement.parameter_name(index) else {
        return Ok(index);
    };
    let number = name.strip_prefix(['$', '?']);
    let number = number.and_then(|number| number.parse().ok());
    number.filter(|number| *number > 0).ok_or_else(|| {
        let message = format!("parameters are $1, $2 and so on, and not {name}");
        SqlError::refused("42P02", message)
    })
}

pub(super) fn bind(
    statement: &mut CachedStatement<'_>,
    parameters: &[Value],
) -> Result<(), SqlError> {
    let needed = parameters_of(statement)?;
    if needed != parameters.len() {
        let given = parameters.len();
        let message =
            format!("the statement has {needed} parameters, and {given} values are given");
        return Err(SqlError::refused("07001", message));
    }
    for index in 1..=statement.parameter_count() {
        let value = &parameters[number_of(statement, index)? - 1];
        let bound = match value {
            Value::Array(array) => statement.raw_bind_parameter(index, array_json(array)?),
            Value::Scalar(Scalar::Text(text)) => statement.raw_bind_parameter(index, text),
            Value::Scalar(Scalar::Bytes(bytes)) => statement.raw_bind_parameter(index, bytes),
            Value::Scalar(scalar) => statement.raw_bind_parameter(index, kept(scalar)?),
        };
        bound.map_err(|error| failure(&error))?;
    }
    Ok(())
}

/// A scalar as SQLite keeps it.
fn kept(scalar: &Scalar) -> Result<Box<dyn ToSql>, SqlError> {
    let time = |text: Option<String>| text.ok_or_else(no_such_time);
    let number = |value: f64| match value.is_nan() {
        // It would become NULL.
        true => Err(SqlError::refused("22003", "SQLite knows no NaN")),
        false => Ok(value),
    };
    Ok(match scalar {
        Scalar::Null => Box::new(rusqlite::types::Null),
        Scalar::Boolean(value) => Box::new(*value),
        Scalar::Int8(value) => Box::new(*value),
        Scalar::Int16(value) => Box::new(*value),
        Scalar::Int32(value) => Box::new(*value),
        Scalar::Int64(value) => Box::new(*value),
        Scalar::Uint32(value) => Box::new(*value),
        Scalar::Uint64(value) => {
            let value = i64::try_from(*value);
            let message = "SQLite's integers have 63 bits";
            Box::new(value.map_err(|_large| SqlError::refused("22003", message))?)
        }
        Scalar::Float32(value) => Box::new(number((*value).into())?),
        Scalar::Float64(value) => Box::new(number(*value)?),
        Scalar::Decimal(text) => Box::new(decimal(text)?.to_owned()),
        Scalar::Text(text) => Box::new(text.clone()),
        Scalar::Bytes(bytes) => Box::new(bytes.clone()),
        Scalar::Date(date) => Box::new(time(date_text(date))?),
        Scalar::Time(value) => Box::new(time(time_text(value))?),
        Scalar::Timestamp(value) => Box::new(time(timestamp_text(value, ""))?),
        Scalar::Instant(value) => Box::new(time(timestamp_text(value, UTC))?),
        Scalar::Interval(interval) => Box::new(interval_text(interval)),
        Scalar::Uuid(text) => Box::new(uuid(text)?),
        Scalar::Json(text) => {
            let read: Result<serde::de::IgnoredAny, _> = serde_json::from_str(text);
            read.map_err(|error| SqlError::refused("22P02", format!("no JSON: {error}")))?;
            Box::new(text.clone())
        }
        Scalar::Other(other) => Box::new(other.text.clone()),
    })
}

/// A decimal that loses nothing as a number of SQLite's.
fn decimal(text: &str) -> Result<&str, SqlError> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SqlError::refused(
            "22P02",
            format!("{text:?} is no decimal"),
        ));
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0').len();
    if significant > DECIMAL_DIGITS {
        let message = format!(
            "SQLite keeps {DECIMAL_DIGITS} digits of a decimal, and this one has {significant}: keep it as text"
        );
        return Err(SqlError::refused("22003", message));
    }
    Ok(text)
}

/// In small letters.
fn uuid(text: &str) -> Result<String, SqlError> {
    let is_one = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    match is_one {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(SqlError::refused("22P02", format!("{text:?} is no UUID"))),
    }
}

/// The value of a column.
pub(super) fn read(row: &Row<'_>, at: usize, declared: &Declared) -> Result<Value, SqlError> {
    let value = row.get_ref(at).map_err(|error| failure(&error))?;
    if let (ValueRef::Text(bytes), Declared::Array(element)) = (value, declared)
        && let Ok(Json::Array(elements)) = serde_json::from_slice(bytes)
        && let Some(array) = array_of(elements, element)
    {
        return Ok(Value::Array(array));
    }
    Ok(Value::Scalar(scalar(value, declared)))
}

fn scalar(value: ValueRef<'_>, declared: &Declared) -> Scalar {
    match value {
        ValueRef::Null => Scalar::Null,
        ValueRef::Integer(number) => integer(number, declared),
        ValueRef::Real(number) => match declared {
            Declared::Float32 => Scalar::Float32(number as f32),
            Declared::Decimal => Scalar::Decimal(number.to_string()),
            Declared::Json => Scalar::Json(number.to_string()),
            _ => Scalar::Float64(number),
        },
        ValueRef::Blob(bytes) => Scalar::Bytes(bytes.to_vec()),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => read_text(text, declared).unwrap_or_else(|| Scalar::Text(text.to_owned())),
            // Somebody else's: SQLite checks no text.
            Err(_) => Scalar::Bytes(bytes.to_vec()),
        },
    }
}

fn integer(number: i64, declared: &Declared) -> Scalar {
    let narrow = match declared {
        Declared::Boolean => match number {
            0 | 1 => Some(Scalar::Boolean(number == 1)),
            _ => None,
        },
        Declared::Int16 => number.try_into().ok().map(Scalar::Int16),
        Declared::Int32 => number.try_into().ok().map(Scalar::Int32),
        Declared::Float32 => Some(Scalar::Float32(number as f32)),
        Declared::Float64 => Some(Scalar::Float64(number as f64)),
        Declared::Decimal => Some(Scalar::Decimal(number.to_string())),
        Declared::Json => Some(Scalar::Json(number.to_string())),
        _ => None,
    };
    narrow.unwrap_or(Scalar::Int64(number))
}

/// A text as what its column was declared; none if it is none.
fn read_text(text: &str, declared: &Declared) -> Option<Scalar> {
    Some(match declared {
        Declared::Decimal => Scalar::Decimal(decimal(text).ok()?.to_owned()),
        Declared::Date => Scalar::Date(parse_date(text)?),
        Declared::Time => Scalar::Time(parse_time(text)?),
        Declared::Timestamp => Scalar::Timestamp(parse_timestamp(text, "")?),
        Declared::Instant => Scalar::Instant(parse_timestamp(text, UTC)?),
        Declared::Interval => Scalar::Interval(parse_interval(text)?),
        Declared::Uuid => Scalar::Uuid(uuid(text).ok()?),
        Declared::Json => Scalar::Json(text.to_owned()),
        _ => return None,
    })
}

fn array_json(array: &Array) -> Result<String, SqlError> {
    let elements = array.elements.iter().map(element_json);
    let mut level: Vec<Json> = elements.collect::<Result<_, _>>()?;
    // From the innermost dimension out; the outermost is what is left.
    for length in array.lengths.iter().skip(1).rev() {
        let inner = level.chunks(*length as usize);
        level = inner.map(|inner| Json::Array(inner.to_vec())).collect();
    }
    Ok(Json::Array(level).to_string())
}

fn element_json(scalar: &Scalar) -> Result<Json, SqlError> {
    Ok(match scalar {
        Scalar::Null => Json::Null,
        Scalar::Boolean(value) => (*value).into(),
        Scalar::Int8(value) => (*value).into(),
        Scalar::Int16(value) => (*value).into(),
        Scalar::Int32(value) => (*value).into(),
        Scalar::Int64(value) => (*value).into(),
        Scalar::Uint32(value) => (*value).into(),
        Scalar::Float32(value) => (*value).into(),
        Scalar::Float64(value) => (*value).into(),
        Scalar::Bytes(_) | Scalar::Uint64(_) => {
            let message = "SQLite's arrays, which are JSON, have no place for it";
            return Err(SqlError::refused("0A000", message));
        }
        other => {
            let text = scalar_text(other)?.unwrap_or_default();
            match other {
                Scalar::Instant(timestamp) => timestamp_text(timestamp, UTC).unwrap_or(text).into(),
                _ => text.into(),
            }
        }
    })
}

/// None where it is not of one shape, or no array of such elements.
fn array_of(elements: Vec<Json>, declared: &Declared) -> Option<Array> {
    if elements.is_empty() {
        return Some(Array {
            lengths: Vec::new(),
            elements: Vec::new(),
        });
    }
    let mut lengths = vec![u32::try_from(elements.len()).ok()?];
    let mut level = elements;
    while let Some(Json::Array(first)) = level.first() {
        let length = first.len();
        lengths.push(u32::try_from(length).ok()?);
        let mut inner = Vec::with_capacity(level.len() * length);
        for part in level {
            match part {
                Json::Array(part) if part.len() == length => inner.extend(part),
                _ => return None,
            }
        }
        level = inner;
    }
    let scalars = level.iter().map(|element| element_of(element, declared));
    Some(Array {
        lengths,
        elements: scalars.collect::<Option<_>>()?,
    })
}

fn element_of(element: &Json, declared: &Declared) -> Option<Scalar> {
    Some(match element {
        Json::Null => Scalar::Null,
        Json::Bool(value) => Scalar::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => integer(number, declared),
            None => scalar(ValueRef::Real(number.as_f64()?), declared),
        },
        Json::String(text) => {
            read_text(text, declared).unwrap_or_else(|| Scalar::Text(text.clone()))
        }
        Json::Array(_) | Json::Object(_) => return None,
    })
}
