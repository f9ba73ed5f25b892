//! An interface that does as it is told, and an actor that remembers what it did.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wrt_contract::{CallContext, Fingerprint, InterfaceError, Schema, async_trait, interface};
use wrt_protocol::{Fault, Fence, IdempotencyKey};

use super::nodes::PATIENCE;

/// What an operation does once it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum How {
    AtOnce,
    After(Duration),
    Never,
    Panic,
    /// An error of the interface's own.
    Refuse,
}

/// Counts how often it is encoded.
#[derive(Debug, Clone, Copy, Deserialize, Schema)]
pub struct Tag(pub u64);

thread_local! {
    /// Of this thread: a test has one to itself.
    static ENCODED: Cell<u64> = const { Cell::new(0) };
}

/// How many tags this test has encoded.
pub fn encoded() -> u64 {
    ENCODED.get()
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ENCODED.set(ENCODED.get() + 1);
        serializer.serialize_newtype_struct("Tag", &self.0)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Schema)]
pub enum ProbeError {
    Refused(u64),
    Fault(Fault),
}

impl From<Fault> for ProbeError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl InterfaceError for ProbeError {
    fn as_fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::Refused(_) => None,
        }
    }

    fn into_fault(self) -> Result<Fault, Self> {
        match self {
            Self::Fault(fault) => Ok(fault),
            Self::Refused(_) => Err(self),
        }
    }
}

/// Each operation answers with the name of the node that ran it, or with what it says.
#[interface(name = "test:probe", error = ProbeError)]
pub trait Probe {
    #[operation(idempotent)]
    async fn look(&self, context: &CallContext, tag: Tag, how: How) -> Result<String, ProbeError>;
    async fn act(&self, context: &CallContext, tag: Tag, how: How) -> Result<String, ProbeError>;
    #[operation(one_way)]
    async fn note(
        &self,
        context: &CallContext,
        tag: Tag,
        #[bulk] bytes: Bytes,
    ) -> Result<(), ProbeError>;
    /// Answers with what may be slow to encode.
    async fn slow_answer(&self, context: &CallContext, tag: Tag) -> Result<Slow, ProbeError>;
    /// The bytes back, as a result of its own.
    async fn mirror(
        &self,
        context: &CallContext,
        tag: Tag,
        #[bulk] bytes: Bytes,
    ) -> Result<Blob, ProbeError>;
}

/// Bytes that are encoded in one piece.
#[derive(Debug, PartialEq, Serialize, Deserialize, Schema)]
pub struct Blob(pub Bytes);

/// A result that blocks the thread that encodes it, if its tag is one that blocks.
pub struct Slow(Option<(Arc<Record>, u64)>);

impl Schema for Slow {
    const FINGERPRINT: u64 = Fingerprint::of("slow").finish();
}

impl<'de> Deserialize<'de> for Slow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer).map(|()| Self(None))
    }
}

impl Serialize for Slow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some((record, tag)) = &self.0 {
            record.block_if_told(*tag);
        }
        serializer.serialize_unit()
    }
}

/// What an actor did.
#[derive(Default)]
pub struct Record {
    blocking: Blocking,
    runs: Mutex<HashMap<u64, u32>>,
    pub noted_bytes: AtomicU64,
    /// Operations that were dropped before they ended.
    pub dropped: AtomicU64,
    /// What the next operation fails with.
    pub failure: Mutex<Option<Fault>>,
    /// Keys and numbers of the attempts that have run.
    pub attempts: Mutex<Vec<(Option<IdempotencyKey>, u32)>>,
    /// Under which leases operations have run.
    pub fences: Mutex<Vec<Option<Fence>>>,
}

/// Threads that are blocked until they are let go.
#[derive(Default)]
struct Blocking {
    /// The tags of the next operations that block.
    tags: Mutex<HashSet<u64>>,
    blocked: AtomicU64,
    let_go: Mutex<u64>,
    changed: Condvar,
}

impl Record {
    /// Lets the next operation with that tag block its thread until [`Record::let_go`].
    pub fn block_at(&self, tag: u64) {
        self.blocking.tags.lock().insert(tag);
    }

