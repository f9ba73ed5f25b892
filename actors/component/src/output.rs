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
use wrt_host::{GUEST_MESSAGE_BYTES_MAX, GuestLevel, GuestLog, GuestSource};

/// Bytes of a line in the log. A longer one becomes several.
const LINE_BYTES_MAX: usize = GUEST_MESSAGE_BYTES_MAX;
/// Bytes that a guest may write at a time.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// One of the two outputs of an instance: each line becomes one message in the log.
#[derive(Clone)]
pub(crate) struct GuestOutput(Arc<Mutex<Lines>>);

struct Lines {
    log: GuestLog,
    stream: &'static str,
    level: GuestLevel,
    begun: BegunLine,
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
            log,
            stream,
            level,
            begun: BegunLine::default(),
        })))
    }

    fn take(&self, bytes: &[u8]) {
        self.0.lock().take(bytes);
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        let Self {
            log,
            stream,
            level,
            begun,
        } = self;
        begun.take(bytes, |line| {
            log.log(*level, GuestSource::Stream(stream), line);
        });
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
        if !self.begun.0.is_empty() {
            self.take(b"\n");
        }
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
    use super::*;

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
