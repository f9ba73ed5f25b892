//! Code from the lattice's store: fetched once for a digest, by way of the disk.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    sync::Arc,
};

use bytes::Bytes;
use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
};
use wrt_component::{
    CacheFolder, CompiledComponent, ComponentDigest, ComponentError, Engines, PartialFile,
};
use wrt_deployment::{Digest, Store};

use super::{
    CodeError, MadeReady,
    cache::{CodeCache, component_file},
    flights::{Flights, SharedError},
};

/// Components that are fetched at once: one more would only share the link with them.
const FETCHES_MAX: usize = 2;

/// Components that are kept ready without running. The cache's own bound is one of bytes.
const READY_MAX: usize = 1024;

/// Code from the lattice's store, once that is open. What was fetched is kept, so that a node that starts
/// while JetStream is away has what it had.
pub struct FetchedCode(Arc<Inner>);

struct Inner {
    store: watch::Receiver<Option<Store>>,
    cache: Arc<CodeCache>,
    flights: Arc<Flights>,
    fetches: Semaphore,
    /// What was made ready, and lies in the cache since.
    ready: Mutex<BTreeSet<Digest>>,
}

impl FetchedCode {
    /// Code from `store`, kept in `cache`.
    #[must_use]
    pub fn new(store: watch::Receiver<Option<Store>>, cache: Arc<CodeCache>) -> Self {
        Self(Arc::new(Inner {
            store,
            flights: Arc::clone(cache.flights()),
            cache,
            fetches: Semaphore::new(FETCHES_MAX),
            ready: Mutex::default(),
        }))
    }

    /// Fetches and compiles into the cache, unless that was done before; nothing of it stays in memory.
    pub(super) async fn make_ready(
        &self,
        engines: &Engines,
        digest: Digest,
    ) -> Result<MadeReady, CodeError> {
        {
            let ready = self.0.ready.lock();
            if ready.contains(&digest) {
                return Ok(MadeReady::Before);
            }
            if ready.len() >= READY_MAX || !self.0.cache.keeps_code() {
                return Ok(MadeReady::NotKept);
            }
        }
        drop(self.compiled(engines, digest).await?);
        self.0.ready.lock().insert(digest);
        Ok(MadeReady::Now)
    }

    pub(super) fn ready_count(&self) -> usize {
        self.0.ready.lock().len()
    }

    pub(super) async fn compiled(
        &self,
        engines: &Engines,
        digest: Digest,
    ) -> Result<CompiledComponent, CodeError> {
        let start = || {
            let (inner, engines) = (Arc::clone(&self.0), engines.clone());
            async move { inner.brought(&engines, digest).await }.boxed()
        };
        self.0.flights.get(digest, start).await
    }
}

impl Inner {
    async fn brought(
        &self,
        engines: &Engines,
        digest: Digest,
    ) -> Result<CompiledComponent, CodeError> {
        let Some(folder) = self.cache.components() else {
            return self.in_memory(engines, digest).await;
        };
        let name = component_file(digest);
        let of_file = || engines.compile_file(folder.path(&name), ComponentDigest(*digest.bytes()));
        match of_file().await {
            Err(ComponentError::Another { path }) => {
                tracing::warn!(path = %path.display(), "a kept component is damaged: it is fetched");
            }
            Err(ComponentError::Unread { source, .. })
                if source.kind() == io::ErrorKind::NotFound => {}
            Err(error @ ComponentError::Unread { .. }) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a kept component is not read: it is fetched");
            }
            compiled => {
                folder.touch(&name);
                return compiled.map_err(refused);
            }
        }
        match self.to_disk(folder, digest).await {
            Ok(()) => {}
            Err(NotKept::Store(error)) => return Err(error),
            // A disk that is full must not keep the node from what it is for.
            Err(NotKept::Disk(error)) => {
                let path = folder.path(&name);
                tracing::warn!(%error, path = %path.display(), "a component is not kept");
                return self.in_memory(engines, digest).await;
            }
        }
        match of_file().await {
            // Somebody has removed it at once, or the disk has lost it.
            Err(ComponentError::Unread { .. } | ComponentError::Another { .. }) => {
                self.in_memory(engines, digest).await
            }
            compiled => compiled.map_err(refused),
        }
    }

    /// Fetches a component to the disk, and checks on the way that it is the one.
    async fn to_disk(&self, folder: &CacheFolder, digest: Digest) -> Result<(), NotKept> {
        let _one_of_few = self.fetch_permit().await;
        let mut download = self.download(digest).await?;
        let (cache, bytes) = (Arc::clone(&self.cache), download.missing() as u64);
        blocking(move || cache.make_room(bytes)).await?;
        let (folder, name) = (folder.clone(), component_file(digest));
        let mut file = blocking(move || folder.begin(&name)).await?;
        while let Some(chunk) = download.next().await.map_err(away)? {
            file = blocking(move || written(file, &chunk)).await?;
        }
        blocking(move || file.keep()).await?;
        tracing::info!(%digest, "fetched");
        Ok(())
    }

    /// Without a disk its memory is held until it is compiled, and so the permit is.
    async fn in_memory(
        &self,
        engines: &Engines,
        digest: Digest,
    ) -> Result<CompiledComponent, CodeError> {
        let _one_of_few = self.fetch_permit().await;
        let mut download = self.download(digest).await?;
        let mut bytes = Vec::with_capacity(download.missing());
        while let Some(chunk) = download.next().await.map_err(away)? {
            bytes.extend_from_slice(&chunk);
        }
        tracing::info!(%digest, "fetched");
        engines.compile(bytes.into()).await.map_err(refused)
    }

    async fn fetch_permit(&self) -> tokio::sync::SemaphorePermit<'_> {
        let permit = self.fetches.acquire().await;
        permit.expect("the semaphore is never closed")
    }

    async fn download(&self, digest: Digest) -> Result<wrt_deployment::Download, CodeError> {
        let open = self.store.borrow().clone();
        let Some(open) = open else {
            return Err(away("the lattice's store (JetStream) is not open yet"));
        };
        open.download(digest).await.map_err(away)
    }
}

/// Why a component did not get to the disk.
enum NotKept {
    Store(CodeError),
    Disk(io::Error),
}

impl From<CodeError> for NotKept {
    fn from(error: CodeError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for NotKept {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

fn written(mut file: PartialFile, chunk: &Bytes) -> io::Result<PartialFile> {
    file.write_all(chunk)?;
    Ok(file)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
}

fn away(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CodeError {
    CodeError::Away(SharedError::new(error))
}

fn refused(error: ComponentError) -> CodeError {
    CodeError::Refused(SharedError::new(error))
}
