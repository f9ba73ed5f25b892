//! How the values of an event are written.

use std::fmt;

use tracing::field::Field;
use tracing_subscriber::{
    field::MakeExt as _,
    fmt::{
        FormatFields,
        format::{self, Writer},
    },
};
use wrt_host::Printable;

/// Bytes of one value in the log. The backtrace of a trap fits; a peer's text need not.
const VALUE_BYTES_MAX: usize = 16 * 1024;
/// What the second and every further line of a value starts with: no line of the log does.
const FURTHER_LINE: &str = "\n    | ";

/// Writes each value cut and escaped: much of what is logged was said by a guest, a peer or a broker,
/// and must neither move the reader's cursor nor look like a line of the log.
pub(super) fn fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    format::debug_fn(
        |writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
            let text = format!("{value:?}");
            if field.name() != "message" {
                write!(writer, "{}=", field.name())?;
            }
            write_value(writer, &text)
        },
    )
    .delimited(" ")
}

fn write_value(writer: &mut dyn fmt::Write, text: &str) -> fmt::Result {
    let kept = &text[..text.floor_char_boundary(VALUE_BYTES_MAX)];
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

    /// Issue 7, no. 15: a trap names functions as the guest named them.
    #[test]
    fn what_others_say_cannot_forge_a_line_or_reach_the_terminal() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(fields())
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let trap = "at `\u{1b}[2J\r\n2026-01-01T00:00:00Z  WARN all is lost`";
            tracing::error!(error = %trap, tenths = 3, "the guest\u{7} failed");
            tracing::error!(long = "x".repeat(2 * VALUE_BYTES_MAX), "long");
        });
        let text = log.0.lock().clone();
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
