//! A line of a log, with what is known of it.

use serde::{Deserialize, Serialize};
use wrt_contract::Schema;

use crate::{Attribute, Resource, Scope, Timestamp, Value};

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Log {
    /// What it is about.
    pub resource: Resource,
    /// Which part of the program has logged it.
    pub scope: Scope,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// When it was noticed.
    pub observed: Option<Timestamp>,
    /// How much it matters, in a word.
    pub severity_text: Option<String>,
    /// The same as a number, from 1 to 24.
    pub severity: Option<u8>,
    /// The message.
    pub body: Option<Value>,
    /// What is said of it.
    pub attributes: Vec<Attribute>,
    /// The kind of event that it is.
    pub event_name: Option<String>,
    /// In which trace.
    pub trace_id: Option<u128>,
    /// In which span.
    pub span_id: Option<u64>,
    /// Whether that trace is kept.
    pub is_sampled: bool,
}
