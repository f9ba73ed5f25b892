//! Arguments and results that are too large to travel inline.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use wrt_contract::{Body, BodyError, BodyFrame};
use wrt_protocol::{Fault, FaultKind, Hop, limits::ARGUMENT_BYTES_MAX};

/// Length of the prefix that tells the arguments from the bulk bytes behind them: a `u64`, little
/// endian, which is the length of the arguments.
const PREFIX_BYTES: usize = size_of::<u64>();

/// Arguments and bulk bytes as a body, and its length: nothing is copied.
pub(crate) fn arguments_body(arguments: &Bytes, bulk: &Bytes) -> (Body<BodyError>, u64) {
    let mut prefix = BytesMut::with_capacity(PREFIX_BYTES);
    prefix.put_u64_le(arguments.len() as u64);
    let parts = [prefix.freeze(), arguments.clone(), bulk.clone()];
    let length = parts.iter().map(|part| part.len() as u64).sum();
    let frames = parts.into_iter().filter(|part| !part.is_empty());
    let frames = futures::stream::iter(frames.map(BodyFrame::Data).map(Ok));
    (Body::new(Some(length), frames), length)
}

/// The reverse of [`arguments_body`].
pub(crate) async fn collect_arguments(body: Body<BodyError>) -> Result<(Bytes, Bytes), Fault> {
    let mut bytes = body
        .collect(PREFIX_BYTES + ARGUMENT_BYTES_MAX)
        .await
        .map_err(BodyError::into_fault)?;
    let malformed = |detail: &str| Fault::not_executed(FaultKind::Malformed, Hop::Stream, detail);
    let length = bytes
        .try_get_u64_le()
        .map_err(|error| malformed(&error.to_string()))?;
    match usize::try_from(length) {
        Ok(length) if length <= bytes.len() => {
            let bulk = bytes.split_off(length);
            Ok((bytes, bulk))
        }
        _ => Err(malformed("the arguments end before their length says")),
    }
}
