//! The log as records, for an exporter.

use std::{error::Error, fmt, sync::Arc};

use arc_swap::ArcSwapOption;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use super::fields::{chain, kept};
use crate::journal::unix_nanos_now;

/// What an exporter itself is made of: of what that says nothing is exported, or it would speak of itself for
/// ever.
const EXPORTERS: [&str; 8] = [
    "wrt_opentelemetry",
    "tonic",
    "tower",
    "hyper",
    "hyper_util",
    "hyper_rustls",
    "h2",
    "rustls",
];

/// Where the log of this process goes beside standard error.
static TARGET: ArcSwapOption<Taker> = ArcSwapOption::const_empty();

/// Takes messages, and keeps nobody waiting.
pub type Taker = Box<dyn Fn(Message) + Send + Sync>;

/// A message of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When, in nanoseconds since 1970 (UTC).
    pub unix_nanos: u64,
    /// How much it matters.
    pub level: Level,
    /// Whether it ends a program, as a guest says.
    pub is_critical: bool,
    /// Which part of the program says so.
    pub target: &'static str,
    /// What it says.
    pub text: String,
    /// What is said beside that.
    pub fields: Vec<(&'static str, String)>,
    /// In which trace.
    pub trace_id: Option<u128>,
    /// In which span of it, where the trace is kept.
    pub span_id: Option<u64>,
}

/// Has the log go to `taker` too, from now on.
pub fn export_by(taker: Taker) {
    TARGET.store(Some(Arc::new(taker)));
}

/// From now on it goes nowhere else.
pub fn export_ends() {
    TARGET.store(None);
}

/// Hands over what is logged, where somebody takes it.
pub(super) struct Export(&'static ArcSwapOption<Taker>);

impl Export {
    pub(super) fn new() -> Self {
        Self(&TARGET)
    }
}

impl<S: Subscriber> Layer<S> for Export {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(taker) = &*self.0.load() else {
            return;
        };
        let meta = event.metadata();
        let root = meta.target().split("::").next();
        if root.is_some_and(|root| EXPORTERS.contains(&root)) {
            return;
        }
        taker(Message::of(event));
    }
}

impl Message {
    /// What an event of the log says.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let meta = event.metadata();
        let mut message = Self {
            unix_nanos: unix_nanos_now(),
            level: *meta.level(),
            is_critical: false,
            target: meta.target(),
            text: String::new(),
            fields: Vec::new(),
            trace_id: None,
            span_id: None,
        };
        event.record(&mut message);
        message
    }

    /// The fields by which a message says to which trace it belongs are those of a guest's.
    fn take(&mut self, name: &'static str, text: &str) {
        match name {
            "message" => kept(text).clone_into(&mut self.text),
            "critical" => self.is_critical = text == "true",
            "trace" => self.trace_id = u128::from_str_radix(text, 16).ok(),
            "span" => self.span_id = u64::from_str_radix(text, 16).ok(),
            _ => self.fields.push((name, kept(text).to_owned())),
        }
    }
}

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field.name(), &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.take(field.name(), &chain(value));
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    static TAKEN: Mutex<Vec<Message>> = Mutex::new(Vec::new());
    static HERE: ArcSwapOption<Taker> = ArcSwapOption::const_empty();

    #[test]
    fn what_is_logged_is_handed_over_and_not_what_the_exporter_says() {
        let subscriber = tracing_subscriber::registry().with(Export(&HERE));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!("too early");
            let taker: Taker = Box::new(|message| TAKEN.lock().push(message));
            HERE.store(Some(Arc::new(taker)));
            tracing::warn!(after_ms = 3, name = "a", "it is {}", "slow");
            tracing::debug!(target: "h2::client", "a frame");
            tracing::warn!(target: "wrt_opentelemetry::exporter", "dropped");
            let (trace, span) = (format!("{:032x}", 7), format!("{:016x}", 8));
            tracing::error!(
                target: "wrt::guest",
                trace = tracing::field::display(trace),
                span = tracing::field::display(span),
                critical = Some(true),
                "x"
            );
            HERE.store(None);
            tracing::warn!("too late");
        });
        let taken = std::mem::take(&mut *TAKEN.lock());
        let [first, second] = &taken[..] else {
            panic!("{taken:?}");
        };
        assert_eq!(
            (first.level, first.text.as_str(), first.trace_id),
            (Level::WARN, "it is slow", None)
        );
        let fields = [("after_ms", "3".to_owned()), ("name", "a".to_owned())];
        assert_eq!(first.fields, fields);
        assert!(first.unix_nanos > 0 && !first.is_critical);
        assert_eq!(
            (second.target, second.is_critical, second.fields.len()),
            ("wrt::guest", true, 0)
        );
        assert_eq!((second.trace_id, second.span_id), (Some(7), Some(8)));
    }
}
