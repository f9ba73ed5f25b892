//! Bytes on their way out of a container.

use std::time::Duration;

use async_nats::jetstream::{
    message::StreamMessage,
    object_store,
    stream::{DirectGetErrorKind, LastRawMessageErrorKind, Stream},
};
use bytes::{Buf as _, Bytes};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream, stream::FuturesOrdered};
use wrt_blobstore::{BlobstoreError, ByteRange, ObjectId};
use wrt_contract::{Body, BodyFrame, CallContext};

use super::{
    chunk_index::{self, ChunkIndex},
    container::Opened,
    writing::NUMBER,
};
use crate::{
    Nats,
    attempt::{Failure, attempts},
};

/// How long a server that is away is waited for in the middle of an object.
const CHUNK_WAIT_MAX: Duration = Duration::from_secs(10);

/// Chunks that are asked for at once, where it is noted where they lie: a reader holds no more of an object.
const ASKED_AT_ONCE: usize = 4;

/// Where chunks of an object are read.
#[derive(Clone)]
struct Place {
    nats: Nats,
    stream: Stream,
    reads_direct: bool,
    object: ObjectId,
    subject: String,
}

/// An object that is read, as fast as its reader takes it.
struct Reading {
    place: Place,
    index: ChunkIndex,
    asked: FuturesOrdered<BoxFuture<'static, Result<StreamMessage, BlobstoreError>>>,
    /// The number of the chunk that comes next.
    chunk: u64,
    /// The last one that is wanted, if it is known where it ends.
    last_chunk: u64,
    /// Behind the one that came last.
    sequence: u64,
    /// What is not wanted of the next bytes.
    skip: u64,
    /// What is wanted behind that.
    left: u64,
}

impl Nats {
    /// A part of an object.
    pub(super) fn read_object(
        &self,
        container: &Opened,
        object: &ObjectId,
        info: &object_store::ObjectInfo,
        range: ByteRange,
    ) -> Result<Body<BlobstoreError>, BlobstoreError> {
        let range = range.of_size(info.size as u64);
        let left = range.end - range.start;
        let beginning = Beginning::of(info, range.start);
        let chunk_bytes = beginning.chunk_bytes;
        let reading = Reading {
            place: Place {
                nats: self.clone(),
                stream: container.stream.clone(),
                reads_direct: container.reads_direct,
                object: object.clone(),
                subject: container.chunks(&info.nuid),
            },
            index: beginning.index,
            asked: FuturesOrdered::new(),
            chunk: beginning.chunk,
            last_chunk: chunk_bytes.map_or(0, |bytes| range.end.saturating_sub(1) / bytes),
            sequence: beginning.sequence,
            skip: beginning.skip,
            left,
        };
        let pieces = stream::try_unfold(reading, |mut reading| async {
            let piece = reading.next().await?;
            Ok(piece.map(|piece| (BodyFrame::Data(piece), reading)))
        });
        Ok(Body::new(Some(left), pieces))
    }
}

/// Where a part of an object begins.
struct Beginning {
    index: ChunkIndex,
    chunk_bytes: Option<u64>,
    chunk: u64,
    sequence: u64,
    skip: u64,
}

impl Beginning {
    /// Objects of other clients have no index, and are read from their beginning.
    fn of(info: &object_store::ObjectInfo, start: u64) -> Self {
        let index = info.metadata.get(chunk_index::NOTE);
        let index = index.and_then(|note| ChunkIndex::read(note));
        let options = info.options.as_ref();
        let chunk_bytes = options.and_then(|options| options.max_chunk_size);
        let chunk_bytes = chunk_bytes.map(|bytes| bytes as u64);
        let chunk_bytes = chunk_bytes.filter(|bytes| *bytes > 0 && index.is_some());
        let index = index.unwrap_or_default();
        let noted = chunk_bytes.and_then(|bytes| {
            let (chunk, sequence) = index.before(start / bytes)?;
            let skip = start.checked_sub(chunk.checked_mul(bytes)?)?;
            Some((chunk, sequence, skip))
        });
        let (chunk, sequence, skip) = noted.unwrap_or((0, 1, start));
        Self {
            index,
            chunk_bytes,
            chunk,
            sequence,
            skip,
        }
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, BlobstoreError> {
        while self.left > 0 {
            let message = self.message().await?;
            let mut piece = message.payload;
            let passed = self.skip.min(piece.len() as u64);
            piece.advance(usize::try_from(passed).unwrap_or(piece.len()));
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

    async fn message(&mut self) -> Result<StreamMessage, BlobstoreError> {
        while self.asked.len() < ASKED_AT_ONCE {
            let chunk = self.chunk + self.asked.len() as u64;
            let noted = self.index.at(chunk).filter(|_| chunk <= self.last_chunk);
            let sequence = match noted {
                Some(sequence) => sequence,
                // It lies behind the one that is still to come.
                None if self.asked.is_empty() => self.sequence,
                None => break,
            };
            self.asked
                .push_back(self.place.clone().message(sequence).boxed());
        }
        let message = self.asked.next().await;
        let message = message.unwrap_or_else(|| Err(self.place.gone()))?;
        let number = message.headers.get(NUMBER);
        if number.is_some_and(|number| number.as_str() != self.chunk.to_string()) {
            return Err(self.place.gone());
        }
        self.sequence = message.sequence + 1;
        self.chunk += 1;
        Ok(message)
    }
}

impl Place {
    fn gone(&self) -> BlobstoreError {
        BlobstoreError::Gone(self.object.clone())
    }

    /// The first chunk of the object from a place in the stream on.
    async fn message(self, sequence: u64) -> Result<StreamMessage, BlobstoreError> {
        // The call has been answered: what follows has a time of its own.
        let context = CallContext::with_budget(CHUNK_WAIT_MAX);
        let read = |_earlier| self.message_once(sequence);
        attempts(&context, self.nats.client(), read).await
    }

    async fn message_once(&self, sequence: u64) -> Result<StreamMessage, Failure<BlobstoreError>> {
        let not_done = |error: &dyn std::fmt::Display| Failure::NotDone(error.to_string());
        if self.reads_direct {
            let next = self
                .stream
                .direct_get_next_for_subject(&self.subject, Some(sequence));
            return next.await.map_err(|error| match error.kind() {
                DirectGetErrorKind::NotFound => Failure::Final(self.gone()),
                _ => not_done(&error),
            });
        }
        let next = self.stream.raw_message_builder().sequence(sequence);
        let next = next.next_by_subject(self.subject.clone()).send();
        next.await.map_err(|error| match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Failure::Final(self.gone()),
            _ => not_done(&error),
        })
    }
}
