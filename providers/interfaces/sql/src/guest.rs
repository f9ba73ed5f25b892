//! What a guest calls: the database that the manifest's link `wrt:sql` leads to.
//!
//! ```ignore
//! use wrt_guest::sql::{Database, plain};
//!
//! let database = Database::open("default")?;
//! let rows = database.query("select name from people where age > $1", &[32.into()])?.rows;
//! let transaction = database.begin(plain())?;
//! transaction.execute("update people set age = age + 1", &[])?;
//! Transaction::commit(transaction)?;
//! ```

pub use bindings::wrt::sql::{
    databases::{Database, Prepared, RowStream, Transaction},
    types::{
        Array, Column, Command, DatabaseError, Date, Error, Interval, Isolation, Other, Rows,
        Scalar, Time, Timestamp, TransactionOptions, Value,
    },
};

/// A transaction as the database has them by default.
#[must_use]
pub fn plain() -> TransactionOptions {
    TransactionOptions {
        isolation: None,
        read_only: false,
    }
}

/// No value.
pub const NULL: Value = Value::Scalar(Scalar::Null);

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
        value.map_or(NULL, Into::into)
    }
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Scalar(Scalar::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is an integer of up to 64 bits with a sign.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Scalar(Scalar::Int8(number)) => Some((*number).into()),
            Self::Scalar(Scalar::Int16(number)) => Some((*number).into()),
            Self::Scalar(Scalar::Int32(number)) => Some((*number).into()),
            Self::Scalar(Scalar::Int64(number)) => Some(*number),
            Self::Scalar(Scalar::Uint32(number)) => Some((*number).into()),
            _ => None,
        }
    }
}

impl Error {
    /// The SQLSTATE, where the database has refused.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        match self {
            Self::Database(error) => Some(&error.state),
            _ => None,
        }
    }
}

/// Generated from `wit/`.
mod bindings {
    #![allow(
        unsafe_code,
        missing_docs,
        clippy::all,
        reason = "written by wit-bindgen"
    )]
    wit_bindgen::generate!({
        path: "../../../wit/sql",
        world: "wrt:sql/sql",
        generate_all,
    });
}
