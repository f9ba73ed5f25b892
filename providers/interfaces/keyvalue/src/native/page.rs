//! Listings.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

use crate::{Key, KeyValueError};

/// Where the next page of a listing starts; only its provider knows what it means.
///
/// 64 bits, because the older draft of the interface has room for no more. So it needs no table on
/// the host, and a guest may hand it to the next request, which another instance serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(transparent)]
pub struct Cursor(pub u64);

/// One page of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Schema)]
pub struct KeyPage {
    /// The keys, in no particular order.
    pub keys: Vec<Key>,
    /// Where the next page starts; none after the last one.
    pub next: Option<Cursor>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Cursor {
    type Err = KeyValueError;

    fn from_str(text: &str) -> Result<Self, KeyValueError> {
        let cursor = text.parse().map(Self);
        cursor.map_err(|_not_a_number| KeyValueError::BadCursor)
    }
}
