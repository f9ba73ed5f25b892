//! Values as parameters: in the server's binary forms where that is a matter of bytes, and else as texts,
//! which the server reads as what their places need.

use std::{error::Error, fmt};

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};
use wrt_sql::{Scalar, SqlError, Value, array_text, scalar_text};

use crate::decode::{base, is_text, type_name};

/// A value for a place of the server's choice.
pub(crate) struct Parameter<'a>(pub(crate) &'a Value);

/// How a value is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Binary,
    Text,
    /// It does not go there.
    Wrong,
}

/// The driver logs parameters.
impl fmt::Debug for Parameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        Ok(self.write(ty, out)?)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        match form(self.0, base(ty)) {
            Form::Text => Format::Text,
            Form::Binary | Form::Wrong => Format::Binary,
        }
    }
}

impl Parameter<'_> {
    fn write(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, SqlError> {
        let ty = base(ty);
        match (form(self.0, ty), self.0) {
            (_, Value::Scalar(Scalar::Null)) => return Ok(IsNull::Yes),
            (Form::Wrong, value) => {
                let message = format!("{} where {} is needed", kind(value), type_name(ty));
                return Err(SqlError::refused("42804", message));
            }
            (Form::Binary, Value::Scalar(scalar)) => write_binary(scalar, ty, out)?,
            (_, Value::Scalar(scalar)) => {
                out.put_slice(scalar_text(scalar)?.unwrap_or_default().as_bytes());
            }
            (_, Value::Array(array)) => out.put_slice(array_text(array)?.as_bytes()),
        }
        Ok(IsNull::No)
    }
}

fn form(value: &Value, ty: &Type) -> Form {
    match (value, ty.kind()) {
        (Value::Scalar(scalar), _) => scalar_form(scalar, ty),
        (Value::Array(array), Kind::Array(element)) => {
            let fits = |scalar| scalar_form(scalar, base(element)) != Form::Wrong;
            match array.elements.iter().all(fits) {
                true => Form::Text,
                false => Form::Wrong,
            }
        }
        (Value::Array(_), _) => Form::Wrong,
    }
}

fn scalar_form(scalar: &Scalar, ty: &Type) -> Form {
    let text_if = |fits: bool| if fits { Form::Text } else { Form::Wrong };
    let is_number = is_integer(ty) || matches!(*ty, Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC);
    match scalar {
        Scalar::Null => Form::Binary,
        // A literal takes the type that it stands for.
        Scalar::Text(_) if is_text(ty) => Form::Binary,
        Scalar::Text(_) | Scalar::Other(_) => Form::Text,
        Scalar::Boolean(_) if *ty == Type::BOOL => Form::Binary,
        Scalar::Boolean(_) => Form::Wrong,
        Scalar::Float32(_) if *ty == Type::FLOAT4 => Form::Binary,
        Scalar::Float64(_) if *ty == Type::FLOAT8 => Form::Binary,
        Scalar::Bytes(_) if *ty == Type::BYTEA => Form::Binary,
        Scalar::Bytes(_) => Form::Wrong,
        Scalar::Float32(_) | Scalar::Float64(_) => text_if(is_number && !is_integer(ty)),
        Scalar::Decimal(_) => text_if(is_number),
        Scalar::Date(_) => text_if(*ty == Type::DATE),
        Scalar::Time(_) => text_if(*ty == Type::TIME),
        Scalar::Timestamp(_) => text_if(*ty == Type::TIMESTAMP),
        Scalar::Instant(_) => text_if(*ty == Type::TIMESTAMPTZ),
        Scalar::Interval(_) => text_if(*ty == Type::INTERVAL),
        Scalar::Uuid(_) => text_if(*ty == Type::UUID),
        Scalar::Json(_) => text_if(matches!(*ty, Type::JSON | Type::JSONB)),
        Scalar::Int8(_) if *ty == Type::CHAR => Form::Binary,
        _integer if matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8) => Form::Binary,
        _integer => text_if(is_number),
    }
}

fn is_integer(ty: &Type) -> bool {
    matches!(
        *ty,
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID | Type::XID | Type::XID8
    )
}

fn write_binary(scalar: &Scalar, ty: &Type, out: &mut BytesMut) -> Result<(), SqlError> {
    match scalar {
        Scalar::Boolean(value) => out.put_u8((*value).into()),
        Scalar::Float32(value) => out.put_f32(*value),
        Scalar::Float64(value) => out.put_f64(*value),
        Scalar::Text(text) => out.put_slice(text.as_bytes()),
        Scalar::Bytes(bytes) => out.put_slice(bytes),
        Scalar::Int8(value) if *ty == Type::CHAR => out.put_i8(*value),
        integer => {
            let wide = wide(integer);
            let too_large = |_| {
                let message = format!("{wide} is out of range for type {}", ty.name());
                SqlError::refused("22003", message)
            };
            match *ty {
                Type::INT2 => out.put_i16(wide.try_into().map_err(too_large)?),
                Type::INT4 => out.put_i32(wide.try_into().map_err(too_large)?),
                _ => out.put_i64(wide.try_into().map_err(too_large)?),
            }
        }
    }
    Ok(())
}

fn wide(integer: &Scalar) -> i128 {
    match integer {
        Scalar::Int8(value) => (*value).into(),
        Scalar::Int16(value) => (*value).into(),
        Scalar::Int32(value) => (*value).into(),
        Scalar::Int64(value) => (*value).into(),
        Scalar::Uint32(value) => (*value).into(),
        Scalar::Uint64(value) => (*value).into(),
        other => unreachable!("{other:?} has a form of its own"),
    }
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    let Value::Scalar(scalar) = value else {
        return "an array";
    };
    match scalar {
        Scalar::Null => "null",
        Scalar::Boolean(_) => "a boolean",
        Scalar::Float32(_) | Scalar::Float64(_) => "a float",
        Scalar::Decimal(_) => "a decimal",
        Scalar::Text(_) | Scalar::Other(_) => "a text",
        Scalar::Bytes(_) => "bytes",
        Scalar::Date(_) => "a date",
        Scalar::Time(_) => "a time",
        Scalar::Timestamp(_) => "a timestamp",
        Scalar::Instant(_) => "an instant",
        Scalar::Interval(_) => "an interval",
        Scalar::Uuid(_) => "a UUID",
        Scalar::Json(_) => "JSON",
        _ => "an integer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_goes_where_it_fits() {
        let written = |value: i64, ty: &Type| {
            let mut out = BytesMut::new();
            let value = Value::from(value);
            let written = Parameter(&value).write(ty, &mut out);
            written.map(|_| out.to_vec())
        };
        assert_eq!(written(-2, &Type::INT2), Ok(vec![255, 254]));
        assert_eq!(
            written(70_000, &Type::INT2).unwrap_err().state(),
            Some("22003")
        );
        assert_eq!(written(7, &Type::NUMERIC), Ok(b"7".to_vec()));
        assert_eq!(written(7, &Type::TEXT).unwrap_err().state(), Some("42804"));
    }

    #[test]
    fn a_parameter_is_not_shown() {
        let value = Value::from("secret");
        assert!(!format!("{:?}", Parameter(&value)).contains("secret"));
    }
}
