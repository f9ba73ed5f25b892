//! What a guest gives for a parameter, as the trait has it: as a value with a type where that has one, and else
//! as the text that Postgres reads.

use super::{
    array::apart,
    float::{f32_of, f64_of},
    geometry::{box_text, circle_text, path_text, point_text, polygon_text, segment_text},
    literal::{address_text, bits_text, lsn_text, snapshot_text},
    quoted::{hstore_text, lexemes_text},
    time::{date_scalar, instant_scalar, time_scalar, timestamp_scalar, zoned_time_scalar},
    types::{MacAddressEui48, MacAddressEui64, PgValue},
};
use crate::{Array, Other, Scalar, Value};

/// A value, or why there is none.
type Made<T> = Result<T, String>;

/// The parameters, in their order.
///
/// # Errors
/// What is wrong with which.
pub(super) fn values_of(params: Vec<PgValue>) -> Made<Vec<Value>> {
    let values = params.into_iter().enumerate().map(|(at, value)| {
        let value = value_of(value);
        value.map_err(|why| format!("parameter ${}: {why}", at + 1))
    });
    values.collect()
}

fn value_of(value: PgValue) -> Made<Value> {
    let is_of_boxes = matches!(value, PgValue::BoxArray(_));
    let elements = match apart(value) {
        Err(value) => return Ok(Value::Scalar(scalar_of(value)?)),
        Ok(elements) => elements.into_iter().map(scalar_of),
    };
    let elements: Vec<_> = elements.collect::<Made<_>>()?;
    if is_of_boxes {
        return Ok(Value::Scalar(boxes(&elements)));
    }
    let length =
        u32::try_from(elements.len()).map_err(|_large| "an array has no place for so many")?;
    let lengths = if length == 0 {
        Vec::new()
    } else {
        vec![length]
    };
    Ok(Value::Array(Array { lengths, elements }))
}

/// The one type whose arrays have no commas.
fn boxes(elements: &[Scalar]) -> Scalar {
    let texts = elements.iter().filter_map(|element| match element {
        Scalar::Other(other) => Some(&*other.text),
        _ => None,
    });
    named(
        "box[]",
        format!("{{{}}}", texts.collect::<Vec<_>>().join(";")),
    )
}

fn named(type_name: &str, text: String) -> Scalar {
    Scalar::Other(Other {
        type_name: type_name.to_owned(),
        text,
    })
}

fn scalar_of(value: PgValue) -> Made<Scalar> {
    use PgValue as P;
    Ok(match value {
        P::Null => Scalar::Null,
        P::BigInt(number) | P::Int8(number) | P::BigSerial(number) | P::Serial8(number) => {
            Scalar::Int64(number)
        }
        P::Integer(number) | P::Int(number) | P::Int4(number) => Scalar::Int32(number),
        P::SmallInt(number) | P::Int2(number) | P::SmallSerial(number) | P::Serial2(number) => {
            Scalar::Int16(number)
        }
        P::Serial(number) | P::Serial4(number) => Scalar::Uint32(number),
        // An `int8`, as the reference host sends it.
        P::TxidSnapshot(number) => Scalar::Int64(number),
        P::Bool(value) | P::Boolean(value) => Scalar::Boolean(value),
        P::Double(parts) | P::Float8(parts) => Scalar::Float64(f64_of(parts)?),
        P::Real(parts) | P::Float4(parts) => Scalar::Float32(f32_of(parts)?),
        // How money is written is a matter of the database's locale: a number is cast there.
        P::Numeric(text) | P::Decimal(text) | P::Money(text) => Scalar::Decimal(text),
        P::Bytea(bytes) => Scalar::Bytes(bytes),
        P::Char((length, bytes)) => exact_text(length, bytes)?,
        P::Varchar((length_max, bytes)) => bounded_text(length_max, bytes)?,
        P::Name(text) | P::Text(text) => Scalar::Text(text),
        P::Json(text) | P::Jsonb(text) => Scalar::Json(text),
        P::Uuid(text) => Scalar::Uuid(text),
        P::Date(date) => date_scalar(date)?,
        P::Time(time) => time_scalar(time)?,
        P::TimeTz(time) => zoned_time_scalar(time)?,
        P::Timestamp(timestamp) => timestamp_scalar(timestamp)?,
        P::TimestampTz(timestamp) => instant_scalar(timestamp)?,
        other => written(other)?,
    })
}

