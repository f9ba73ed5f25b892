//! Containers of its own for a case, short words for operations that must succeed, and bytes of which each
//! is known.

use std::{
    ops::Range,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use wrt_conformance::unique_name;
use wrt_contract::{Body, BodyFrame, CallContext};

use crate::{
    Blobstore, BlobstoreError, ByteRange, ContainerName, Cursor, ObjectId, ObjectName,
    limits::CONTAINER_BYTES_MAX,
};

/// Pages after which a listing counts as endless.
const PAGES_MAX: usize = 1000;

/// A prime, so that no power of two on the way of a body can lose or repeat a piece unnoticed.
const PATTERN: u64 = 251;

/// Also none: pieces fit neither chunks nor messages.
const PIECE_BYTES: u64 = 50_021;

/// What a case works with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Fixture {
    pub(super) store: Arc<dyn Blobstore>,
    pub(super) container: ContainerName,
}

/// A call with the default budget.
pub(super) fn context() -> CallContext {
    CallContext::default()
}

pub(super) fn object_name(name: &str) -> ObjectName {
    ObjectName::new(name).expect("a case names legal objects")
}

/// A body whose byte at `i` is `i % 251`, in pieces, without a length: as a guest writes it.
pub(super) fn pattern(size_bytes: u64) -> Body<BlobstoreError> {
    let starts = (0..size_bytes).step_by(PIECE_BYTES as usize);
    let pieces = starts.map(move |start| {
        let end = size_bytes.min(start + PIECE_BYTES);
        Ok(BodyFrame::Data(bytes_at(start..end)))
    });
    Body::new(None, stream::iter(pieces))
}

/// The pattern's bytes in a range.
pub(super) fn bytes_at(range: Range<u64>) -> Bytes {
    static PATTERNS: LazyLock<Bytes> =
        LazyLock::new(|| (0..PATTERN as u8).cycle().take(1 << 19).collect());
    let start = (range.start % PATTERN) as usize;
    let length = (range.end - range.start) as usize;
    if start + length <= PATTERNS.len() {
        return PATTERNS.slice(start..start + length);
    }
    range.map(|at| (at % PATTERN) as u8).collect()
}

/// Reads a body that must be the pattern's in `range`, and holds no more of it than a piece.
pub(super) async fn compare(mut body: Body<BlobstoreError>, range: Range<u64>) {
    let mut at = range.start;
    while let Some(frame) = body.next().await {
        let frame =
            frame.unwrap_or_else(|error| panic!("after {} bytes: {error}", at - range.start));
        if let BodyFrame::Data(bytes) = frame {
            let end = at + bytes.len() as u64;
            assert!(bytes == bytes_at(at..end), "other bytes from {at} to {end}");
            at = end;
        }
    }
    assert_eq!(at, range.end, "the body ended there");
}

impl Fixture {
    pub(super) fn new(case: &str, store: Arc<dyn Blobstore>) -> Self {
        let name = unique_name(case, 40);
        let container = ContainerName::new(&name).expect("40 bytes are a legal name");
        Self { store, container }
    }

    /// The same store, and a container whose name goes on with `suffix`.
    pub(super) fn beside(&self, suffix: &str) -> Self {
        let name = format!("{}{suffix}", self.container.as_str());
        assert!(name.len() <= CONTAINER_BYTES_MAX, "{name}");
        Self {
            store: Arc::clone(&self.store),
            container: ContainerName::new(&name).expect("a case names legal containers"),
        }
    }

    pub(super) async fn make(&self) {
        let made = self
            .store
            .create_container(&context(), &self.container)
            .await;
        made.unwrap_or_else(|error| panic!("make {:?}: {error}", self.container));
    }

    pub(super) async fn remove(&self) {
        let removed = self
            .store
            .delete_container(&context(), &self.container)
            .await;
        removed.unwrap_or_else(|error| panic!("remove {:?}: {error}", self.container));
    }

    pub(super) async fn exists(&self) -> bool {
        match self.store.container_info(&context(), &self.container).await {
            Ok(_) => true,
            Err(BlobstoreError::NoSuchContainer(name)) if name == self.container => false,
            Err(error) => panic!("info of {:?}: {error}", self.container),
        }
    }

    pub(super) fn object(&self, name: &str) -> ObjectId {
        ObjectId {
            container: self.container.clone(),
            object: object_name(name),
        }
    }

    pub(super) async fn try_write(
        &self,
        name: &str,
        body: Body<BlobstoreError>,
    ) -> Result<(), BlobstoreError> {
        let object = self.object(name);
        self.store.write_data(&context(), &object, body).await
    }

    pub(super) async fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let body = Body::whole(Bytes::copy_from_slice(bytes.as_ref()));
        let written = self.try_write(name, body).await;
        written.unwrap_or_else(|error| panic!("write {name:?}: {error}"));
    }

    pub(super) async fn open(
        &self,
        name: &str,
        range: ByteRange,
    ) -> Result<Body<BlobstoreError>, BlobstoreError> {
        let object = self.object(name);
        self.store.get_data(&context(), &object, range).await
    }

    pub(super) async fn read(&self, name: &str) -> Bytes {
        let body = self.open(name, ByteRange::WHOLE).await;
        let body = body.unwrap_or_else(|error| panic!("read {name:?}: {error}"));
        let read = body.collect(64 * 1024 * 1024).await;
        read.unwrap_or_else(|error| panic!("read {name:?}: {error}"))
    }

    /// How long an object is; none where it is not there.
    pub(super) async fn size(&self, name: &str) -> Option<u64> {
        let object = self.object(name);
        match self.store.object_info(&context(), &object).await {
            Ok(info) => Some(info.size_bytes),
            Err(BlobstoreError::NoSuchObject(missing)) if missing == object => None,
            Err(error) => panic!("info of {name:?}: {error}"),
        }
    }

    pub(super) async fn delete(&self, names: &[&str]) {
        let names: Vec<_> = names.iter().map(|name| object_name(name)).collect();
        let deleted = self
            .store
            .delete_objects(&context(), &self.container, &names)
            .await;
        deleted.unwrap_or_else(|error| panic!("delete {names:?}: {error}"));
    }

    pub(super) async fn clear(&self) {
        let cleared = self.store.clear(&context(), &self.container).await;
        cleared.unwrap_or_else(|error| panic!("clear: {error}"));
    }

    /// All names, sorted.
    pub(super) async fn list(&self) -> Vec<String> {
        let (mut names, mut cursor) = (Vec::new(), None);
        for _page in 0..PAGES_MAX {
            cursor = self.page(cursor, &mut names).await;
            if cursor.is_none() {
                names.sort_unstable();
                return names;
            }
        }
        panic!("the listing does not end");
    }

    pub(super) async fn page(
        &self,
        cursor: Option<Cursor>,
        names: &mut Vec<String>,
    ) -> Option<Cursor> {
        let page = self
            .store
            .list_objects(&context(), &self.container, cursor)
            .await;
        let page = page.unwrap_or_else(|error| panic!("list from {cursor:?}: {error}"));
        names.extend(page.objects.iter().map(|name| name.as_str().to_owned()));
        page.next
    }
}
