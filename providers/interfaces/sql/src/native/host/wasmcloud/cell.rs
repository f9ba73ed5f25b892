//! A value of a result, as what its type in the database is called; one that the package has no word for is an
//! error that says so.

use super::{
    array::together,
    float::{parts_of_f32, parts_of_f64},
    geometry,
    literal::{address_of, bits_of, lsn_of, money_of, snapshot_of},
    quoted::{elements, hstore_of, lexemes_of},
    time::{self, date_shown, instant_shown, time_shown, timestamp_shown},
    types::{MacAddressEui48, MacAddressEui64, PgValue},
};
use crate::{Column, Other, Scalar, Value};

/// The cell of a column.
///
/// # Errors
/// Which column it is, of which type, and what to do. The statement has run.
pub(super) fn cell(column: &Column, value: Value) -> Result<PgValue, String> {
    let Column { name, type_name } = column;
    let made = match value {
        Value::Scalar(scalar) => of_scalar(&base(type_name), scalar),
        Value::Array(array) if array.lengths.len() <= 1 => {
            let element = element(type_name);
            let cells = array.elements.into_iter().map(|scalar| match scalar {
                Scalar::Null => None,
                scalar => of_scalar(&element, scalar),
            });
            let cells: Option<Vec<_>> = cells.collect();
            cells.and_then(|cells| together(&element, cells))
        }
        Value::Array(_) => None,
    };
    made.ok_or_else(|| {
        format!(
            "the statement was executed, and its column {name:?} has a value of type {type_name} that has no place \
             in wasmcloud:postgres (arrays have one dimension, and no NULL in it): cast it to text in the statement"
        )
    })
}

/// The name of a type without its length, in small letters.
fn base(type_name: &str) -> String {
    let array = if type_name.ends_with("[]") { "[]" } else { "" };
    let name = type_name.split(['(', '[']).next().unwrap_or_default();
    format!("{}{array}", name.trim().to_ascii_lowercase())
}

/// That of an array's elements.
fn element(type_name: &str) -> String {
    base(type_name.trim_end_matches("[]"))
}

fn of_scalar(type_name: &str, scalar: Scalar) -> Option<PgValue> {
    Some(match scalar {
        Scalar::Null => PgValue::Null,
        Scalar::Boolean(value) => PgValue::Bool(value),
        // The type `"char"`, which is a byte.
        Scalar::Int8(byte) => PgValue::Char((1, vec![byte as u8])),
        Scalar::Int16(number) => PgValue::Int2(number),
        Scalar::Int32(number) => PgValue::Int4(number),
        Scalar::Int64(number) => PgValue::Int8(number),
        Scalar::Float32(value) => PgValue::Float4(parts_of_f32(value)),
        Scalar::Float64(value) => PgValue::Float8(parts_of_f64(value)),
        Scalar::Decimal(text) => PgValue::Numeric(text),
        Scalar::Bytes(bytes) => PgValue::Bytea(bytes),
        Scalar::Date(date) => PgValue::Date(date_shown(date)),
        Scalar::Time(time) => PgValue::Time(time_shown(time)),
        Scalar::Timestamp(timestamp) => PgValue::Timestamp(timestamp_shown(timestamp)),
        Scalar::Instant(timestamp) => PgValue::TimestampTz(instant_shown(timestamp)),
        Scalar::Uuid(text) => PgValue::Uuid(text),
        Scalar::Json(text) if type_name == "jsonb" => PgValue::Jsonb(text),
        Scalar::Json(text) => PgValue::Json(text),
        // A text is one whatever its column was declared.
        Scalar::Text(text) => of_text(type_name, &text).unwrap_or(PgValue::Text(text)),
        Scalar::Other(Other { type_name, text }) => return of_text(&base(&type_name), &text),
        Scalar::Uint32(_) | Scalar::Uint64(_) | Scalar::Interval(_) => return None,
    })
}

