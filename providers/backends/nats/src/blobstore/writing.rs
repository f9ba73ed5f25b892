//! Bytes on their way into a container.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use async_nats::jetstream::{context::PublishAckFuture, message::PublishMessage, object_store};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::{runtime::Handle, time::Instant};
use wrt_blobstore::{BlobstoreError, ObjectId};
use wrt_contract::{Body, BodyFrame, CallContext};
use wrt_protocol::{Hop, limits::CHUNK_BYTES_MAX};

use super::{
    chunk_index::{self, ChunkIndex},
    container::Opened,
    kept_for,
    naming::LAST_CHUNK_NOTE,
    objects::info_of,
    refused::{not_executed, not_stored},
};
use crate::{Nats, attempt::Failure};

/// The number of a chunk in its object, from 0: a reader sees where one is missing.
pub(super) const NUMBER: &str = "Wrt-Chunk";

/// Room in a message for what is not the chunk.
const HEADERS_BYTES_MAX: usize = 1024;

/// Chunks that the server has not acknowledged yet.
const UNACKNOWLEDGED_MAX: usize = 4;

/// How long the removal of what an unfinished write has stored may take.
const REMOVAL_MAX: Duration = Duration::from_secs(5);

impl Nats {
    /// Writes an object: its bytes, and then that they are there.
    pub(super) async fn write_object(
        &self,
        context: &CallContext,
        container: &Opened,
        object: &ObjectId,
        body: Body<BlobstoreError>,
    ) -> Result<(), BlobstoreError> {
        let room = self.client().server_info().max_payload;
        let chunk_bytes = room.saturating_sub(HEADERS_BYTES_MAX).max(1);
        let mut writing = Writing {
            nats: self,
            id: self.new_id(),
            container,
            chunk_bytes: chunk_bytes.min(CHUNK_BYTES_MAX),
            chunk: BytesMut::new(),
            sent: VecDeque::new(),
            index: ChunkIndex::default(),
            last_chunk: None,
            hasher: Sha256::new(),
            size: 0,
            chunks: 0,
            last_stored: Instant::now(),
            is_left_to_collector: false,
        };
        let stored = context.bound(Hop::Backend, writing.all(body)).await??;
        // From here on it may be named, whatever the answer is, and only the collector knows.
        writing.is_left_to_collector = true;
        self.put_object(context, container, object, stored).await
    }

    /// An id that nobody else takes.
    fn new_id(&self) -> String {
        let inbox = self.client().new_inbox();
        let id = inbox.rsplit('.').next().unwrap_or(&inbox);
        id.to_owned()
    }
}

/// A write. One that ends before its bytes are named removes them, if it gets to it.
struct Writing<'a> {
    nats: &'a Nats,
    container: &'a Opened,
    id: String,
    chunk_bytes: usize,
    chunk: BytesMut,
    sent: VecDeque<PublishAckFuture>,
    index: ChunkIndex,
    /// Where the last one lies in the stream.
    last_chunk: Option<u64>,
    hasher: Sha256,
    size: usize,
    chunks: usize,
    last_stored: Instant,
    is_left_to_collector: bool,
}

impl Writing<'_> {
    /// Stores all of a body, with a bounded part of it in hand.
    async fn all(
        &mut self,
        mut body: Body<BlobstoreError>,
    ) -> Result<object_store::ObjectInfo, BlobstoreError> {
        while let Some(frame) = body.next().await {
            let BodyFrame::Data(mut bytes) = frame? else {
                continue;
            };
            self.hasher.update(&bytes);
            self.size += bytes.len();
            while !bytes.is_empty() {
                let taken = bytes.len().min(self.chunk_bytes - self.chunk.len());
                self.chunk.extend_from_slice(&bytes.split_to(taken));
                if self.chunk.len() == self.chunk_bytes {
                    self.send().await?;
                }
            }
        }
        if !self.chunk.is_empty() {
            self.send().await?;
        }
        while !self.sent.is_empty() {
            self.acknowledged().await?;
        }
        self.check_pace()?;
        let mut metadata = HashMap::from([(chunk_index::NOTE.to_owned(), self.index.note())]);
        if let Some(last) = self.last_chunk {
            metadata.insert(LAST_CHUNK_NOTE.to_owned(), last.to_string());
        }
        let sizes = (self.size, self.chunks, self.chunk_bytes);
        let digest = self.hasher.clone().finalize();
        Ok(info_of(self.id.clone(), sizes, &digest, metadata))
    }

    async fn send(&mut self) -> Result<(), BlobstoreError> {
        if self.sent.len() == UNACKNOWLEDGED_MAX {
            self.acknowledged().await?;
        }
        self.check_pace()?;
        let chunk = Bytes::copy_from_slice(&self.chunk);
        self.chunk.clear();
        let message = PublishMessage::build()
            .payload(chunk)
            .header(NUMBER, self.chunks.to_string());
        let subject = self.container.chunks(&self.id);
        let sent = self.nats.jetstream().send_publish(subject, message).await;
        self.sent
            .push_back(sent.map_err(|error| failed(not_stored(&error)))?);
        self.chunks += 1;
        Ok(())
    }

    /// The server has the oldest of those that were sent. A chunk is never sent twice: it would be there
    /// twice, or behind another.
    async fn acknowledged(&mut self) -> Result<(), BlobstoreError> {
        let Some(sent) = self.sent.pop_front() else {
            return Ok(());
        };
        let stored = sent.await.map_err(|error| failed(not_stored(&error)))?;
        self.index.push(stored.sequence);
        self.last_chunk = Some(stored.sequence);
        self.last_stored = Instant::now();
        Ok(())
    }

    /// What has stood still for long may have been collected.
    fn check_pace(&self) -> Result<(), BlobstoreError> {
        let pace = kept_for(self.nats) / 2;
        if self.last_stored.elapsed() > pace {
            let detail = format!("no chunk was stored for {pace:?}");
            return Err(not_executed(detail));
        }
        Ok(())
    }
}

/// Nothing names it, so nothing was changed.
fn failed(failure: Failure<BlobstoreError>) -> BlobstoreError {
    match failure {
        Failure::Final(error) => error,
        Failure::NotDone(detail) | Failure::Unknown(detail) => not_executed(detail),
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.is_left_to_collector || self.chunks == 0 {
            return;
        }
        // Whatever of it is not there yet, or is not removed, is left to the collector.
        let containers = self.nats.containers();
        containers.touched(self.nats, &self.container.name);
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (stream, sent) = (
            self.container.stream.clone(),
            std::mem::take(&mut self.sent),
        );
        let subject = self.container.chunks(&self.id);
        runtime.spawn(async move {
            let removal = async {
                for arrives in sent {
                    let _whether_or_not = arrives.await;
                }
                stream.purge().filter(subject).await
            };
            if !matches!(tokio::time::timeout(REMOVAL_MAX, removal).await, Ok(Ok(_))) {
                tracing::debug!("what an unfinished write has stored is left to the collector");
            }
        });
    }
}
