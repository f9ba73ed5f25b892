//! Values from the server's binary forms.

use std::error::Error;

use tokio_postgres::types::{FromSql, Kind, Type};
use wrt_sql::{
    Array, Interval, Other, Scalar, Value, array_text, date_of_days, instant_of_micros,
    time_of_micros,
};

use crate::numeric;

/// From the first of January 1970 to that of 2000, from which the server counts.
const EPOCH_DAYS: i64 = 10_957;
const EPOCH_MICROS: i128 = 10_957 * 24 * 60 * 60 * 1_000_000;

/// The first byte of `jsonb`.
const JSONB_VERSION: u8 = 1;

/// A value of a row, whatever it is.
pub(crate) struct Cell(pub(crate) Value);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let value = value(ty, raw);
        value
            .map(Self)
            .ok_or_else(|| format!("a value of type {} that is none", ty.name()).into())
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Scalar(Scalar::Null)))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The type below a domain.
pub(crate) fn base(ty: &Type) -> &Type {
    match ty.kind() {
        Kind::Domain(below) => base(below),
        _ => ty,
    }
}

/// The name that the server shows.
pub(crate) fn type_name(ty: &Type) -> String {
    match ty.kind() {
        _ if is_a_vector(ty) => ty.name().to_owned(),
        Kind::Array(element) => format!("{}[]", element.name()),
        _ => ty.name().to_owned(),
    }
}

/// Whether values of a type are read here.
pub(crate) fn is_known(ty: &Type) -> bool {
    let ty = base(ty);
    match ty.kind() {
        _ if is_a_vector(ty) => false,
        Kind::Array(element) => is_known_scalar(base(element)),
        _ => is_known_scalar(ty),
    }
}

/// Whether a type of the server's own catalogs is an array that begins at 0, and is written without braces.
fn is_a_vector(ty: &Type) -> bool {
    matches!(*ty, Type::INT2_VECTOR | Type::OID_VECTOR)
}

fn is_known_scalar(ty: &Type) -> bool {
    is_a_text(ty)
        || matches!(
            *ty,
            Type::BOOL
                | Type::CHAR
                | Type::INT2
                | Type::INT4
                | Type::INT8
                | Type::OID
                | Type::XID
                | Type::CID
                | Type::XID8
                | Type::FLOAT4
                | Type::FLOAT8
                | Type::NUMERIC
                | Type::BYTEA
                | Type::DATE
                | Type::TIME
                | Type::TIMESTAMP
                | Type::TIMESTAMPTZ
                | Type::INTERVAL
                | Type::UUID
                | Type::JSON
                | Type::JSONB
                | Type::VOID
        )
}

/// Whether the binary form of a type is its text.
fn is_a_text(ty: &Type) -> bool {
    is_text(ty)
        || *ty == Type::XML
        || matches!(ty.kind(), Kind::Enum(_))
        || (ty.name() == "citext" && *ty.kind() == Kind::Simple)
}

/// Whether a type is a text, and nothing more.
pub(crate) fn is_text(ty: &Type) -> bool {
    matches!(
        *ty,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN
    )
}

fn value(ty: &Type, raw: &[u8]) -> Option<Value> {
    let ty = base(ty);
    match ty.kind() {
        Kind::Array(element) => array(ty, base(element), raw),
        _ => scalar(ty, raw).map(Value::Scalar),
    }
}

