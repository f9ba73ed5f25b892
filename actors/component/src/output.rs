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
    begun: Vec<u8>,
}

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
            begun: Vec::new(),
        })))
    }

    fn take(&self, bytes: &[u8]) {
        self.0.lock().take(bytes);
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = match line.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (line, false),
            };
            for piece in text.chunks(LINE_BYTES_MAX) {
                if self.begun.len() + piece.len() > LINE_BYTES_MAX {
                    self.end_line();
                }
                self.begun.extend_from_slice(piece);
            }
            if is_whole {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.begun);
        let line = line.trim_end_matches('\r');
        self.log
            .log(self.level, GuestSource::Stream(self.stream), line);
        self.begun.clear();
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.begun.is_empty() {
            self.end_line();
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
