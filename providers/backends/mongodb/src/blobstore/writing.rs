//! Bytes on their way in.

use std::time::Duration;

use futures::{StreamExt as _, stream::FuturesUnordered};
use mongodb::bson::{
    Binary, DateTime, RawDocumentBuf, doc, oid::ObjectId as Id, rawdoc, spec::BinarySubtype,
};
use tokio::{runtime::Handle, task::JoinHandle, time::Instant};
use wrt_blobstore::{BlobstoreError, ByteRange, ObjectId};
use wrt_contract::{Body, BodyFrame, CallContext};
use wrt_protocol::{Execution, Hop};

use super::layout::{CHUNK_BYTES, entry_id};
use crate::{
    MongoDb,
    error::{given_up, not_executed},
};

/// Chunks that one command stores, and commands at a time: a writer holds no more of an object.
const BATCH_CHUNKS: usize = 4;
const BATCHES_AT_ONCE: usize = 2;

/// How long a command has that stores a batch, and the removal of what an unfinished write has stored.
const BATCH_WAIT_MAX: Duration = Duration::from_secs(10);
const REMOVAL_MAX: Duration = Duration::from_secs(20);

impl MongoDb {
    /// Writes an object: that it will be, its bytes, and then that they are it.
    pub(super) async fn write_object(
        &self,
        context: &CallContext,
        object: &ObjectId,
        body: Body<BlobstoreError>,
    ) -> Result<(), BlobstoreError> {
        let container = self.container(context, &object.container).await?;
        let contents = container.contents;
        let mut writing = Writing {
            mongodb: self,
            contents,
            object,
            id: Id::new(),
            batch: Vec::new(),
            chunk: Vec::new(),
            storing: FuturesUnordered::new(),
            size: 0,
            chunks: 0,
            last_stored: Instant::now(),
            is_over: false,
        };
        // What it leaves later, nobody would look for.
        let soon = context.narrowed(self.config().kept_for() / 4);
        let before = self.announce(&soon, contents, &object.object, writing.id);
        let before = before.await.map_err(not_executed)?;
        let stored = context.bound(Hop::Backend, writing.all(body)).await;
        stored.map_err(|late| late.with_execution(Execution::NotExecuted))??;
        let stored = (writing.id, writing.size, CHUNK_BYTES as i64);
        // From here on it may be the object, whatever the answer is.
        writing.is_over = true;
        let place = (contents, &object.object);
        let named = self.name_bytes(context, place, before, stored).await;
        if named.as_ref().is_err_and(is_not_executed) {
            writing.is_over = false;
        }
        named?;
        match writing.chunks as usize > BATCH_CHUNKS {
            true => self.is_still(context, object, contents).await,
            // It was here at once: what was done to its container meanwhile came after it.
            false => Ok(()),
        }
    }

    /// A container that was emptied or removed meanwhile has taken the object along, and who wrote it for long
    /// must hear so.
    async fn is_still(
        &self,
        context: &CallContext,
        object: &ObjectId,
        contents: Id,
    ) -> Result<(), BlobstoreError> {
        match self.container(context, &object.container).await {
            Ok(now) if now.contents == contents => Ok(()),
            Ok(_) => Err(given_up("the container was emptied meanwhile")),
            Err(BlobstoreError::Fault(fault)) => {
                Err(fault.with_execution(Execution::MaybeExecuted).into())
            }
            Err(error) => Err(error),
        }
    }

    /// Copies an object, as another one with bytes of its own; where the source is, and what it was.
    pub(super) async fn copy(
        &self,
        context: &CallContext,
        source: &ObjectId,
        target: &ObjectId,
    ) -> Result<(Id, Id), BlobstoreError> {
        let container = self.container(context, &source.container).await?;
        let found = self.object(context, container.contents, source).await?;
        if source != target {
            let body = self.read_object(source, &found, ByteRange::WHOLE);
            self.write_object(context, target, body).await?;
        }
        Ok((container.contents, found.bytes))
    }
}

fn is_not_executed(error: &BlobstoreError) -> bool {
    let BlobstoreError::Fault(fault) = error else {
        return false;
    };
    fault.execution() == Execution::NotExecuted
}

