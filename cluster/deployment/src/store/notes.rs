//! Notes beside the leases: what one who does a work leaves to the next.

use async_nats::jetstream::kv::Operation;
use bytes::Bytes;
use tokio::time::timeout;

use super::{
    Revision,
    leases::{ANSWER_WITHIN, Leases},
};

/// A note, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredNote {
    /// None where nothing was ever stored.
    pub revision: Option<Revision>,
    /// None as well where somebody has removed it.
    pub text: Option<String>,
}

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteWritten {
    /// It is stored.
    As(Revision),
    /// Another one has written since.
    TooLate,
    /// It may be stored or not.
    NobodySays,
}

impl Leases {
    /// The note under `key`; none where nobody says.
    pub async fn note(&self, key: &str) -> Option<StoredNote> {
        let entry = timeout(ANSWER_WITHIN, self.0.entry(note_of(key)));
        let Some(entry) = entry.await.ok()?.ok()? else {
            return Some(StoredNote::default());
        };
        let is_there = entry.operation == Operation::Put;
        let text = || String::from_utf8_lossy(&entry.value).into_owned();
        Some(StoredNote {
            revision: Some(Revision(entry.revision)),
            text: is_there.then(text),
        })
    }

    /// Writes the note under `key` in place of the one of that revision. `text` is nobody else's: so a write
    /// whose answer was lost is known by it.
    pub async fn write_note(
        &self,
        key: &str,
        text: &str,
        instead_of: Option<Revision>,
    ) -> NoteWritten {
        let (note, bytes) = (note_of(key), Bytes::from(text.to_owned()));
        let written = async {
            match instead_of {
                Some(Revision(revision)) => self.0.update(note, bytes, revision).await.ok(),
                None => self.0.create(note, bytes).await.ok(),
            }
        };
        if let Ok(Some(revision)) = timeout(ANSWER_WITHIN, written).await {
            return NoteWritten::As(Revision(revision));
        }
        match self.note(key).await {
            Some(StoredNote {
                revision: Some(revision),
                text: Some(stored),
            }) if stored == text => NoteWritten::As(revision),
            Some(stored) if stored.revision != instead_of => NoteWritten::TooLate,
            // It may still be on its way.
            _ => NoteWritten::NobodySays,
        }
    }
}

/// No lease has such a name: those begin with the kind of an actor.
fn note_of(key: &str) -> String {
    format!("note.{key}")
}
