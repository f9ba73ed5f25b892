//! What a guest reads.

use wrt_contract::Body;
use wrt_host::body::BodyInput;

use crate::{BlobstoreError, Limit, limits::SYNC_BYTES_MAX};

/// Bytes of an object that nobody has read yet. Nothing of them flows before somebody does, and who waits
/// longer than [`STREAM_IDLE_MAX`](wrt_protocol::limits::STREAM_IDLE_MAX) gets an error for them.
pub struct IncomingValue {
    body: Body<BlobstoreError>,
    size_bytes: u64,
}

impl IncomingValue {
    pub(super) fn of(body: Body<BlobstoreError>) -> Result<Self, BlobstoreError> {
        // A provider on another node may be another version of this program, or a broken one.
        let size_bytes = body.length();
        let unsaid = || BlobstoreError::other("the provider does not say how many bytes there are");
        Ok(Self {
            size_bytes: size_bytes.ok_or_else(unsaid)?,
            body,
        })
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) async fn collect(self) -> Result<Vec<u8>, BlobstoreError> {
        Limit::SyncBytes.check(self.size_bytes, SYNC_BYTES_MAX)?;
        let bytes = self.body.collect(SYNC_BYTES_MAX as usize).await?;
        Ok(bytes.into())
    }

    pub(super) fn into_stream(self) -> BodyInput<BlobstoreError> {
        BodyInput::new(self.body, |error| {
            tracing::debug!(%error, "an object was not read to its end");
            error.into()
        })
    }
}
