//! From one body to another.

use std::io::{self, Write as _};

use wrt_guest::wasip2::{
    http::types::{IncomingBody, OutgoingBody},
    io::streams::StreamError,
};

/// How much the guest holds at once.
const CHUNK_BYTES: u64 = 64 * 1024;

/// Copies all of `input` while it arrives. An error says that it was not whole.
pub fn all(input: IncomingBody, output: &OutgoingBody) -> io::Result<()> {
    let reader = input.stream().expect("nobody has taken the stream yet");
    let mut writer = output.write().expect("nobody has taken the stream yet");
    loop {
        match reader.blocking_read(CHUNK_BYTES) {
            Ok(chunk) => writer.write_all(&chunk)?,
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => return Err(io::Error::other(error)),
        }
    }
    io::Write::flush(&mut writer)?;
    drop((reader, writer));
    // Only what comes after the last byte tells a whole body from one that was cut off.
    let trailers = IncomingBody::finish(input);
    trailers.subscribe().block();
    match trailers.get() {
        Some(Ok(Err(error))) => Err(io::Error::other(error)),
        _ => Ok(()),
    }
}
