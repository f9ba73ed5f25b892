//! The latest of the log, for who asks a node for it.

use std::sync::{Arc, OnceLock};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::export::Message;
use crate::journal::{Journal, LogLevel, LogLine};

/// Lines that are kept, and bytes of them.
const LINES_MAX: usize = 4096;
const BYTES_MAX: usize = 2 * 1024 * 1024;

static KEPT: OnceLock<Arc<Journal<LogLine>>> = OnceLock::new();

/// From now on the latest of the log is kept.
pub fn keep() -> Arc<Journal<LogLine>> {
    let journal = || Arc::new(Journal::new(LINES_MAX, BYTES_MAX));
    Arc::clone(KEPT.get_or_init(journal))
}

/// Keeps what is logged, once it shall be.
pub(super) struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(journal) = KEPT.get() else { return };
        let (line, bytes) = line(Message::of(event));
        journal.push(line, bytes);
    }
}

/// A message as a line, and what it takes.
fn line(message: Message) -> (LogLine, usize) {
    let level = match message.level {
        Level::TRACE => LogLevel::Trace,
        Level::DEBUG => LogLevel::Debug,
        Level::INFO => LogLevel::Info,
        Level::WARN => LogLevel::Warn,
        _ => LogLevel::Error,
    };
    let fields = message.fields.into_iter();
    let line = LogLine {
        unix_nanos: message.unix_nanos,
        level,
        target: message.target.to_owned(),
        text: message.text,
        fields: fields
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        trace: message.trace_id.map(|id| format!("{id:032x}")),
    };
    let fields = line
        .fields
        .iter()
        .map(|(name, value)| name.len() + value.len());
    let bytes = line.text.len() + line.target.len() + fields.sum::<usize>();
    (line, bytes)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn what_is_logged_is_kept_with_who_has_said_it() {
        let subscriber = tracing_subscriber::registry().with(Keep);
        tracing::subscriber::with_default(subscriber, || {
            let kept = keep();
            tracing::info!(target: "wrt::guest", app = "shop", component = "cart-of-this-test", "hello");
            let is_it = |line: &LogLine| {
                line.fields
                    .get("component")
                    .is_some_and(|it| it == "cart-of-this-test")
            };
            let read = kept.last(9, is_it);
            let [line] = read.entries.as_slice() else {
                panic!("{read:?}");
            };
            assert_eq!((line.level, line.text.as_str()), (LogLevel::Info, "hello"));
            assert_eq!(line.fields.get("app").map(String::as_str), Some("shop"));
        });
    }
}
