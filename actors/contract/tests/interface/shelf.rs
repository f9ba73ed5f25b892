//! The interface of the test, its providers, and a caller without a bus.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize, Serializer};
use wrt_contract::{
    Answer, CallContext, Caller, Dispatch, DispatchRequest, InterfaceError, Invocation, Schema,
    async_trait,
};
use wrt_protocol::{ActorAddress, Fault, FaultKind, Hop, IdempotencyKey, Name};

/// Things under keys. The names of some arguments are those that the macro itself might use.
#[wrt_contract::interface(name = "test:shelf", error = ShelfError)]
pub trait Shelf {
    /// What is under `key`.
    #[operation(idempotent)]
    async fn get(&self, context: &CallContext, key: &str) -> Result<Option<Bytes>, ShelfError>;

    /// Puts `local` under `key`.
    #[operation(idempotent)]
    async fn put(
        &self,
        context: &CallContext,
        key: &str,
        #[bulk] local: Bytes,
    ) -> Result<(), ShelfError>;

    /// Puts each value under its key.
    #[operation(idempotent)]
    async fn put_many(
        &self,
        context: &CallContext,
        request: &[(String, Bytes)],
    ) -> Result<(), ShelfError>;

    /// Adds to the number under `answer`.
    async fn add(&self, call: &CallContext, answer: &str, context: i64) -> Result<i64, ShelfError>;

    /// The keys after `error`.
    #[operation(idempotent)]
    async fn list_keys(
        &self,
        context: &CallContext,
        error: Option<&str>,
        order: &Order,
    ) -> Result<Vec<String>, ShelfError>;

    /// How many there are.
    #[operation(idempotent, name = "size")]
    async fn size(&self, context: &CallContext) -> Result<u64, ShelfError>;

    /// Says something to whoever hears it.
    #[operation(one_way)]
    async fn shout(
        &self,
        context: &CallContext,
        arguments: &str,
        invocation: &str,
    ) -> Result<(), ShelfError>;

    /// Weighs two things together.
    #[operation(keyed)]
    async fn weigh(
        &self,
        context: &CallContext,
        one: Fragile,
        other: &Fragile,
    ) -> Result<u64, ShelfError>;
}

/// The order of a list.
#[derive(Debug, Serialize, Deserialize, Schema)]
pub struct Order {
    /// The greatest first.
    pub descending: bool,
}

thread_local! {
    /// How often a [`Fragile`] has been serialised on this thread: each test has one of its own.
    static SERIALISED: Cell<u64> = const { Cell::new(0) };
}

/// How often this test has serialised a [`Fragile`].
pub fn serialised() -> u64 {
    SERIALISED.get()
}

/// A value that tells when it is serialised.
#[derive(Debug, Clone, Deserialize, Schema)]
pub struct Fragile(pub u64);

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SERIALISED.set(SERIALISED.get() + 1);
        serializer.serialize_newtype_struct("Fragile", &self.0)
    }
}

/// The error of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum ShelfError {
    /// There is something else under the key.
    NotANumber {
        /// The key.
        key: String,
    },
    /// The lattice's.
    Fault(Fault),
}

impl From<Fault> for ShelfError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl InterfaceError for ShelfError {
    fn as_fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::NotANumber { .. } => None,
        }
    }

    fn into_fault(self) -> Result<Fault, Self> {
        match self {
            Self::Fault(fault) => Ok(fault),
            own @ Self::NotANumber { .. } => Err(own),
        }
    }
}

/// What [`MemoryShelf`] answers for the key `fault`.
pub fn backend_gone() -> Fault {
    Fault::maybe_executed(FaultKind::Unavailable, Hop::Backend, "connection reset")
}

/// A shelf in memory, which can be told to fail.
#[derive(Default)]
pub struct MemoryShelf {
    pub served: AtomicU64,
    entries: Mutex<BTreeMap<String, Bytes>>,
    heard: Mutex<Vec<String>>,
    failure: Mutex<Option<Fault>>,
    keys_seen: Mutex<Vec<Option<IdempotencyKey>>>,
}

impl MemoryShelf {
    /// Ends each operation with `fault` from now on.
    pub fn fail_with(&self, fault: Option<Fault>) {
        *lock(&self.failure) = fault;
    }

