//! Components, by the SHA-256 of their content.

use async_nats::jetstream::object_store::{
    GetErrorKind, InfoErrorKind, ObjectMetadata, ObjectStore,
};
use bytes::Bytes;
use tokio::io::AsyncReadExt as _;

use super::{
    Store,
    attempt::{AttemptError, attempts},
    streams,
};
use crate::{
    Digest, StoreError,
    limits::{
        COMPONENT_BYTES_MAX, COMPONENT_CHUNK_BYTES_MAX, MESSAGE_HEAD_BYTES_MAX,
        STORE_CALL_WAIT_MAX, STORE_TRANSFER_WAIT_MAX,
    },
};

/// What a push did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The store has it now.
    New,
    /// The store had it already.
    AlreadyThere,
}

impl Store {
    /// Stores a component under its digest, unless it is there.
    ///
    /// # Errors
    /// When JetStream fails.
    pub async fn push(&self, bytes: &Bytes) -> Result<(Digest, Pushed), StoreError> {
        let digest = Digest::of(bytes);
        let components = match self.copies {
            Some(copies) => streams::components_made(&self.context, &self.lattice, copies).await?,
            None => self.components().await?.ok_or_else(|| self.absent())?,
        };
        if has(&components, digest, bytes.len()).await? {
            return Ok((digest, Pushed::AlreadyThere));
        }
        let (what, name) = (format!("store component {digest}"), digest.to_hex());
        // Each chunk is a message, and a server may take smaller ones than usual.
        let room = self.client.server_info().max_payload;
        let room = room.saturating_sub(MESSAGE_HEAD_BYTES_MAX).max(1);
        let put = || async {
            let mut reader: &[u8] = bytes;
            let object = ObjectMetadata {
                name: name.clone(),
                chunk_size: Some(room.min(COMPONENT_CHUNK_BYTES_MAX)),
                ..ObjectMetadata::default()
            };
            components
                .put(object, &mut reader)
                .await
                .map_err(AttemptError::again)
        };
        attempts(&what, STORE_TRANSFER_WAIT_MAX, put).await?;
        Ok((digest, Pushed::New))
    }

    async fn components(&self) -> Result<Option<ObjectStore>, StoreError> {
        streams::components(&self.context, &self.lattice).await
    }

    /// Reads a component, and makes sure that it is the one.
    ///
    /// # Errors
    /// [`StoreError::NoComponent`] and [`StoreError::Corrupt`], or when JetStream fails.
    pub async fn fetch(&self, digest: Digest) -> Result<Bytes, StoreError> {
        let (what, name) = (format!("read component {digest}"), digest.to_hex());
        let components = self.components().await?;
        let components = components.ok_or(StoreError::NoComponent { digest })?;
        let fetch = || async {
            let object = match components.get(name.as_str()).await {
                Err(error) if error.kind() == GetErrorKind::NotFound => {
                    return Err(AttemptError::Final(StoreError::NoComponent { digest }));
                }
                object => object.map_err(AttemptError::again)?,
            };
            // The store's own word on the length is not trusted with memory.
            let mut bytes = Vec::with_capacity(object.info().size.min(COMPONENT_BYTES_MAX));
            let mut limited = object.take(COMPONENT_BYTES_MAX as u64);
            limited
                .read_to_end(&mut bytes)
                .await
                .map_err(AttemptError::again)?;
            Ok(bytes)
        };
        let bytes = Bytes::from(attempts(&what, STORE_TRANSFER_WAIT_MAX, fetch).await?);
        let found = Digest::of(&bytes);
        if found == digest {
            Ok(bytes)
        } else {
            Err(StoreError::Corrupt { digest, found })
        }
    }
}

/// Whether the store has all `bytes` of a component: one of another length was not stored whole.
async fn has(components: &ObjectStore, digest: Digest, bytes: usize) -> Result<bool, StoreError> {
    let (what, name) = (format!("look for component {digest}"), digest.to_hex());
    let look = || async {
        match components.info(name.as_str()).await {
            Ok(info) => Ok(!info.deleted && info.size == bytes),
            Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(false),
            Err(error) => Err(AttemptError::again(error)),
        }
    };
    attempts(&what, STORE_CALL_WAIT_MAX, look).await
}