/// What goes as a text of its type.
fn written(value: PgValue) -> Made<Scalar> {
    use PgValue as P;
    Ok(match value {
        P::Xml(text) => named("xml", text),
        P::Cidr(text) => named("cidr", text),
        P::Inet(text) => named("inet", text),
        P::Macaddr(MacAddressEui48 {
            bytes: (a, b, c, d, e, f),
        }) => named("macaddr", address_text(&[a, b, c, d, e, f])),
        P::Macaddr8(MacAddressEui64 {
            bytes: (a, b, c, d, e, f, g, h),
        }) => named("macaddr8", address_text(&[a, b, c, d, e, f, g, h])),
        P::Bit((count, bytes)) => named("bit", bits_text(count as usize, &bytes)?),
        P::BitVarying((count, bytes)) | P::Varbit((count, bytes)) => {
            let count = count.map_or(bytes.len() * 8, |count| count as usize);
            named("varbit", bits_text(count, &bytes)?)
        }
        P::Int2Vector(numbers) => {
            let numbers = numbers.iter().map(ToString::to_string);
            named("int2vector", numbers.collect::<Vec<_>>().join(" "))
        }
        P::Point(point) => named("point", point_text(point)?),
        P::Line(points) => named("line", segment_text(points)?),
        P::Lseg(points) => named("lseg", segment_text(points)?),
        P::Box(corners) => named("box", box_text(corners)?),
        P::Path(points) => named("path", path_text(points)?),
        P::Polygon(points) => named("polygon", polygon_text(points)?),
        P::Circle(circle) => named("circle", circle_text(circle)?),
        P::PgLsn(place) => named("pg_lsn", lsn_text(place)),
        P::PgSnapshot((first, next, running)) => {
            named("pg_snapshot", snapshot_text(first, next, &running))
        }
        P::TsQuery(text) => named("tsquery", text),
        P::TsVector(lexemes) => named("tsvector", lexemes_text(&lexemes)?),
        P::Hstore(pairs) => named("hstore", hstore_text(&pairs)),
        P::Interval(_) => {
            return Err("an interval of the package is two days, and one of Postgres is a length: give it as a \
                 text, and cast it to interval in the statement"
                .to_owned());
        }
        // All others are written above, or have a type of the trait's.
        _ => return Err("a value that has no place as a parameter".to_owned()),
    })
}

/// With as many bytes as it says.
fn exact_text(length: u32, bytes: Vec<u8>) -> Made<Scalar> {
    if bytes.len() != length as usize {
        return Err(format!("a char of {length} bytes has {}", bytes.len()));
    }
    match &bytes[..] {
        // The type `"char"` is a byte.
        [byte] if !byte.is_ascii() => Ok(Scalar::Int8(*byte as i8)),
        _ => text(bytes),
    }
}

/// With no more characters than it says.
fn bounded_text(length_max: Option<u32>, bytes: Vec<u8>) -> Made<Scalar> {
    let read = text(bytes)?;
    if let (Some(max), Scalar::Text(text)) = (length_max, &read) {
        let length = text.chars().count();
        if length > max as usize {
            return Err(format!(
                "a varchar of at most {max} characters has {length}"
            ));
        }
    }
    Ok(read)
}

fn text(bytes: Vec<u8>) -> Made<Scalar> {
    let text = String::from_utf8(bytes);
    text.map(Scalar::Text)
        .map_err(|error| format!("a text that is not UTF-8: {}", error.utf8_error()))
}

#[cfg(test)]
mod tests {
    use super::{super::types::Interval, *};
    use crate::array_text;

    fn text_of(value: PgValue) -> Made<String> {
        match value_of(value)? {
            Value::Scalar(Scalar::Other(other)) => Ok(other.text),
            Value::Scalar(Scalar::Text(text)) => Ok(text),
            Value::Array(array) => array_text(&array).map_err(|error| error.to_string()),
            other => panic!("no text: {other:?}"),
        }
    }

    #[test]
    fn what_the_trait_has_no_type_for_is_a_text() {
        let one = (1 << 52, -52, 1);
        let hardware = MacAddressEui48 {
            bytes: (1, 2, 3, 4, 5, 255),
        };
        for (value, expected) in [
            (PgValue::Inet("::1".into()), "::1"),
            (PgValue::Macaddr(hardware), "01:02:03:04:05:ff"),
            (PgValue::Varbit((None, vec![0x80])), "10000000"),
            (PgValue::Varbit((Some(3), vec![0x80])), "100"),
            (PgValue::Int2Vector(vec![1, -2]), "1 -2"),
            (
                PgValue::Int2VectorArray(vec![vec![1, 2], vec![]]),
                "{\"1 2\",\"\"}",
            ),
            (PgValue::PointArray(vec![(one, one)]), "{\"(1,1)\"}"),
            (
                PgValue::BoxArray(vec![((one, one), (one, one)); 2]),
                "{(1,1),(1,1);(1,1),(1,1)}",
            ),
            (PgValue::BoxArray(vec![]), "{}"),
            (PgValue::TextArray(vec!["a,b".into()]), "{\"a,b\"}"),
            (PgValue::InetArray(vec![]), "{}"),
            (PgValue::Char((2, "ä".into())), "ä"),
            (PgValue::Varchar((Some(1), "ä".into())), "ä"),
            (PgValue::PgSnapshot((1, 2, vec![])), "1:2:"),
        ] {
            assert_eq!(text_of(value).as_deref(), Ok(expected));
        }
        let byte = value_of(PgValue::Char((1, vec![200])));
        assert_eq!(byte, Ok(Value::Scalar(Scalar::Int8(-56))));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let never = super::super::types::Date::NegativeInfinity;
        let interval = Interval {
            start: never,
            start_inclusive: true,
            end: never,
            end_inclusive: true,
        };
        for (value, expected) in [
            (PgValue::Char((1, vec![])), "a char of 1 bytes has 0"),
            (
                PgValue::Varchar((Some(1), "ab".into())),
                "at most 1 characters has 2",
            ),
            (PgValue::Varchar((None, vec![255])), "not UTF-8"),
            (PgValue::Bit((3, vec![])), "3 bits are in 1 bytes"),
            (PgValue::Float8((1, 2000, 1)), "out of a float's range"),
            (
                PgValue::IntervalArray(vec![interval]),
                "cast it to interval",
            ),
        ] {
            let why = values_of(vec![PgValue::Null, value]).expect_err(expected);
            assert!(
                why.starts_with("parameter $2: ") && why.contains(expected),
                "{why}"
            );
        }
    }
}
