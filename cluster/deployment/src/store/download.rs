//! Components on their way out of the store.

use backon::ExponentialBuilder;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use async_nats::jetstream::{
    message::StreamMessage,
    stream::{DirectGetErrorKind, LastRawMessageErrorKind},
};

use super::{
    Store, StoreError,
    attempt::{AttemptError, attempts_after},
    objects::Objects,
};
use crate::{
    Digest,
    limits::{
        COMPONENT_BYTES_MAX, STORE_CHUNK_ATTEMPTS_MAX, STORE_CHUNK_PAUSE_MAX, STORE_CHUNK_WAIT_MAX,
        STORE_RETRY_PAUSE,
    },
};

/// A component that comes chunk by chunk, each asked for when the one before was taken: so it holds no
/// more than one, and others on the same link wait for no more than one. Where the store goes away it is
/// waited for, and the download goes on where it was.
pub struct Download {
    objects: Objects,
    digest: Digest,
    content: String,
    hasher: Sha256,
    /// What is still to come.
    missing: usize,
    sequence: u64,
    is_ended: bool,
}

impl Store {
    /// Begins to read a component.
    ///
    /// # Errors
    /// [`StoreError::NoComponent`], or when JetStream fails.
    pub async fn download(&self, digest: Digest) -> Result<Download, StoreError> {
        let objects = self.objects().await?;
        let objects = objects.ok_or(StoreError::NoComponent { digest })?;
        let object = objects.look(digest).await?;
        let object = object.ok_or(StoreError::NoComponent { digest })?;
        let bytes = object.info.size;
        if bytes > COMPONENT_BYTES_MAX {
            return Err(StoreError::ComponentTooLarge { digest, bytes });
        }
        Ok(Download {
            content: objects.content(&object.info.nuid),
            objects,
            digest,
            hasher: Sha256::new(),
            missing: bytes,
            sequence: 1,
            is_ended: false,
        })
    }
}

impl Download {
    /// How many bytes are still to come, as the store says.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// The next chunk; `None` after the last one, and then all of them together are the component.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] and [`StoreError::Corrupt`]; or when JetStream fails, or is away for
    /// too long.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken nothing.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.missing == 0 || self.is_ended {
            return self.checked().map(|()| None);
        }
        let message = self.message().await?;
        let chunk = message.payload;
        let found = chunk.len();
        if found == 0 || found > self.missing {
            // More than it says it has: it is another one.
            self.hasher.update(&chunk);
            self.is_ended = true;
            return self.checked().map(|()| None);
        }
        self.sequence = message.sequence + 1;
        self.missing -= found;
        self.hasher.update(&chunk);
        Ok(Some(chunk))
    }

    fn checked(&self) -> Result<(), StoreError> {
        let digest = self.digest;
        let found = Digest::of_hasher(self.hasher.clone());
        match found == digest {
            true => Ok(()),
            false => Err(StoreError::Corrupt { digest, found }),
        }
    }

    async fn message(&self) -> Result<StreamMessage, StoreError> {
        let what = format!("read component {}", self.digest);
        let pauses = ExponentialBuilder::new()
            .with_min_delay(STORE_RETRY_PAUSE)
            .with_max_delay(STORE_CHUNK_PAUSE_MAX)
            .with_max_times(STORE_CHUNK_ATTEMPTS_MAX as usize - 1);
        let mut attempt = 0;
        let read = || {
            attempt += 1;
            if attempt == 2 {
                let (component, missing) = (self.digest, self.missing);
                tracing::warn!(%component, missing, "the store is waited for in the middle of a fetch");
            }
            self.read_once()
        };
        attempts_after(pauses, &what, STORE_CHUNK_WAIT_MAX, read).await
    }

    async fn read_once(&self) -> Result<StreamMessage, AttemptError> {
        let stream = &self.objects.stream;
        if stream.cached_info().config.allow_direct {
            let direct = stream.direct_get_next_for_subject(&self.content, Some(self.sequence));
            match direct.await {
                Ok(message) => return Ok(message),
                // A server that has a copy may be behind; the leader is not.
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => {}
                Err(error) => return Err(AttemptError::again(error)),
            }
        }
        let next = stream.raw_message_builder().sequence(self.sequence);
        let next = next.next_by_subject(self.content.clone()).send().await;
        next.map_err(|error| match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => {
                AttemptError::Final(StoreError::Incomplete {
                    digest: self.digest,
                    missing: self.missing,
                })
            }
            _ => AttemptError::again(error),
        })
    }
}
