//! One connection, with or without TLS.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::{Http2, places::Held};

/// A connection, which counts as open until it is dropped. Its place may be wanted for another one;
/// then it reads as if the server had closed it.
pub(crate) struct OpenConnection {
    io: Io,
    held: Held,
    /// HTTP/2 writes words of its own too, and several requests at a time.
    is_http2: bool,
}

enum Io {
    Plain(TcpStream),
    // The state of TLS is ten times the socket's.
    Tls(Box<TlsStream<TcpStream>>),
}

impl OpenConnection {
    pub(crate) fn plain(stream: TcpStream, held: Held, http2: Http2) -> Self {
        let is_http2 = http2 == Http2::PriorKnowledge;
        Self::new(Io::Plain(stream), held, is_http2)
    }

    pub(crate) fn tls(stream: TlsStream<TcpStream>, held: Held, http2: Http2) -> Self {
        let is_negotiated = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let is_http2 = is_negotiated || http2 == Http2::PriorKnowledge;
        Self::new(Io::Tls(Box::new(stream)), held, is_http2)
    }

    fn new(io: Io, held: Held, is_http2: bool) -> Self {
        held.is_made();
        Self { io, held, is_http2 }
    }

    /// Whether it takes what is written: a request that has come too late must not be sent where nobody
    /// reads the answer.
    fn check_writing(&self) -> io::Result<()> {
        if !self.is_http2 {
            self.held.wrote();
        }
        if self.held.is_closing() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

impl Connection for OpenConnection {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(Arc::clone(self.held.place()));
        match &self.io {
            Io::Tls(_) if self.is_http2 => connected.negotiated_h2(),
            _ => connected,
        }
    }
}

impl AsyncRead for OpenConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        if read.is_pending() && self.held.poll_closing(cx) {
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl AsyncWrite for OpenConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_writing()?;
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_writing()?;
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Io::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Io::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
