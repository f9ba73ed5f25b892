//! The end of a connection whose client is still sending (RFC 9112, section 9.6).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::connection_use::ConnectionUse;

/// How long a server that drains still reads what nobody wants.
const DRAINING: Duration = Duration::from_secs(1);

/// A stream that is closed in two steps, if it has left a request's body unread: first the way out, and
/// then, when the client has closed its own or its time is up, the rest. A socket that is closed while
/// bytes come in resets its connection, and the client's side throws away the answer that it has not
/// read yet.
pub(crate) struct Lingering<S> {
    stream: S,
    connection: Arc<ConnectionUse>,
    patience: Duration,
    draining: CancellationToken,
    /// Since the way out is closed.
    over: Option<BoxFuture<'static, ()>>,
}

impl<S> Lingering<S> {
    /// Reads on for `patience` at the most.
    pub(crate) fn new(
        stream: S,
        connection: Arc<ConnectionUse>,
        patience: Duration,
        draining: CancellationToken,
    ) -> Self {
        Self {
            stream,
            connection,
            patience,
            draining,
            over: None,
        }
    }

    /// Ready when nothing is waited for any longer.
    fn over(&self) -> BoxFuture<'static, ()> {
        let (patience, draining) = (self.patience, self.draining.clone());
        async move {
            let drained = async {
                draining.cancelled().await;
                tokio::time::sleep(DRAINING).await;
            };
            tokio::select! {
                () = tokio::time::sleep(patience) => {}
                () = drained => {}
            }
        }
        .boxed()
    }
}

impl<S: AsyncRead + Unpin> Lingering<S> {
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 8 * 1024];
        loop {
            if let Some(over) = &mut self.over
                && over.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.over.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if !self.connection.has_left_a_body() {
                return Poll::Ready(Ok(()));
            }
            self.over = Some(self.over());
        }
        self.poll_discard(cx).map(Ok)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::Instant,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// How long it takes to close a connection, of which `client` is the other end.
    async fn closing<F: Future<Output = ()>>(
        has_left_a_body: bool,
        draining: &CancellationToken,
        client: impl FnOnce(tokio::io::DuplexStream) -> F,
    ) -> Duration {
        let (near, far) = tokio::io::duplex(64);
        let connection = Arc::new(ConnectionUse::new());
        if has_left_a_body {
            connection.leave_a_body();
        }
        let mut near = Lingering::new(near, connection, PATIENCE, draining.clone());
        let start = Instant::now();
        let server = async {
            near.write_all(b"answer").await.unwrap();
            near.shutdown().await.unwrap();
            drop(near);
            start.elapsed()
        };
        tokio::join!(server, client(far)).0
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_on_gets_its_answer_and_only_so_long() {
        let draining = CancellationToken::new();
        let sends = async |mut far: tokio::io::DuplexStream| {
            far.write_all(&[0; 1000]).await.unwrap();
            let mut answer = String::new();
            far.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "answer");
        };
        assert_eq!(closing(true, &draining, sends).await, Duration::ZERO);
        let stays = async |mut far: tokio::io::DuplexStream| {
            while far.write_all(&[0; 100]).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        assert_eq!(closing(true, &draining, stays).await, PATIENCE);
        assert_eq!(closing(false, &draining, stays).await, Duration::ZERO);
        draining.cancel();
        assert_eq!(closing(true, &draining, stays).await, DRAINING);
    }
}
