//! How the values of an event are written.

use std::{error::Error, fmt};

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, format::Writer},
};
use wrt_host::Printable;

/// Bytes of one value in the log. The backtrace of a trap fits; a peer's text need not.
const VALUE_BYTES_MAX: usize = 16 * 1024;
/// What the second and every further line of a value starts with: no line of the log does.
const FURTHER_LINE: &str = "\n    | ";

/// Writes each value cut and escaped: much of what is logged was said by a guest, a peer or a broker,
/// and must neither move the reader's cursor nor look like a line of the log. An error is written with
/// its causes: none repeats them in its own words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line {
            writer,
            is_empty: true,
            written: Ok(()),
        };
        fields.record(&mut line);
        line.written
    }
}

/// The fields of one event, as far as they are written.
struct Line<'writer> {
    writer: Writer<'writer>,
    is_empty: bool,
    written: fmt::Result,
}

impl Line<'_> {
    fn write(&mut self, field: &Field, text: &str) -> fmt::Result {
        if !std::mem::take(&mut self.is_empty) {
            self.writer.write_str(" ")?;
        }
        if field.name() != "message" {
            write!(self.writer, "{}=", field.name())?;
        }
        write_value(&mut self.writer, text)
    }

    fn record(&mut self, field: &Field, text: &str) {
        if self.written.is_ok() {
            self.written = self.write(field, text);
        }
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record(field, &chain(value));
    }
}

/// An error with its causes.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

/// As much of a value as is logged.
pub(super) fn kept(text: &str) -> &str {
    &text[..text.floor_char_boundary(VALUE_BYTES_MAX)]
}

fn write_value(writer: &mut dyn fmt::Write, text: &str) -> fmt::Result {
    let kept = kept(text);
    for (at, line) in kept.lines().enumerate() {
        if at > 0 {
            writer.write_str(FURTHER_LINE)?;
        }
        write!(writer, "{}", Printable(line))?;
    }
    if kept.len() < text.len() {
        writer.write_str(" (cut)")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<String>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The text of what a subscriber with these fields writes.
    fn logged(events: impl FnOnce()) -> String {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(Fields)
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .finish();
        tracing::subscriber::with_default(subscriber, events);
        log.0.lock().clone()
    }

    /// The bug: the log said that a replica did not start, and never why.
    #[test]
    fn an_error_is_written_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Told {
            text: &'static str,
            source: Option<Box<Told>>,
        }
        let told = |text, source| Told { text, source };
        let inner = told("wrong\u{7} password", None);
        let error = told("it did not start", Some(Box::new(inner)));
        let text = logged(|| {
            tracing::warn!(error = &error as &dyn Error, after_ms = 3, "no");
        });
        let expected = r"no error=it did not start: wrong\u{7} password after_ms=3";
        assert!(text.trim_end().ends_with(expected), "{text}");
    }

    /// A trap names functions as the guest named them.
    #[test]
    fn what_others_say_cannot_forge_a_line_or_reach_the_terminal() {
        let text = logged(|| {
            let trap = "at `\u{1b}[2J\r\n2026-01-01T00:00:00Z  WARN all is lost`";
            tracing::error!(error = %trap, tenths = 3, "the guest\u{7} failed");
            tracing::error!(long = "x".repeat(2 * VALUE_BYTES_MAX), "long");
        });
        let lines: Vec<&str> = text.lines().collect();
        let start = "ERROR wrt_node::cli::logging::fields::tests: ";
        assert_eq!(
            lines[0],
            format!(r"{start}the guest\u{{7}} failed error=at `\u{{1b}}[2J")
        );
        assert_eq!(
            lines[1],
            "    | 2026-01-01T00:00:00Z  WARN all is lost` tenths=3"
        );
        assert!(
            lines[2].ends_with(" (cut)") && lines[2].len() < 17 * 1024,
            "{}",
            lines[2].len()
        );
        assert_eq!(lines.len(), 3);
    }
}
