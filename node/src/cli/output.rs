//! The one place that prints.
//!
//! Results go to standard output, errors to standard error; logs go there too. There are no colours.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use serde::Serialize;
use wrt_host::Printable;

use super::{args::Format, exit::Failure, logging};

/// Prints in the chosen format.
#[derive(Clone, Copy)]
pub struct Output {
    format: Format,
    stderr: &'static logging::Writer,
}

impl Output {
    /// Progress and failures go to `stderr` in order with the log, and without waiting for its reader.
    /// One for each process, so that it need not be given back.
    pub fn new(format: Format, stderr: logging::Writer) -> Self {
        Self {
            format,
            stderr: Box::leak(Box::new(stderr)),
        }
    }

    /// Prints a result: a line or more for people, or one JSON value for programs.
    pub fn result(self, text: &str, json: &impl Serialize) {
        match self.format {
            Format::Text => self.print(text),
            Format::Json => match serde_json::to_string(json) {
                Ok(json) => self.print(&json),
                Err(error) => {
                    let text = format!("error: the result has no JSON form: {error}");
                    self.stderr.line(&text);
                }
            },
        }
    }

    /// Prints a line to standard output. A reader that has seen enough (`wrt ps | head -1`) is no
    /// failure, and must not end a node that goes on serving.
    fn print(self, line: &str) {
        match writeln!(io::stdout(), "{line}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let text = format!("error: the result cannot be printed: {error}");
                self.stderr.line(&text);
            }
            _ => {}
        }
    }

    /// How results are printed.
    pub fn format(self) -> Format {
        self.format
    }

    /// Draws on the terminal that standard output is.
    pub fn draw(self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Tells a person how far it is; programs are not told.
    pub fn progress(self, text: &str) {
        if self.format == Format::Text {
            self.stderr.line(text);
        }
    }

    /// Tells a person what it is asked about; somebody is there, in whatever form the result is wanted.
    pub fn question(self, text: &str) {
        self.stderr.line(text);
    }

    /// Messages of the log that found no room so far.
    pub fn log_messages_dropped(self) -> u64 {
        self.stderr.dropped_total()
    }

    /// Prints a failure as the last that is heard, and answers its exit code.
    pub fn failure(self, failure: &Failure) -> ExitCode {
        self.stderr.last_line(&self.telling(failure));
        ExitCode::from(failure.code)
    }

    /// Prints a failure that ends nothing.
    pub fn trouble(self, failure: &Failure) {
        self.stderr.line(&self.telling(failure));
    }

    fn telling(self, failure: &Failure) -> String {
        match (self.format, failure.problems()) {
            (Format::Text, Some(problems)) => problems.to_string(),
            (Format::Text, None) => format!("error: {}", text(&failure.error)),
            (Format::Json, problems) => {
                let error = serde_json::json!({
                    "error": format!("{:#}", failure.error),
                    "code": failure.code,
                    "problems": problems,
                });
                error.to_string()
            }
        }
    }
}

/// The error, and below it each cause on a line of its own. What a server or a peer has said is in some
/// of them: only our own words, which come first, may have several lines.
fn text(error: &anyhow::Error) -> String {
    let own = error.to_string();
    let lines: Vec<_> = own
        .lines()
        .map(|line| Printable(line).to_string())
        .collect();
    let causes = error.chain().skip(1).map(ToString::to_string);
    causes.fold(lines.join("\n"), |text, cause| {
        format!("{text}\n  because: {}", Printable(&cause))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_elses_words_end_a_line_or_move_a_cursor() {
        let error = anyhow::anyhow!("it said: ready\n\u{1b}[2Jerror: none");
        let told = text(&error.context("our own\nwords\u{1b}[31m"));
        assert_eq!(
            told,
            "our own\nwords\\u{1b}[31m\n  because: it said: ready\\n\\u{1b}[2Jerror: none"
        );
    }
}