    /// What is on it.
    pub fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        lock(&self.entries)
    }

    /// What was shouted.
    pub fn heard(&self) -> Vec<String> {
        lock(&self.heard).clone()
    }

    /// The idempotency keys of the weighings so far.
    pub fn keys_seen(&self) -> Vec<Option<IdempotencyKey>> {
        lock(&self.keys_seen).clone()
    }

    /// The keys in order.
    pub fn keys(&self) -> Vec<String> {
        lock(&self.entries).keys().cloned().collect()
    }

    fn serve(&self) -> Result<(), ShelfError> {
        self.served.fetch_add(1, Relaxed);
        match &*lock(&self.failure) {
            Some(fault) => Err(fault.clone().into()),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Shelf for MemoryShelf {
    async fn get(&self, _: &CallContext, key: &str) -> Result<Option<Bytes>, ShelfError> {
        self.serve()?;
        if key == "fault" {
            return Err(backend_gone().into());
        }
        Ok(lock(&self.entries).get(key).cloned())
    }

    async fn put(&self, _: &CallContext, key: &str, value: Bytes) -> Result<(), ShelfError> {
        self.serve()?;
        lock(&self.entries).insert(key.to_owned(), value);
        Ok(())
    }

    async fn put_many(&self, _: &CallContext, pairs: &[(String, Bytes)]) -> Result<(), ShelfError> {
        self.serve()?;
        lock(&self.entries).extend(pairs.iter().cloned());
        Ok(())
    }

    async fn add(&self, _: &CallContext, key: &str, delta: i64) -> Result<i64, ShelfError> {
        self.serve()?;
        let mut entries = lock(&self.entries);
        let old = match entries.get(key) {
            None => 0,
            Some(text) => std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse::<i64>().ok())
                .ok_or_else(|| ShelfError::NotANumber {
                    key: key.to_owned(),
                })?,
        };
        entries.insert(key.to_owned(), (old + delta).to_string().into());
        Ok(old + delta)
    }

    async fn list_keys(
        &self,
        _: &CallContext,
        after: Option<&str>,
        order: &Order,
    ) -> Result<Vec<String>, ShelfError> {
        self.serve()?;
        let mut keys = self.keys();
        keys.retain(|key| after.is_none_or(|after| key.as_str() > after));
        if order.descending {
            keys.reverse();
        }
        Ok(keys)
    }

    async fn size(&self, _: &CallContext) -> Result<u64, ShelfError> {
        self.serve()?;
        Ok(lock(&self.entries).len() as u64)
    }

    async fn shout(&self, _: &CallContext, one: &str, two: &str) -> Result<(), ShelfError> {
        self.serve()?;
        lock(&self.heard).push(format!("{one} {two}"));
        Ok(())
    }

    async fn weigh(
        &self,
        context: &CallContext,
        one: Fragile,
        other: &Fragile,
    ) -> Result<u64, ShelfError> {
        lock(&self.keys_seen).push(context.key());
        self.serve()?;
        Ok(one.0 + other.0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

/// The address of the shelf.
pub fn target() -> ActorAddress {
    let name = |text| Name::new(text).expect("a legal name");
    ActorAddress::provider(name("app"), name("shelf"))
}

/// A way out that leads straight to a way in.
pub struct Loop {
    pub calls: AtomicU64,
    dispatcher: Arc<dyn Dispatch>,
    failure: Mutex<Option<Fault>>,
    last: Mutex<String>,
    failed_before: Mutex<Option<Fault>>,
}

impl Loop {
    /// Leads to `dispatcher`.
    pub fn to(dispatcher: Arc<dyn Dispatch>) -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicU64::new(0),
            dispatcher,
            failure: Mutex::default(),
            last: Mutex::default(),
            failed_before: Mutex::default(),
        })
    }

    /// Ends each call with `fault` from now on.
    pub fn fail_with(&self, fault: Option<Fault>) {
        *lock(&self.failure) = fault;
    }

    /// What the last invocation said of itself.
    pub fn last(&self) -> String {
        lock(&self.last).clone()
    }

    /// How the operation of the last invocation had failed on its node before.
    pub fn failed_before(&self) -> Option<Fault> {
        lock(&self.failed_before).clone()
    }
}

impl Caller for Loop {
    fn call<'a>(
        &'a self,
        context: &'a CallContext,
        invocation: Invocation,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        self.calls.fetch_add(1, Relaxed);
        let Invocation {
            target,
            interface,
            operation,
            ..
        } = &invocation;
        let idempotent = if invocation.idempotent {
            " idempotent"
        } else {
            ""
        };
        let one_way = if invocation.one_way { " one-way" } else { "" };
        *lock(&self.last) = format!("{target} {interface} {operation}{idempotent}{one_way}");
        *lock(&self.failed_before) = context.failed_here().cloned();
        if let Some(fault) = &*lock(&self.failure) {
            return Box::pin(std::future::ready(Err(fault.clone())));
        }
        let request = DispatchRequest {
            operation: invocation.operation,
            arguments: invocation.arguments,
            bulk: invocation.bulk,
            body: invocation.body,
        };
        let answer = self.dispatcher.dispatch(context, request);
        if invocation.one_way {
            // As on the bus: what it answers is nobody's business.
            return Box::pin(async move { answer.await.map(|_| Answer::default()) });
        }
        answer
    }
}

/// A shelf whose operations never end.
pub struct Stalled;

macro_rules! stalled {
    ($($operation:ident($($argument:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Shelf for Stalled {
            $(async fn $operation(&self, _: &CallContext, $(_: $argument),*) -> Result<$answer, ShelfError> {
                std::future::pending().await
            })*
        }
    };
}

stalled! {
    get(&str) -> Option<Bytes>;
    put(&str, Bytes) -> ();
    put_many(&[(String, Bytes)]) -> ();
    add(&str, i64) -> i64;
    list_keys(Option<&str>, &Order) -> Vec<String>;
    size() -> u64;
    shout(&str, &str) -> ();
    weigh(Fragile, &Fragile) -> u64;
}
