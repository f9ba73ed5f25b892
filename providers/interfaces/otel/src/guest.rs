//! What a guest calls: the provider that the manifest's link `wasi:otel` leads to.
//!
//! [`span`] is what most programs need. The functions of the WIT are beside it, for libraries that make
//! their own records.

use std::{cell::RefCell, fmt::Display};

use wasip2::{
    clocks::wall_clock::{self, Datetime},
    random::random::get_random_u64,
};

pub use bindings::wasi::otel::{logs, metrics, tracing, types};
use logs::LogRecord;
use tracing::{Event, Link, SpanContext, SpanData, SpanKind, Status, TraceFlags};
use types::{InstrumentationScope, KeyValue};

thread_local! {
    static OPEN: RefCell<Vec<SpanContext>> = const { RefCell::new(Vec::new()) };
}

/// A span that is open; it ends when it is dropped.
///
/// It is a part of the one that was begun before it and is still open, or else of the call that the guest
/// serves. So spans within each other end in the order of their scopes.
pub struct Span(Option<SpanData>);

/// Begins a span; what the guest calls until it ends is a part of it.
///
/// ```ignore
/// let mut span = otel::span("check the order");
/// span.set("order.id", 7);
/// ```
#[must_use = "it ends when it is dropped"]
pub fn span(name: impl Into<String>) -> Span {
    Span::begin(name.into())
}

/// A value that an attribute may have: the same as in JSON.
pub fn value(value: impl Into<Attribute>) -> String {
    value.into().0
}

/// A value as JSON.
pub struct Attribute(String);

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        let mut json = String::with_capacity(text.len() + 2);
        json.push('"');
        for character in text.chars() {
            match character {
                '"' | '\\' => json.extend(['\\', character]),
                character if (character as u32) < 0x20 => {
                    json.push_str(&format!("\\u{:04x}", character as u32));
                }
                character => json.push(character),
            }
        }
        json.push('"');
        Self(json)
    }
}

macro_rules! as_it_stands {
    ($($type:ty),+) => {$(
        impl From<$type> for Attribute {
            fn from(value: $type) -> Self {
                Self(value.to_string())
            }
        }
    )+};
}

as_it_stands!(bool, i8, i16, i32, i64, u8, u16, u32);

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<f64> for Attribute {
    fn from(number: f64) -> Self {
        match number.is_finite() {
            true => Self(format!("{number:?}")),
            false => Self::from(number.to_string()),
        }
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "wrt-guest".to_owned(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        schema_url: None,
        attributes: Vec::new(),
    }
}

fn now() -> Datetime {
    wall_clock::now()
}

fn random() -> u64 {
    get_random_u64().max(1)
}

impl Span {
    fn begin(name: String) -> Self {
        let parent = OPEN.with_borrow(|open| open.last().cloned());
        let parent = parent.unwrap_or_else(tracing::outer_span_context);
        let is_first = parent.trace_id.bytes().all(|digit| digit == b'0');
        let context = SpanContext {
            trace_id: match is_first {
                true => format!("{:016x}{:016x}", random(), random()),
                false => parent.trace_id,
            },
            span_id: format!("{:016x}", random()),
            trace_flags: match is_first {
                true => TraceFlags::SAMPLED,
                false => parent.trace_flags,
            },
            is_remote: false,
            trace_state: parent.trace_state,
        };
        tracing::on_start(&context);
        OPEN.with_borrow_mut(|open| open.push(context.clone()));
        Self(Some(SpanData {
            span_context: context,
            parent_span_id: match is_first {
                true => String::new(),
                false => parent.span_id,
            },
            span_kind: SpanKind::Internal,
            name,
            start_time: now(),
            end_time: now(),
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            status: Status::Unset,
            instrumentation_scope: scope(),
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
        }))
    }

    fn data(&mut self) -> &mut SpanData {
        self.0.as_mut().expect("it is taken when it is dropped")
    }

    /// Says something of it.
    pub fn set(&mut self, key: &str, value: impl Into<Attribute>) {
        self.data().attributes.push(pair(key, value));
    }

    /// What it stands for; a part of the program, if nothing is said.
    pub fn kind(&mut self, kind: SpanKind) {
        self.data().span_kind = kind;
    }

    /// Something has happened.
    pub fn event(&mut self, name: impl Into<String>) {
        self.event_with(name, []);
    }

    /// Something has happened, of which something is said.
    pub fn event_with(
        &mut self,
        name: impl Into<String>,
        attributes: impl IntoIterator<Item = KeyValue>,
    ) {
        let event = Event {
            name: name.into(),
            time: now(),
            attributes: attributes.into_iter().collect(),
        };
        self.data().events.push(event);
    }

    /// Another span has to do with it.
    pub fn link(&mut self, context: SpanContext) {
        let link = Link {
            span_context: context,
            attributes: Vec::new(),
        };
        self.data().links.push(link);
    }

    /// It has ended well.
    pub fn ok(&mut self) {
        self.data().status = Status::Ok;
    }

    /// It has not ended well.
    pub fn error(&mut self, why: impl Display) {
        self.data().status = Status::Error(why.to_string());
    }

    /// What it is known by.
    pub fn context(&mut self) -> SpanContext {
        self.data().span_context.clone()
    }

    /// Another task has its turn: what it begins is no part of this span. For futures; what the guest calls
    /// meanwhile is a part of the span that it began last, all the same: the host hears of no turns.
    pub fn pause(&self) {
        if let Some(data) = &self.0 {
            close(&data.span_context);
        }
    }

    /// It goes on, after a [`Span::pause`].
    pub fn resume(&self) {
        if let Some(data) = &self.0 {
            OPEN.with_borrow_mut(|open| open.push(data.span_context.clone()));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(mut span) = self.0.take() else {
            return;
        };
        close(&span.span_context);
        span.end_time = now();
        tracing::on_end(&span);
    }
}

fn close(context: &SpanContext) {
    OPEN.with_borrow_mut(|open| open.retain(|known| known.span_id != context.span_id));
}

/// An attribute.
pub fn pair(key: &str, value: impl Into<Attribute>) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value.into().0,
    }
}