fn scalar(ty: &Type, mut raw: &[u8]) -> Option<Scalar> {
    let bytes = &mut raw;
    Some(match *ty {
        Type::BOOL => Scalar::Boolean(u8::from_be_bytes(take(bytes)?) != 0),
        Type::CHAR => Scalar::Int8(i8::from_be_bytes(take(bytes)?)),
        Type::INT2 => Scalar::Int16(i16::from_be_bytes(take(bytes)?)),
        Type::INT4 => Scalar::Int32(i32::from_be_bytes(take(bytes)?)),
        Type::INT8 => Scalar::Int64(i64::from_be_bytes(take(bytes)?)),
        Type::OID | Type::XID | Type::CID => Scalar::Uint32(u32::from_be_bytes(take(bytes)?)),
        Type::XID8 => Scalar::Uint64(u64::from_be_bytes(take(bytes)?)),
        Type::FLOAT4 => Scalar::Float32(f32::from_be_bytes(take(bytes)?)),
        Type::FLOAT8 => Scalar::Float64(f64::from_be_bytes(take(bytes)?)),
        Type::NUMERIC => Scalar::Decimal(numeric::text_of(raw)?),
        Type::BYTEA => Scalar::Bytes(raw.to_vec()),
        Type::DATE => date(ty, i32::from_be_bytes(take(bytes)?))?,
        Type::TIME => Scalar::Time(time_of_micros(i64::from_be_bytes(take(bytes)?))?),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => timestamp(ty, i64::from_be_bytes(take(bytes)?))?,
        Type::INTERVAL => {
            let microseconds = i64::from_be_bytes(take(bytes)?);
            let days = i32::from_be_bytes(take(bytes)?);
            let months = i32::from_be_bytes(take(bytes)?);
            Scalar::Interval(Interval {
                months,
                days,
                microseconds,
            })
        }
        Type::UUID => Scalar::Uuid(uuid_text(take(bytes)?)),
        Type::JSON => Scalar::Json(text(raw)?),
        Type::JSONB => match raw {
            [JSONB_VERSION, json @ ..] => Scalar::Json(text(json)?),
            _ => return None,
        },
        _ if is_text(ty) => Scalar::Text(text(raw)?),
        _ if is_a_text(ty) || *ty == Type::VOID => other(ty, text(raw)?),
        _ => return None,
    })
}

/// A value of a type that the interface has no word for.
pub(crate) fn other(ty: &Type, text: String) -> Scalar {
    Scalar::Other(Other {
        type_name: type_name(ty),
        text,
    })
}

fn text(raw: &[u8]) -> Option<String> {
    std::str::from_utf8(raw).ok().map(str::to_owned)
}

/// A day that is none has a word of the server's.
fn date(ty: &Type, days: i32) -> Option<Scalar> {
    Some(match days {
        i32::MAX => other(ty, "infinity".to_owned()),
        i32::MIN => other(ty, "-infinity".to_owned()),
        days => Scalar::Date(date_of_days(i64::from(days) + EPOCH_DAYS)?),
    })
}

fn timestamp(ty: &Type, micros: i64) -> Option<Scalar> {
    Some(match micros {
        i64::MAX => other(ty, "infinity".to_owned()),
        i64::MIN => other(ty, "-infinity".to_owned()),
        micros => {
            let instant = instant_of_micros(i128::from(micros) + EPOCH_MICROS)?;
            match *ty {
                Type::TIMESTAMPTZ => Scalar::Instant(instant),
                _ => Scalar::Timestamp(instant),
            }
        }
    })
}

fn uuid_text(bytes: [u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    parts.join("-")
}

/// The number of dimensions, whether there are nulls, the type; of each dimension the length and where it
/// begins; and the elements, each behind the number of its bytes.
fn array(ty: &Type, element: &Type, mut raw: &[u8]) -> Option<Value> {
    let bytes = &mut raw;
    let dimensions = i32::from_be_bytes(take(bytes)?);
    let (_has_nulls, _oid): ([u8; 4], [u8; 4]) = (take(bytes)?, take(bytes)?);
    let (mut lengths, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..dimensions {
        lengths.push(u32::from_be_bytes(take(bytes)?));
        starts.push(i32::from_be_bytes(take(bytes)?));
    }
    let mut elements = Vec::new();
    while !bytes.is_empty() {
        let length = i32::from_be_bytes(take(bytes)?);
        elements.push(match usize::try_from(length) {
            // A length of -1.
            Err(_negative) => Scalar::Null,
            Ok(length) => {
                let (this, rest) = bytes.split_at_checked(length)?;
                *bytes = rest;
                scalar(element, this)?
            }
        });
    }
    let array = Array { lengths, elements };
    if starts.iter().all(|start| *start == 1) {
        return Some(Value::Array(array));
    }
    // The interface knows no place to begin at but the first one.
    let bounds = starts.iter().zip(&array.lengths).map(|(start, length)| {
        let end = i64::from(*start) + i64::from(*length) - 1;
        format!("[{start}:{end}]")
    });
    let text = format!(
        "{}={}",
        bounds.collect::<String>(),
        array_text(&array).ok()?
    );
    Some(Value::Scalar(other(ty, text)))
}

/// The next bytes.
pub(crate) fn take<const COUNT: usize>(raw: &mut &[u8]) -> Option<[u8; COUNT]> {
    let (first, rest) = raw.split_first_chunk::<COUNT>()?;
    *raw = rest;
    Some(*first)
}
