//! What a guest calls: the store that the manifest's link `wasi:blobstore` leads to.
//!
//! ```ignore
//! use wrt_guest::blobstore::{create_container, read, write};
//!
//! let pictures = create_container("pictures")?;
//! write(&pictures, "cat", |output| output.write_all(&bytes))?;
//! let mut stream = read(&pictures, "cat")?.stream;
//! ```

use std::io;

use wasip2::io::streams::{InputStream, OutputStream, StreamError};

pub use bindings::wasi::blobstore::{
    blobstore::{
        container_exists, copy_object, create_container, delete_container, get_container,
        move_object,
    },
    container::{Container, StreamObjectNames},
    types::{ContainerMetadata, IncomingValue, ObjectId, ObjectMetadata, OutgoingValue},
};

/// More than a stream gives at once.
const COPIED_AT_ONCE_BYTES: u64 = 1024 * 1024;

/// An object that is read.
#[derive(Debug)]
pub struct Incoming {
    /// How many bytes there are.
    pub size_bytes: u64,
    /// The bytes.
    pub stream: InputStream,
}

/// Reads all of an object as a stream.
///
/// # Errors
/// What the store says, in words.
pub fn read(container: &Container, object: &str) -> Result<Incoming, String> {
    read_range(container, object, 0, u64::MAX)
}

/// Reads a part of an object, from one offset to another, both included.
///
/// # Errors
/// What the store says, in words.
pub fn read_range(
    container: &Container,
    object: &str,
    start: u64,
    end: u64,
) -> Result<Incoming, String> {
    let value = container.get_data(object, start, end)?;
    let size_bytes = value.size();
    let stream = IncomingValue::incoming_value_consume_async(value)?;
    Ok(Incoming { size_bytes, stream })
}

/// Reads all of an object at once.
///
/// # Errors
/// What the store says, in words; also of an object that is too large for it.
pub fn read_all(container: &Container, object: &str) -> Result<Vec<u8>, String> {
    let value = container.get_data(object, 0, u64::MAX)?;
    IncomingValue::incoming_value_consume_sync(value)
}

/// Makes or replaces an object with what `fill` writes. When that fails nothing of it is stored, and the
/// object is what it was.
///
/// # Errors
/// What the store says, or else what `fill` does, in words.
pub fn write(
    container: &Container,
    object: &str,
    fill: impl FnOnce(&mut OutputStream) -> io::Result<()>,
) -> Result<(), String> {
    let value = OutgoingValue::new_outgoing_value();
    let mut output = value
        .outgoing_value_write_body()
        .expect("nobody has taken the stream yet");
    container.write_data(object, &value)?;
    let filled = fill(&mut output).and_then(|()| io::Write::flush(&mut output));
    drop(output);
    match filled {
        Ok(()) => OutgoingValue::finish(value),
        // The value is dropped unfinished: what there is of it is not all.
        Err(error) => Err(error.to_string()),
    }
}

/// Copies a stream to its end, within the host: the bytes do not come into the guest. Answers how many.
///
/// # Errors
/// When either stream fails. A stream that nobody reads any more may look like the end: what is to be
/// known then is said by whatever it belongs to.
pub fn copy(input: &InputStream, output: &OutputStream) -> io::Result<u64> {
    let mut copied = 0;
    loop {
        match output.blocking_splice(input, COPIED_AT_ONCE_BYTES) {
            Ok(bytes) => copied += bytes,
            Err(StreamError::Closed) => return Ok(copied),
            Err(StreamError::LastOperationFailed(error)) => return Err(io::Error::other(error)),
        }
    }
}

/// Generated from `wit/`.
mod bindings {
    #![allow(
        unsafe_code,
        missing_docs,
        clippy::all,
        reason = "written by wit-bindgen"
    )]
    wit_bindgen::generate!({
        path: ["../../../wit/deps/io-0.2.0", "../../../wit/deps/blobstore-0.2.0-draft"],
        world: "wasi:blobstore/imports",
        with: {
            "wasi:io/error@0.2.0": wasip2::io::error,
            "wasi:io/poll@0.2.0": wasip2::io::poll,
            "wasi:io/streams@0.2.0": wasip2::io::streams,
        },
        generate_all,
    });
}
