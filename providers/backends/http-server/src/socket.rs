//! A connection's socket, which can be looked at while it is served.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// So many bytes in several pieces are sent as one: to copy them costs less than the system's way for a list.
const GATHERED_MAX: usize = 1024;

/// A stream in two hands: one serves it, and the other one asks now and then whether anybody is left.
/// Both are on one task, so that nobody ever waits for the lock.
#[derive(Clone)]
pub(crate) struct Socket(Arc<Mutex<TcpStream>>);

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Whether the client has closed its side, also behind bytes that nobody has read yet. Whoever serves
    /// the stream sees that only when it gets there, and a request that waits, or a body that is not
    /// read, keeps it from going on.
    pub(crate) fn is_left(&self) -> bool {
        let stream = self.0.lock();
        let ready = stream.ready(Interest::READABLE).now_or_never();
        ready.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }

    fn with<T>(&self, act: impl FnOnce(Pin<&mut TcpStream>) -> T) -> T {
        act(Pin::new(&mut *self.0.lock()))
    }
}

/// All of `slices` in one piece, if they are several and fit.
fn gather<'a>(slices: &[IoSlice<'_>], room: &'a mut [u8]) -> Option<&'a [u8]> {
    if slices.len() < 2 {
        return None;
    }
    let mut length = 0;
    for slice in slices {
        let end = length + slice.len();
        room.get_mut(length..end)?.copy_from_slice(slice);
        length = end;
    }
    Some(&room[..length])
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathered = [0; GATHERED_MAX];
        match gather(slices, &mut gathered) {
            Some(bytes) => self.poll_write(cx, bytes),
            None => self.with(|stream| stream.poll_write_vectored(cx, slices)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_in_several_pieces_become_one() {
        let gathered = |pieces: &[&[u8]]| {
            let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            gather(&slices, &mut [0; 8]).map(<[u8]>::to_vec)
        };
        assert_eq!(
            gathered(&[b"head", b"", b"body"]),
            Some(b"headbody".to_vec())
        );
        assert_eq!(gathered(&[b"head", b"body", b"!"]), None);
        assert_eq!(gathered(&[b"head"]), None);
        assert_eq!(gathered(&[]), None);
    }
}
