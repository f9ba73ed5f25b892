//! From one body to another.

use std::io::{self, Write as _};

use wrt_guest::wasip2::{
    http::types::{IncomingBody, OutgoingBody},
    io::streams::StreamError,
};

/// How much the guest holds at once of what it does not keep.
const CHUNK_BYTES: u64 = 64 * 1024;

/// What was copied.
pub enum Copied {
    /// All of it is here too.
    Whole(Vec<u8>),
    /// It is more than was to be kept.
    TooMuch,
}

/// Copies all of `input` while it arrives. An error says that it was not whole.
pub fn all(input: IncomingBody, output: &OutgoingBody, kept_max: usize) -> io::Result<Copied> {
    let reader = input.stream().expect("nobody has taken the stream yet");
    let mut writer = output.write().expect("nobody has taken the stream yet");
    let mut copied = Copied::Whole(Vec::new());
    loop {
        match reader.blocking_read(CHUNK_BYTES) {
            Ok(chunk) => {
                writer.write_all(&chunk)?;
                copied = match copied {
                    Copied::Whole(mut bytes) if bytes.len() + chunk.len() <= kept_max => {
                        bytes.extend_from_slice(&chunk);
                        Copied::Whole(bytes)
                    }
                    _ => Copied::TooMuch,
                };
            }
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
        _ => Ok(copied),
    }
}

/// Writes what is here.
pub fn bytes(bytes: &[u8], output: &OutgoingBody) -> io::Result<()> {
    let mut writer = output.write().expect("nobody has taken the stream yet");
    writer.write_all(bytes)?;
    io::Write::flush(&mut writer)
}
