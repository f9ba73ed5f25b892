//! A span: something that was done, when, and as a part of what.

use serde::{Deserialize, Serialize};
use wrt_contract::Schema;
use wrt_protocol::TraceContext;

use crate::{Attribute, Resource, Scope, Timestamp};

/// What a span is known by, also elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct SpanContext {
    /// Its trace; not 0.
    pub trace_id: u128,
    /// Itself; not 0.
    pub span_id: u64,
    /// Whether its trace is kept.
    pub is_sampled: bool,
    /// Whether it came from elsewhere.
    pub is_remote: bool,
    /// What others say of its trace, as in a header `tracestate`; empty if nobody says anything.
    pub state: String,
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Span {
    /// What it is about.
    pub resource: Resource,
    /// Which part of the program made it.
    pub scope: Scope,
    /// Which one it is.
    pub context: SpanContext,
    /// Which one it is a part of.
    pub parent: Option<u64>,
    /// What it stands for.
    pub kind: SpanKind,
    /// Its name.
    pub name: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What is said of it.
    pub attributes: Vec<Attribute>,
    /// What happened meanwhile.
    pub events: Vec<Event>,
    /// Other spans that have to do with it.
    pub links: Vec<Link>,
    /// How it ended.
    pub status: SpanStatus,
    /// How many attributes were left out.
    pub dropped_attributes: u32,
    /// How many events were.
    pub dropped_events: u32,
    /// How many links were.
    pub dropped_links: u32,
}

/// What a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum SpanKind {
    /// A request to another service.
    Client,
    /// A request of another service.
    Server,
    /// Something handed over to be done later.
    Producer,
    /// Something done that was handed over.
    Consumer,
    /// Anything within a program.
    Internal,
}

/// How a span ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum SpanStatus {
    /// Nobody has said.
    Unset,
    /// Well, as somebody has said expressly.
    Ok,
    /// Not well, and why.
    Error(String),
}

/// Something that happened during a span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// When.
    pub time: Timestamp,
    /// What is said of it.
    pub attributes: Vec<Attribute>,
}

/// Another span that has to do with one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Link {
    /// Which one.
    pub context: SpanContext,
    /// What is said of the two.
    pub attributes: Vec<Attribute>,
}

/// The place of a call in its trace; it came from the host.
impl From<&TraceContext> for SpanContext {
    fn from(trace: &TraceContext) -> Self {
        Self {
            trace_id: trace.trace_id,
            span_id: trace.span_id,
            is_sampled: trace.flags & 1 == 1,
            is_remote: true,
            state: trace.state.as_deref().unwrap_or_default().to_owned(),
        }
    }
}

impl SpanContext {
    /// What goes along with calls that are a part of this span.
    #[must_use]
    pub fn to_trace(&self) -> TraceContext {
        TraceContext {
            trace_id: self.trace_id,
            span_id: self.span_id,
            flags: u8::from(self.is_sampled),
            state: Some(self.state.as_str())
                .filter(|state| !state.is_empty())
                .map(Into::into),
        }
    }
}
