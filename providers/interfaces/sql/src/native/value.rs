//! Values: how they are made, what they take, and how they are written.

use crate::native::calendar::{date_text, interval_text, time_text, timestamp_text};
use crate::{Array, Command, Limit, Row, Rows, Scalar, SqlError, Value, limits::NAMES_BYTES_MAX};

/// What a value takes beside its text or bytes, roughly.
const VALUE_BYTES: usize = 16;

macro_rules! from {
    ($($type:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::Scalar(Scalar::$variant(value.into()))
            }
        })+
    };
}

from! {
    bool => Boolean,
    i16 => Int16,
    i32 => Int32,
    i64 => Int64,
    f32 => Float32,
    f64 => Float64,
    &str => Text,
    String => Text,
    Vec<u8> => Bytes,
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        Self::Scalar(scalar)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Scalar(Scalar::Null), Into::into)
    }
}

impl Command {
    /// A statement with its parameters.
    #[must_use]
    pub fn new(text: &str, parameters: impl Into<Vec<Value>>) -> Self {
        Self {
            text: text.to_owned(),
            parameters: parameters.into(),
        }
    }
}

/// Refuses rows each of which would have the names of its columns, where that is too much.
pub(crate) fn check_names(rows: &Rows) -> Result<(), SqlError> {
    let names: usize = rows.columns.iter().map(|column| column.name.len()).sum();
    Limit::ResultBytes.check(names.saturating_mul(rows.rows.len()), NAMES_BYTES_MAX)
}

/// What rows take, roughly.
pub(crate) fn rows_bytes(rows: &[Row]) -> usize {
    rows.iter().map(|row| row_bytes(row)).sum()
}

/// What a row takes, roughly.
pub(crate) fn row_bytes(row: &[Value]) -> usize {
    row.iter().map(value_bytes).sum::<usize>() + VALUE_BYTES
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Scalar(scalar) => scalar_bytes(scalar),
        Value::Array(array) => array.elements.iter().map(scalar_bytes).sum::<usize>() + VALUE_BYTES,
    }
}

fn scalar_bytes(scalar: &Scalar) -> usize {
    let data = match scalar {
        Scalar::Decimal(text) | Scalar::Text(text) | Scalar::Uuid(text) | Scalar::Json(text) => {
            text.len()
        }
        Scalar::Bytes(bytes) => bytes.len(),
        Scalar::Other(other) => other.type_name.len() + other.text.len(),
        _ => 0,
    };
    VALUE_BYTES + data
}

/// A scalar as databases write it; none is null.
///
/// # Errors
/// A date or a time that is none.
pub fn scalar_text(scalar: &Scalar) -> Result<Option<String>, SqlError> {
    let text = match scalar {
        Scalar::Null => return Ok(None),
        Scalar::Boolean(value) => Some(value.to_string()),
        Scalar::Int8(value) => Some(value.to_string()),
        Scalar::Int16(value) => Some(value.to_string()),
        Scalar::Int32(value) => Some(value.to_string()),
        Scalar::Int64(value) => Some(value.to_string()),
        Scalar::Uint32(value) => Some(value.to_string()),
        Scalar::Uint64(value) => Some(value.to_string()),
        Scalar::Float32(value) => Some(float_text(value, value.is_nan())),
        Scalar::Float64(value) => Some(float_text(value, value.is_nan())),
        Scalar::Decimal(text) | Scalar::Text(text) | Scalar::Uuid(text) | Scalar::Json(text) => {
            Some(text.clone())
        }
        Scalar::Bytes(bytes) => Some(bytes_text(bytes)),
        Scalar::Date(date) => date_text(date),
        Scalar::Time(time) => time_text(time),
        Scalar::Timestamp(timestamp) => timestamp_text(timestamp, ""),
        Scalar::Instant(timestamp) => timestamp_text(timestamp, "+00"),
        Scalar::Interval(interval) => Some(interval_text(interval)),
        Scalar::Other(other) => Some(other.text.clone()),
    };
    match text {
        Some(text) => Ok(Some(text)),
        None => Err(no_such_time()),
    }
}

