//! Bytes on their way out.

use std::{collections::VecDeque, time::Duration};

use bytes::{Buf as _, Bytes};
use futures::stream::{self, FuturesOrdered};
use futures::{StreamExt as _, TryStreamExt as _};
use mongodb::bson::{RawDocumentBuf, doc, oid::ObjectId as Id};
use tokio_util::task::AbortOnDropHandle;
use wrt_blobstore::{BlobstoreError, ByteRange, ObjectId};
use wrt_contract::{Body, BodyFrame, CallContext};

use super::names::Found;
use crate::MongoDb;

/// How long a server that is away is waited for in the middle of an object.
const BATCH_WAIT_MAX: Duration = Duration::from_secs(10);

/// Chunks that one command asks for, and commands at a time: a reader holds no more of an object.
const BATCH_CHUNKS: u64 = 4;
const BATCHES_AT_ONCE: usize = 2;

/// An object that is read, as fast as its reader takes it.
struct Reading {
    mongodb: MongoDb,
    object: ObjectId,
    found: Found,
    asked: FuturesOrdered<AbortOnDropHandle<Result<Vec<Bytes>, BlobstoreError>>>,
    /// The chunk that is asked for next, and the one behind the last.
    chunk: u64,
    end_chunk: u64,
    /// What came, and was not taken yet.
    here: VecDeque<Bytes>,
    /// What is not wanted of the next bytes.
    skip: usize,
    /// What is wanted behind that.
    left: u64,
}

impl MongoDb {
    /// A part of an object. Each batch is a command of its own: none waits at the server for a slow reader,
    /// and a server that was restarted meanwhile goes on where it was.
    pub(super) fn read_object(
        &self,
        object: &ObjectId,
        found: &Found,
        range: ByteRange,
    ) -> Body<BlobstoreError> {
        let range = range.of_size(found.size_bytes);
        let left = range.end - range.start;
        let reading = Reading {
            mongodb: self.clone(),
            object: object.clone(),
            found: *found,
            asked: FuturesOrdered::new(),
            chunk: range.start / found.chunk_bytes,
            end_chunk: range.end.div_ceil(found.chunk_bytes),
            here: VecDeque::new(),
            skip: usize::try_from(range.start % found.chunk_bytes).unwrap_or(usize::MAX),
            left,
        };
        let pieces = stream::try_unfold(reading, |mut reading| async {
            let piece = reading.next().await?;
            Ok(piece.map(|piece| (BodyFrame::Data(piece), reading)))
        });
        Body::new(Some(left), pieces)
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, BlobstoreError> {
        while self.left > 0 {
            let Some(mut piece) = self.here.pop_front() else {
                let batch = self.batch().await?;
                self.here.extend(batch);
                continue;
            };
            let passed = self.skip.min(piece.len());
            piece.advance(passed);
            self.skip -= passed;
            piece.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            if piece.is_empty() {
                continue;
            }
            self.left -= piece.len() as u64;
            return Ok(Some(piece));
        }
        Ok(None)
    }

    async fn batch(&mut self) -> Result<Vec<Bytes>, BlobstoreError> {
        while self.asked.len() < BATCHES_AT_ONCE && self.chunk < self.end_chunk {
            let end = self.end_chunk.min(self.chunk + BATCH_CHUNKS);
            let (mongodb, object) = (self.mongodb.clone(), self.object.clone());
            let batch = mongodb.batch(object, self.found, self.chunk..end);
            // It comes while what is here is taken.
            let batch = AbortOnDropHandle::new(tokio::spawn(batch));
            self.asked.push_back(batch);
            self.chunk = end;
        }
        match self.asked.next().await {
            Some(Ok(batch)) => batch,
            Some(Err(panicked)) => Err(BlobstoreError::other(format!("mongodb: {panicked}"))),
            None => Err(BlobstoreError::Gone(self.object.clone())),
        }
    }
}

impl MongoDb {
    /// Some chunks of an object, each of them there and as long as it must be.
    async fn batch(
        self,
        object: ObjectId,
        found: Found,
        wanted: std::ops::Range<u64>,
    ) -> Result<Vec<Bytes>, BlobstoreError> {
        // The call has been answered: what follows has a time of its own.
        let context = CallContext::with_budget(BATCH_WAIT_MAX);
        let numbers = wanted.clone().map(i64::try_from);
        let numbers: Result<Vec<_>, _> = numbers.collect();
        let gone = || BlobstoreError::Gone(object.clone());
        let numbers = numbers.map_err(|_too_large| gone())?;
        let (first, last) = (numbers.first().copied(), numbers.last().copied());
        let filter = doc! { "files_id": found.bytes, "n": { "$gte": first, "$lte": last } };
        let chunks = self.layout().chunks.clone();
        let read = async move {
            let found = chunks
                .find(filter)
                .sort(doc! { "n": 1 })
                .limit(BATCH_CHUNKS as i64);
            found.await?.try_collect::<Vec<_>>().await
        };
        let chunks = self.run(&context, read).await?;
        let pieces = wanted.clone().zip(&chunks).map(|(number, chunk)| {
            let length = (found.size_bytes - number * found.chunk_bytes).min(found.chunk_bytes);
            data(chunk, found.bytes, number).filter(|data| data.len() as u64 == length)
        });
        let pieces: Option<Vec<_>> = pieces.collect();
        let is_all = chunks.len() == numbers.len();
        pieces.filter(|_| is_all).ok_or_else(gone)
    }
}

/// What a chunk holds, if it is the one.
fn data(chunk: &RawDocumentBuf, bytes: Id, number: u64) -> Option<Bytes> {
    let told = chunk.get("n").ok()??;
    let told = told
        .as_i32()
        .map_or_else(|| told.as_i64(), |n| Some(n.into()))?;
    let is_right =
        chunk.get_object_id("files_id").ok()? == bytes && u64::try_from(told) == Ok(number);
    let data = chunk.get_binary("data").ok()?;
    is_right.then(|| Bytes::copy_from_slice(data.bytes))
}