/// A write. One that ends before its bytes are named removes them, if it gets to it.
struct Writing<'a> {
    mongodb: &'a MongoDb,
    contents: Id,
    object: &'a ObjectId,
    id: Id,
    batch: Vec<RawDocumentBuf>,
    chunk: Vec<u8>,
    storing: FuturesUnordered<JoinHandle<Result<(), BlobstoreError>>>,
    size: i64,
    chunks: i32,
    last_stored: Instant,
    is_over: bool,
}

impl Writing<'_> {
    /// Stores all of a body, with a bounded part of it in hand.
    async fn all(&mut self, mut body: Body<BlobstoreError>) -> Result<(), BlobstoreError> {
        while let Some(frame) = body.next().await {
            let BodyFrame::Data(mut bytes) = frame? else {
                continue;
            };
            self.size += bytes.len() as i64;
            while !bytes.is_empty() {
                let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
                self.chunk.extend_from_slice(&bytes.split_to(taken));
                if self.chunk.len() == CHUNK_BYTES {
                    self.push()?;
                }
                if self.batch.len() == BATCH_CHUNKS {
                    self.store().await?;
                }
            }
        }
        if !self.chunk.is_empty() {
            self.push()?;
        }
        if !self.batch.is_empty() {
            self.store().await?;
        }
        while !self.storing.is_empty() {
            self.stored().await?;
        }
        self.check_pace()?;
        let ObjectId { container, object } = self.object;
        let file = doc! {
            "_id": self.id,
            "length": self.size,
            "chunkSize": CHUNK_BYTES as i32,
            "uploadDate": DateTime::now(),
            "filename": format!("{}/{}", container.as_str(), object.as_str()),
            "metadata": { "container": container.as_str(), "name": object.as_str() },
        };
        let files = self.mongodb.layout().files.clone();
        let context = CallContext::with_budget(BATCH_WAIT_MAX);
        let store = async move { files.insert_one(file).await };
        let stored = self.mongodb.run(&context, store).await;
        stored.map_err(not_executed)?;
        self.check_pace()
    }

    fn push(&mut self) -> Result<(), BlobstoreError> {
        let data = Binary {
            subtype: BinarySubtype::Generic,
            bytes: std::mem::take(&mut self.chunk),
        };
        self.batch.push(rawdoc! {
            "_id": Id::new(),
            "files_id": self.id,
            "n": self.chunks,
            "data": data,
        });
        let next = self.chunks.checked_add(1);
        self.chunks = next.ok_or_else(|| given_up("GridFS counts no more chunks"))?;
        Ok(())
    }

    async fn store(&mut self) -> Result<(), BlobstoreError> {
        if self.storing.len() == BATCHES_AT_ONCE {
            self.stored().await?;
        }
        self.check_pace()?;
        let batch = std::mem::take(&mut self.batch);
        let (mongodb, chunks) = (self.mongodb.clone(), self.mongodb.layout().chunks.clone());
        // It goes on while the next one is awaited, which may take long.
        self.storing.push(tokio::spawn(async move {
            let context = CallContext::with_budget(BATCH_WAIT_MAX);
            let store = async move { chunks.insert_many(batch).await };
            let stored = mongodb.run(&context, store).await;
            stored.map(drop).map_err(not_executed)
        }));
        Ok(())
    }

    /// The server has one of the batches.
    async fn stored(&mut self) -> Result<(), BlobstoreError> {
        if let Some(stored) = self.storing.next().await {
            stored.map_err(|panicked| given_up(&panicked.to_string()))??;
            self.last_stored = Instant::now();
        }
        Ok(())
    }

    /// What has stood still for long may have been given up.
    fn check_pace(&self) -> Result<(), BlobstoreError> {
        let pace = self.mongodb.config().kept_for() / 2;
        match self.last_stored.elapsed() > pace {
            true => Err(given_up(&format!("no chunk was stored for {pace:?}"))),
            false => Ok(()),
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        // Whatever of it is not removed is left to the collector.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.is_over {
            return;
        }
        let mut storing = std::mem::take(&mut self.storing);
        let (mongodb, id) = (self.mongodb.clone(), self.id);
        let entry = entry_id(self.contents, &self.object.object);
        runtime.spawn(async move {
            let removal = async {
                while let Some(_whether_or_not) = storing.next().await {}
                mongodb.give_up(&entry, id).await?;
                mongodb.remove_old(&[(entry, id)]).await
            };
            if !matches!(tokio::time::timeout(REMOVAL_MAX, removal).await, Ok(Ok(()))) {
                tracing::debug!("what an unfinished write has stored is left to the collector");
            }
        });
    }
}
