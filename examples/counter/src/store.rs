//! The counters themselves, in the store that the manifest links to.

use std::fmt;

use wrt_guest::keyvalue::{self, Bucket, Error};

/// The variable that names the bucket, and the bucket if it is not set.
const BUCKET_VARIABLE: &str = "COUNTER_BUCKET";
const BUCKET_DEFAULT: &str = "default";

/// Why a counter has no value to answer with.
pub enum Failure {
    /// The store did not do what it was asked.
    Store(Error),
    /// Something else has put text there that is no number.
    NotANumber,
}

/// The value of a counter: 0 if nobody has counted yet.
pub fn read(key: &str) -> Result<i64, Failure> {
    let Some(value) = bucket()?.get(key)? else {
        return Ok(0);
    };
    let text = str::from_utf8(&value).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or(Failure::NotANumber)
}

/// Adds one, atomically, and returns the sum.
pub fn increment(key: &str) -> Result<i64, Failure> {
    Ok(bucket()?.increment(key, 1)?)
}

/// Removes a counter, and returns the value that it has from then on.
pub fn delete(key: &str) -> Result<i64, Failure> {
    bucket()?.delete(key)?;
    Ok(0)
}

fn bucket() -> Result<Bucket, Error> {
    match std::env::var(BUCKET_VARIABLE) {
        Ok(name) => keyvalue::open(&name),
        Err(_) => keyvalue::open(BUCKET_DEFAULT),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Store(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Store(error) => error.fmt(f),
            Failure::NotANumber => f.write_str("the key holds something else than a number"),
        }
    }
}