/// A value of a type that the trait has texts for.
fn of_text(type_name: &str, text: &str) -> Option<PgValue> {
    if let Some(element) = type_name.strip_suffix("[]") {
        let delimiter = if element == "box" { ';' } else { ',' };
        let cells = elements(text, delimiter)?.into_iter();
        let cells: Option<Vec<_>> = cells.map(|it| of_text(element, &it?)).collect();
        return together(element, cells?);
    }
    let owned = || text.to_owned();
    Some(match type_name {
        "varchar" | "character varying" => PgValue::Varchar((None, owned().into_bytes())),
        "bpchar" | "char" | "character" => {
            PgValue::Char((text.len().try_into().ok()?, owned().into_bytes()))
        }
        // What a function without a result answers.
        "text" | "void" => PgValue::Text(owned()),
        "name" => PgValue::Name(owned()),
        "xml" => PgValue::Xml(owned()),
        "inet" => PgValue::Inet(owned()),
        "cidr" => PgValue::Cidr(owned()),
        "tsquery" => PgValue::TsQuery(owned()),
        "tsvector" => PgValue::TsVector(lexemes_of(text)?),
        "hstore" => PgValue::Hstore(hstore_of(text)?),
        "bit" => PgValue::Bit(bits_of(text)?),
        "varbit" | "bit varying" => {
            let (count, bytes) = bits_of(text)?;
            PgValue::Varbit((Some(count), bytes))
        }
        "macaddr" => {
            let [a, b, c, d, e, f] = address_of(text)?;
            PgValue::Macaddr(MacAddressEui48 {
                bytes: (a, b, c, d, e, f),
            })
        }
        "macaddr8" => {
            let [a, b, c, d, e, f, g, h] = address_of(text)?;
            PgValue::Macaddr8(MacAddressEui64 {
                bytes: (a, b, c, d, e, f, g, h),
            })
        }
        "int2vector" => {
            let numbers = text
                .split_ascii_whitespace()
                .map(|number| number.parse().ok());
            PgValue::Int2Vector(numbers.collect::<Option<_>>()?)
        }
        "money" => PgValue::Money(money_of(text)?),
        "pg_lsn" => PgValue::PgLsn(lsn_of(text)?),
        "pg_snapshot" => snapshot_of(text)?,
        _ => geometry::of_text(type_name, text).or_else(|| time::of_text(type_name, text))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Array;

    fn column(type_name: &str) -> Column {
        Column {
            name: "c".into(),
            type_name: type_name.into(),
        }
    }

    fn other(type_name: &str, text: &str) -> Value {
        Value::Scalar(Scalar::Other(Other {
            type_name: type_name.into(),
            text: text.into(),
        }))
    }

    fn array(lengths: &[u32], elements: Vec<Scalar>) -> Value {
        Value::Array(Array {
            lengths: lengths.to_vec(),
            elements,
        })
    }

    #[test]
    fn a_cell_is_called_as_its_type_is() {
        let text = |text: &str| Value::from(text);
        for (type_name, value, expected) in [
            (
                "varchar",
                text("x"),
                PgValue::Varchar((None, b"x".to_vec())),
            ),
            (
                "varchar(10)",
                text("x"),
                PgValue::Varchar((None, b"x".to_vec())),
            ),
            ("bpchar", text("x  "), PgValue::Char((3, b"x  ".to_vec()))),
            (
                "char",
                Value::Scalar(Scalar::Int8(-56)),
                PgValue::Char((1, vec![200])),
            ),
            ("point", text("anywhere"), PgValue::Text("anywhere".into())),
            ("integer", Value::from(7_i64), PgValue::Int8(7)),
            (
                "jsonb",
                Value::Scalar(Scalar::Json("1".into())),
                PgValue::Jsonb("1".into()),
            ),
            (
                "inet[]",
                other("inet[]", "{::1,10.0.0.1/8}"),
                PgValue::InetArray(vec!["::1".into(), "10.0.0.1/8".into()]),
            ),
            (
                "int2vector",
                other("int2vector", "1 2"),
                PgValue::Int2Vector(vec![1, 2]),
            ),
            ("void", other("void", ""), PgValue::Text(String::new())),
            (
                "int4[]",
                array(&[1], vec![Scalar::Int32(1)]),
                PgValue::Int4Array(vec![1]),
            ),
            ("INT4 []", array(&[], vec![]), PgValue::Int4Array(vec![])),
            (
                "varchar[]",
                array(&[1], vec![Scalar::Text("x".into())]),
                PgValue::VarcharArray(vec![(None, b"x".to_vec())]),
            ),
            ("bpchar[]", array(&[], vec![]), PgValue::CharArray(vec![])),
        ] {
            assert_eq!(cell(&column(type_name), value), Ok(expected), "{type_name}");
        }
    }

    #[test]
    fn what_has_no_place_is_told() {
        for (type_name, value) in [
            ("oid", Value::Scalar(Scalar::Uint32(1))),
            ("mood", other("mood", "sad")),
            ("line", other("line", "{1,2,3}")),
            ("int4[]", array(&[2], vec![Scalar::Int32(1), Scalar::Null])),
            ("int4[]", array(&[1, 1], vec![Scalar::Int32(1)])),
            ("int4[]", other("int4[]", "[2:2]={\"1\"}")),
            ("int4range[]", other("int4range[]", "{}")),
            (
                "any[]",
                array(&[2], vec![Scalar::Int64(1), Scalar::Text("x".into())]),
            ),
        ] {
            let why = cell(&column(type_name), value).expect_err(type_name);
            assert!(why.contains("\"c\"") && why.contains(type_name), "{why}");
            assert!(
                why.contains("was executed") && why.contains("cast it to text"),
                "{why}"
            );
        }
    }
}
