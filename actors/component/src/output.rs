//! What a guest prints.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};
use wrt_host::{GUEST_MESSAGE_BYTES_MAX, GuestLevel, GuestLog, GuestSource, LoggedInvocation};

/// Bytes of a line in the log. A longer one becomes several.
const LINE_BYTES_MAX: usize = GUEST_MESSAGE_BYTES_MAX;
/// Bytes that a guest may write at a time.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Lines of one write that reach the log; the rest is counted there. A guest does not run while they
/// are written, so that nothing else would stop it.
const WRITE_LINES_MAX: u32 = 128;

/// One of the two outputs of an instance: each line becomes one message in the log.
#[derive(Clone)]
pub(crate) struct GuestOutput(Arc<Mutex<Lines>>);

struct Lines {
    log: GuestLog,
    /// The one that the begun line belongs to.
    invocation: LoggedInvocation,
    stream: &'static str,
    level: GuestLevel,
    begun: BegunLine,
    /// Lines of the write in hand.
    ended: u32,
}

/// The bytes of a line that has not ended.
#[derive(Default)]
struct BegunLine(Vec<u8>);

impl GuestOutput {
    pub(crate) fn stdout(log: GuestLog) -> Self {
        Self::new(log, "stdout", GuestLevel::Info)
    }

    /// A guest's last words are here, when it panics: they matter to whoever watches for trouble.
    pub(crate) fn stderr(log: GuestLog) -> Self {
        Self::new(log, "stderr", GuestLevel::Warn)
    }

    fn new(log: GuestLog, stream: &'static str, level: GuestLevel) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            invocation: log.invocation(),
            log,
            stream,
            level,
            begun: BegunLine::default(),
            ended: 0,
        })))
    }

    fn take(&self, bytes: &[u8]) {
        let mut lines = self.0.lock();
        lines.change_over();
        lines.take(bytes);
        lines.end_write();
    }
}

impl Lines {
    /// A line that one invocation has begun is not ended by the next one.
    fn change_over(&mut self) {
        if let Some(invocation) = self.log.changed_since(&self.invocation) {
            self.end_begun();
            self.invocation = invocation;
        }
    }

    fn end_begun(&mut self) {
        if !self.begun.0.is_empty() {
            self.take(b"\n");
            self.end_write();
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let Self {
            log,
            invocation,
            stream,
            level,
            begun,
            ended,
        } = self;
        begun.take(bytes, |line| {
            *ended += 1;
            if *ended <= WRITE_LINES_MAX {
                log.log_in(invocation, *level, GuestSource::Stream(stream), line);
            }
        });
    }

    fn end_write(&mut self) {
        let left_out = std::mem::take(&mut self.ended).saturating_sub(WRITE_LINES_MAX);
        if left_out > 0 {
            let text = format!("({left_out} lines more of one write are left out)");
            let source = GuestSource::Stream(self.stream);
            self.log.log_in(&self.invocation, self.level, source, &text);
        }
    }
}

impl BegunLine {
    fn take(&mut self, bytes: &[u8], mut tell: impl FnMut(&str)) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (mut text, is_whole) = match line.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (line, false),
            };
            while self.0.len() + text.len() > LINE_BYTES_MAX {
                let (fits, rest) = text.split_at(LINE_BYTES_MAX - self.0.len());
                self.0.extend_from_slice(fits);
                text = rest;
                let begun_character = self.0.split_off(whole_characters(&self.0));
                self.end(&mut tell);
                self.0 = begun_character;
            }
            self.0.extend_from_slice(text);
            if is_whole {
                self.end(&mut tell);
            }
        }
    }

    fn end(&mut self, tell: &mut impl FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.0);
        tell(line.trim_end_matches('\r'));
        self.0.clear();
    }
}

/// Bytes before a last character of which some are still to come.
fn whole_characters(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|byte| !is_continuation(*byte));
    let Some(last) = last else { return bytes.len() };
    let is_begun =
        std::str::from_utf8(&bytes[last..]).is_err_and(|error| error.error_len().is_none());
    match is_begun {
        true => last,
        false => bytes.len(),
    }
}