/// What a date, or a time, that is in no calendar is refused with.
#[must_use]
pub fn no_such_time() -> SqlError {
    SqlError::refused("22008", "there is no such date or time")
}

fn float_text(value: impl std::fmt::Display, is_nan: bool) -> String {
    match value.to_string().as_str() {
        _ if is_nan => "NaN".to_owned(),
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        text => text.to_owned(),
    }
}

/// `\x` and two digits for each.
fn bytes_text(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| char::from(DIGITS[usize::from(digit)]));
    "\\x".chars().chain(digits).collect()
}

/// An array in braces, as Postgres reads and writes it: `{1,2,NULL}`, `{{"a","b"},{"c","d"}}`.
///
/// # Errors
/// Lengths that do not fit the elements, and what no element can be.
pub fn array_text(array: &Array) -> Result<String, SqlError> {
    let Array { lengths, elements } = array;
    if lengths.is_empty() && elements.is_empty() {
        return Ok("{}".to_owned());
    }
    check_shape(array)?;
    let mut text = String::new();
    let mut elements = elements.iter();
    write_dimension(&mut text, lengths, &mut elements)?;
    Ok(text)
}

/// Refuses an array whose lengths are not those of its elements.
pub(crate) fn check_shape(array: &Array) -> Result<(), SqlError> {
    let mut lengths = array.lengths.iter();
    let size = lengths.try_fold(1_usize, |size, length| size.checked_mul(*length as usize));
    let is_empty = array.lengths.is_empty() && array.elements.is_empty();
    let fits = !array.lengths.is_empty() && size == Some(array.elements.len());
    match is_empty || (fits && !array.elements.is_empty()) {
        true => Ok(()),
        false => Err(SqlError::refused(
            "2202E",
            "the lengths of an array do not fit the number of its elements",
        )),
    }
}

fn write_dimension(
    text: &mut String,
    lengths: &[u32],
    elements: &mut std::slice::Iter<'_, Scalar>,
) -> Result<(), SqlError> {
    let Some((length, inner)) = lengths.split_first() else {
        let element = elements.next().expect("the shape was checked");
        write_element(text, scalar_text(element)?.as_deref());
        return Ok(());
    };
    text.push('{');
    for at in 0..*length {
        if at > 0 {
            text.push(',');
        }
        write_dimension(text, inner, elements)?;
    }
    text.push('}');
    Ok(())
}

fn write_element(text: &mut String, element: Option<&str>) {
    let Some(element) = element else {
        return text.push_str("NULL");
    };
    text.push('"');
    for character in element.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lengths: &[u32], elements: &[Option<&str>]) -> Array {
        let scalar = |text: &Option<&str>| text.map_or(Scalar::Null, |it| Scalar::Text(it.into()));
        Array {
            lengths: lengths.to_vec(),
            elements: elements.iter().map(scalar).collect(),
        }
    }

    #[test]
    fn arrays_are_written_so_that_no_element_is_more_than_one() {
        for (array, expected) in [
            (texts(&[], &[]), Some("{}")),
            (texts(&[2], &[Some("a"), None]), Some("{\"a\",NULL}")),
            (
                texts(&[3], &[Some("a\",\"b"), Some("\\"), Some("NULL")]),
                Some(r#"{"a\",\"b","\\","NULL"}"#),
            ),
            (
                texts(&[2, 1], &[Some("a"), Some("b")]),
                Some("{{\"a\"},{\"b\"}}"),
            ),
            (texts(&[2], &[Some("a")]), None),
            (texts(&[], &[Some("a")]), None),
            (texts(&[0], &[]), None),
            (texts(&[u32::MAX; 3], &[Some("a")]), None),
        ] {
            assert_eq!(array_text(&array).ok().as_deref(), expected, "{array:?}");
        }
    }

    #[test]
    fn bytes_are_written_in_hex() {
        assert_eq!(bytes_text(&[0, 0xab, 0xff]), "\\x00abff");
    }
}
