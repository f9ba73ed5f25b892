//! What JetStream says when it does not do what it was asked.

use std::error::Error;

use async_nats::jetstream::{self, context::PublishError};
use wrt_blobstore::BlobstoreError;
use wrt_protocol::{Execution, Fault, FaultKind, Hop};

use crate::{
    attempt::{Failure, said},
    refusal::{has_no_leader, has_no_room},
};

/// The server's own words in an error of the client.
fn server_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a jetstream::Error> {
    let mut causes = std::iter::successors(Some(error), |error| Error::source(*error));
    causes.find_map(|error| error.downcast_ref())
}

/// How an attempt to store a message has failed.
pub(super) fn not_stored(error: &PublishError) -> Failure<BlobstoreError> {
    match server_error(error) {
        Some(refusal) if has_no_leader(refusal) => Failure::NotDone(refusal.to_string()),
        Some(refusal) if has_no_room(refusal) => {
            Failure::Final(BlobstoreError::full(format!("nats: {refusal}")))
        }
        Some(refusal) => Failure::Final(BlobstoreError::other(format!("nats: {refusal}"))),
        None => Failure::Unknown(said(error)),
    }
}

/// That nothing was changed, since nothing names what was stored.
pub(super) fn not_executed(detail: impl std::fmt::Display) -> BlobstoreError {
    let (kind, detail) = (FaultKind::Unavailable, format!("nats: {detail}"));
    Fault::new(kind, Execution::NotExecuted, Hop::Backend, detail).into()
}