    /// Whether an operation is still to block.
    pub fn is_to_block(&self) -> bool {
        !self.blocking.tags.lock().is_empty()
    }

    fn block_if_told(&self, tag: u64) {
        let blocking = &self.blocking;
        if !blocking.tags.lock().remove(&tag) {
            return;
        }
        let mut let_go = blocking.let_go.lock();
        let before = *let_go;
        blocking.blocked.fetch_add(1, Relaxed);
        let blocked = |let_go: &mut u64| *let_go == before;
        let changed = &blocking.changed;
        changed.wait_while_for(&mut let_go, blocked, PATIENCE);
        blocking.blocked.fetch_sub(1, Relaxed);
    }

    /// Threads that are blocked now.
    pub fn blocked(&self) -> u64 {
        self.blocking.blocked.load(Relaxed)
    }

    /// Lets all go that are blocked now.
    pub fn let_go(&self) {
        *self.blocking.let_go.lock() += 1;
        self.blocking.changed.notify_all();
    }

    /// How often the operation with that tag has run.
    pub fn runs(&self, tag: u64) -> u32 {
        let runs = self.runs.lock();
        runs.get(&tag).copied().unwrap_or_default()
    }

    /// How many operations have run.
    pub fn all_runs(&self) -> u32 {
        self.runs.lock().values().sum()
    }

    pub fn saw(&self, context: &CallContext) {
        let mut attempts = self.attempts.lock();
        attempts.push((context.key(), context.attempt()));
        self.fences.lock().push(context.fence().cloned());
    }

    pub fn begin(self: &Arc<Self>, tag: u64) -> Running {
        let mut runs = self.runs.lock();
        *runs.entry(tag).or_default() += 1;
        drop(runs);
        self.block_if_told(tag);
        Running(Some(Arc::clone(self)))
    }
}

/// An operation; dropped without [`Running::end`] it counts as dropped.
pub struct Running(Option<Arc<Record>>);

impl Running {
    pub fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(record) = &self.0 {
            record.dropped.fetch_add(1, Relaxed);
        }
    }
}

pub struct Actor {
    pub node: String,
    pub record: Arc<Record>,
}

impl Actor {
    async fn run(&self, tag: Tag, how: How) -> Result<String, ProbeError> {
        let running = self.record.begin(tag.0);
        if let Some(fault) = self.record.failure.lock().take() {
            running.end();
            return Err(fault.into());
        }
        let answer = match how {
            How::AtOnce => Ok(self.node.clone()),
            How::After(wait) => {
                tokio::time::sleep(wait).await;
                Ok(self.node.clone())
            }
            How::Never => std::future::pending().await,
            How::Panic => panic!("the test asked for it"),
            How::Refuse => Err(ProbeError::Refused(tag.0)),
        };
        running.end();
        answer
    }
}

#[async_trait]
impl Probe for Actor {
    async fn look(&self, context: &CallContext, tag: Tag, how: How) -> Result<String, ProbeError> {
        self.record.saw(context);
        self.run(tag, how).await
    }

    async fn act(&self, context: &CallContext, tag: Tag, how: How) -> Result<String, ProbeError> {
        self.record.saw(context);
        self.run(tag, how).await
    }

    async fn note(&self, context: &CallContext, tag: Tag, bytes: Bytes) -> Result<(), ProbeError> {
        self.record.saw(context);
        self.record
            .noted_bytes
            .fetch_add(bytes.len() as u64, Relaxed);
        self.run(tag, How::AtOnce).await.map(drop)
    }

    async fn slow_answer(&self, _: &CallContext, tag: Tag) -> Result<Slow, ProbeError> {
        Ok(Slow(Some((Arc::clone(&self.record), tag.0))))
    }

    async fn mirror(
        &self,
        context: &CallContext,
        tag: Tag,
        bytes: Bytes,
    ) -> Result<Blob, ProbeError> {
        self.record.saw(context);
        self.run(tag, How::AtOnce).await?;
        Ok(Blob(bytes))
    }
}