/// Whether a byte of UTF-8 belongs to the character before it.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end_begun();
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for GuestOutput {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for GuestOutput {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(WRITE_BYTES_MAX)];
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tracing::{Event, Metadata, Subscriber, span};

    use super::*;

    /// What is logged, one text each.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Log {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut text = String::new();
            event.record(
                &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                    if field.name() == "message" {
                        text = format!("{value:?}");
                    }
                },
            );
            self.0.lock().push(text);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    fn logged(write: impl FnOnce(GuestOutput)) -> Vec<String> {
        let log = Log::default();
        tracing::subscriber::with_default(log.clone(), || {
            write(GuestOutput::stdout(GuestLog::default()));
        });
        let logged = log.0.lock();
        logged.clone()
    }

    /// Each event is made in the host call of the guest that writes, and takes room from the rest of the
    /// log.
    #[test]
    fn a_write_makes_so_many_lines_and_counts_the_rest() {
        let lines = logged(|mut output| {
            output
                .write(Bytes::from(vec![b'\n'; WRITE_BYTES_MAX]))
                .unwrap();
            output
                .write(Bytes::from_static(b"one\ntwo\nthree"))
                .unwrap();
        });
        let max = WRITE_LINES_MAX as usize;
        assert_eq!(lines.len(), max + 1 + 3);
        let left_out = WRITE_BYTES_MAX - max;
        assert_eq!(
            lines[max..],
            [
                &format!("({left_out} lines more of one write are left out)"),
                "one",
                "two",
                "three"
            ]
        );
    }

    #[test]
    fn a_write_of_0_3_is_no_longer_than_one_of_0_2() {
        let bytes = vec![b'\n'; WRITE_BYTES_MAX + 1];
        logged(|output| {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let taken = pin!(output).poll_write(&mut cx, &bytes);
            assert!(matches!(taken, Poll::Ready(Ok(WRITE_BYTES_MAX))));
        });
    }

    /// The half line of one invocation was the beginning of the next one's.
    #[test]
    fn a_line_ends_with_its_invocation() {
        let logged = Log::default();
        tracing::subscriber::with_default(logged.clone(), || {
            let log = GuestLog::default();
            let mut output = GuestOutput::stdout(log.clone());
            output.write(Bytes::from_static(b"one\nhalf")).unwrap();
            log.change_over(None);
            output.write(Bytes::from_static(b" of two\n")).unwrap();
        });
        assert_eq!(*logged.0.lock(), ["one", "half", " of two"]);
    }

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut begun, mut lines) = (BegunLine::default(), Vec::new());
        for piece in pieces.iter().copied().chain([&b"\n"[..]]) {
            begun.take(piece, |line| lines.push(line.to_owned()));
        }
        lines
    }

    /// Both halves of the character were shown as U+FFFD.
    #[test]
    fn a_long_line_is_cut_between_characters() {
        for character in ["\u{e9}", "\u{20ac}", "\u{1f980}"] {
            for start in ["", "a", "ab", "abc"] {
                let text = start.to_owned() + &character.repeat(LINE_BYTES_MAX);
                for piece in [1, 7, LINE_BYTES_MAX, text.len()] {
                    let pieces: Vec<&[u8]> = text.as_bytes().chunks(piece).collect();
                    let lines = lines(&pieces);
                    assert_eq!(lines.concat(), text, "{character} {start} {piece}");
                    let is_full =
                        |line: &String| (LINE_BYTES_MAX - 3..=LINE_BYTES_MAX).contains(&line.len());
                    assert!(lines[..lines.len() - 1].iter().all(is_full));
                }
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_cut_where_the_room_ends() {
        let lines = lines(&[&vec![0x80; 2 * LINE_BYTES_MAX + 1]]);
        let characters: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
        assert_eq!(characters, [LINE_BYTES_MAX, LINE_BYTES_MAX, 1]);
    }

    #[test]
    fn each_line_is_one_message() {
        let pieces: [&[u8]; 3] = [b"one\r\ntw", b"o\n\nth", b"ree"];
        assert_eq!(lines(&pieces), ["one", "two", "", "three"]);
    }
}
