//! Bodies that are read and written piece by piece: however long they are, the guest holds one
//! piece.

use std::io::{self, Write as _};

use wrt_guest::wasip2::{
    http::types::{IncomingBody, IncomingRequest, ResponseOutparam, http_error_code},
    io::streams::{InputStream, StreamError},
};

use crate::reply::{self, Text};

/// How much is read at once.
const CHUNK_BYTES: u64 = 64 * 1024;

/// `/source` sends byte `i % 251` at position `i`: a prime, so that no power of two in the path of a
/// body can lose or repeat a piece unnoticed.
const PATTERN: u64 = 251;

const BINARY: &str = "application/octet-stream";

/// Sends the request's body back while it arrives, each piece flushed.
pub fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    reply::stream(out, 200, BINARY, None, |output| {
        read_body(request, |chunk| {
            output.write_all(chunk)?;
            io::Write::flush(output)
        })
    });
}

/// Reads the whole body and answers its length in bytes.
pub fn sink(request: &IncomingRequest) -> Text {
    let mut length_bytes = 0;
    let read = read_body(request, |chunk| {
        length_bytes += chunk.len() as u64;
        Ok(())
    });
    match read {
        Ok(()) => Text::ok(length_bytes.to_string()),
        Err(error) => Text::new(400, format!("after {length_bytes} bytes: {error}\n")),
    }
}

/// Sends so many bytes of the pattern.
pub fn source(length_bytes: u64, out: ResponseOutparam) {
    // A multiple of the pattern's length, so that each piece starts where the pattern does.
    let piece: Vec<u8> = (0..PATTERN * 256).map(|i| (i % PATTERN) as u8).collect();
    reply::stream(out, 200, BINARY, Some(length_bytes), |output| {
        let mut left = length_bytes;
        while left > 0 {
            let length = left.min(piece.len() as u64);
            output.write_all(&piece[..length as usize])?;
            left -= length;
        }
        Ok(())
    });
}

/// Reads the body to its end. An error of the body or of `each` ends it early.
fn read_body(
    request: &IncomingRequest,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let body = request.consume().expect("nobody has taken the body yet");
    let input = body.stream().expect("nobody has taken the stream yet");
    while let Some(chunk) = next_chunk(&input)? {
        each(&chunk)?;
    }
    drop(input);
    // Only what comes after the last byte tells a whole body from one that was cut off.
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    match trailers.get() {
        Some(Ok(Err(error))) => Err(io::Error::other(error)),
        _ => Ok(()),
    }
}

fn next_chunk(input: &InputStream) -> io::Result<Option<Vec<u8>>> {
    match input.blocking_read(CHUNK_BYTES) {
        Ok(chunk) => Ok(Some(chunk)),
        Err(StreamError::Closed) => Ok(None),
        // What only names a stream that failed may have been an error of HTTP.
        Err(StreamError::LastOperationFailed(error)) => Err(match http_error_code(&error) {
            Some(code) => io::Error::other(code),
            None => io::Error::other(error),
        }),
    }
}