/// Logs a line as a part of the span that is open.
pub fn log(severity_number: u8, body: &str, attributes: impl IntoIterator<Item = KeyValue>) {
    let open = OPEN.with_borrow(|open| open.last().cloned());
    logs::on_emit(&LogRecord {
        timestamp: Some(now()),
        observed_timestamp: None,
        severity_text: None,
        severity_number: Some(severity_number),
        body: Some(value(body)),
        attributes: Some(attributes.into_iter().collect()),
        event_name: None,
        resource: None,
        instrumentation_scope: Some(scope()),
        trace_id: open.as_ref().map(|it| it.trace_id.clone()),
        span_id: open.as_ref().map(|it| it.span_id.clone()),
        trace_flags: open.map(|it| it.trace_flags),
    });
}

/// Tells a count that only grows: `value` since `since`.
///
/// # Errors
/// Why it was not taken.
pub fn count(name: &str, unit: &str, value: u64, since: Datetime) -> Result<(), String> {
    let point = metrics::SumDataPoint {
        attributes: Vec::new(),
        value: metrics::MetricNumber::U64(value),
        exemplars: Vec::new(),
    };
    let sum = metrics::Sum {
        data_points: vec![point],
        start_time: since,
        time: now(),
        temporality: metrics::Temporality::Cumulative,
        is_monotonic: true,
    };
    metrics::export(&metrics::ResourceMetrics {
        resource: types::Resource {
            attributes: Vec::new(),
            schema_url: None,
        },
        scope_metrics: vec![metrics::ScopeMetrics {
            scope: scope(),
            metrics: vec![metrics::Metric {
                name: name.to_owned(),
                description: String::new(),
                unit: unit.to_owned(),
                data: metrics::MetricData::U64Sum(sum),
            }],
        }],
    })
}

/// Generated from `wit/`, in the shape that guest libraries use.
mod bindings {
    #![allow(
        unsafe_code,
        missing_docs,
        clippy::all,
        reason = "written by wit-bindgen"
    )]
    wit_bindgen::generate!({
        path: [
            "../../../wit/deps/io-0.2.0",
            "../../../wit/deps/clocks-0.2.0",
            "../../../wit/deps/otel-0.2.0-rc.2-outer",
        ],
        world: "wasi:otel/imports",
        with: {
            "wasi:io/poll@0.2.0": wasip2::io::poll,
            "wasi:clocks/wall-clock@0.2.0": wasip2::clocks::wall_clock,
            "wasi:clocks/monotonic-clock@0.2.0": wasip2::clocks::monotonic_clock,
        },
        generate_all,
    });
}
