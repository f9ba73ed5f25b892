//! Listings.

use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

use crate::ObjectName;

/// Where the next page of a listing begins; only its provider knows what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
#[serde(transparent)]
pub struct Cursor(pub u64);

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Schema)]
pub struct ObjectPage {
    /// Names, in no particular order.
    pub objects: Vec<ObjectName>,
    /// Where the next page begins; none after the last one.
    pub next: Option<Cursor>,
}
