//! The collections, and what their documents say.

use mongodb::{
    Collection, Database, IndexModel,
    bson::{DateTime, Document, RawDocumentBuf, doc, oid::ObjectId as Id},
    error::Result,
    options::IndexOptions,
};
use serde::{Deserialize, Serialize};
use wrt_blobstore::ObjectName;

/// Of a chunk, as GridFS has it by default.
pub(super) const CHUNK_BYTES: usize = 255 * 1024;

/// Any id: arrays that hold one are found by it in an index.
pub(super) fn any_id() -> Document {
    doc! { "$gte": Id::from_bytes([0; 12]) }
}

/// Where objects are.
#[derive(Clone)]
pub(crate) struct Layout {
    pub(super) containers: Collection<Container>,
    pub(super) names: Collection<Entry>,
    pub(super) files: Collection<Document>,
    pub(super) chunks: Collection<RawDocumentBuf>,
}

/// A container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Container {
    #[serde(rename = "_id")]
    pub(super) id: Id,
    /// What its objects' entries are found by; another one once it was emptied.
    pub(super) contents: Id,
    pub(super) created_at: DateTime,
    /// What it held when it was emptied, until it is removed.
    #[serde(default)]
    pub(super) emptied: Vec<Id>,
    /// It is not there any more: it has no name, but for its id.
    #[serde(default)]
    pub(super) removed: bool,
}

/// An object, or what is left of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) contents: Id,
    pub(super) name: String,
    /// Where it is in listings: any number, the same for as long as it is there.
    pub(super) number: i64,
    /// Its bytes; without, there is no such object.
    pub(super) bytes: Option<Id>,
    #[serde(default)]
    pub(super) length: i64,
    #[serde(default)]
    pub(super) chunk_bytes: i64,
    pub(super) created_at: Option<DateTime>,
    /// Bytes that are being stored for it.
    #[serde(default)]
    pub(super) writing: Vec<Id>,
    /// Bytes that it had, or was to have.
    #[serde(default)]
    pub(super) old: Vec<Id>,
    /// It goes, with the container that it was in: it gets no bytes any more.
    #[serde(default)]
    pub(super) removed: bool,
}

/// What the id of an entry begins with, which has all of a container's together.
pub(super) fn entry_id(contents: Id, object: &ObjectName) -> String {
    format!("{}/{}", contents.to_hex(), object.as_str())
}

impl Layout {
    pub(crate) fn new(database: &Database, bucket: &str) -> Self {
        Self {
            containers: database.collection(&format!("{bucket}.containers")),
            names: database.collection(&format!("{bucket}.names")),
            files: database.collection(&format!("{bucket}.files")),
            chunks: database.collection(&format!("{bucket}.chunks")),
        }
    }

    /// Makes them, where they are not there: no command looks at all documents.
    pub(crate) async fn make_indices(&self) -> Result<()> {
        let index = |keys| IndexModel::builder().keys(keys).build();
        let unique = |keys| {
            let options = IndexOptions::builder().unique(true).build();
            IndexModel::builder().keys(keys).options(options).build()
        };
        let containers = [
            unique(doc! { "name": 1 }),
            index(doc! { "removed": 1 }),
            index(doc! { "emptied": 1 }),
        ];
        self.containers.create_indexes(containers).await?;
        let names = [
            index(doc! { "contents": 1, "number": 1 }),
            index(doc! { "writing": 1 }),
            index(doc! { "old": 1 }),
        ];
        self.names.create_indexes(names).await?;
        // These two are GridFS's own.
        let files = index(doc! { "filename": 1, "uploadDate": 1 });
        self.files.create_index(files).await?;
        let chunks = unique(doc! { "files_id": 1, "n": 1 });
        self.chunks.create_index(chunks).await?;
        Ok(())
    }
}
