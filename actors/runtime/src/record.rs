//! What is known of a work from one who does it to the next.

use futures::future::BoxFuture;
use parking_lot::Mutex;

/// Bytes of what is noted of a work.
pub const NOTE_BYTES_MAX: usize = 4096;

/// A note that is kept for a work of a provider, whoever of its replicas does it: written by compare-and-set,
/// so that of two who go on from the same note one does. It outlives them, as long as the lattice keeps its
/// leases; in a process without a lattice it ends with that.
pub trait Record: Send + Sync + 'static {
    /// The note.
    ///
    /// # Errors
    /// Where nobody can say.
    fn read(&self) -> BoxFuture<'_, Result<Note, RecordError>>;

    /// Writes `text` in place of the note of that version, and answers the new version; none where another has
    /// written since. `text` MUST be one that nobody else writes: that is how a write is known again whose
    /// answer was lost.
    ///
    /// # Errors
    /// Where it is not known whether it was written.
    fn write<'a>(
        &'a self,
        text: &'a str,
        instead_of: u64,
    ) -> BoxFuture<'a, Result<Option<u64>, RecordError>>;
}

/// What is noted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// Grows with each that is written; 0 where none ever was.
    pub version: u64,
    /// None where none was written.
    pub text: Option<String>,
}

/// The note can neither be read nor written now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what is noted of the work is out of reach: {0}")]
pub struct RecordError(pub String);

/// A note of this process.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Note>);

impl Record for Kept {
    fn read(&self) -> BoxFuture<'_, Result<Note, RecordError>> {
        Box::pin(async { Ok(self.0.lock().clone()) })
    }

    fn write<'a>(
        &'a self,
        text: &'a str,
        instead_of: u64,
    ) -> BoxFuture<'a, Result<Option<u64>, RecordError>> {
        Box::pin(async move {
            let mut note = self.0.lock();
            if note.version != instead_of {
                return Ok(None);
            }
            note.version += 1;
            note.text = Some(text.to_owned());
            Ok(Some(note.version))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_two_who_go_on_from_one_note_one_does() {
        let record = Kept::default();
        assert_eq!(record.read().await, Ok(Note::default()));
        assert_eq!(record.write("one", 0).await, Ok(Some(1)));
        assert_eq!(record.write("two", 0).await, Ok(None));
        let text = record.read().await.map(|note| note.text);
        assert_eq!(text, Ok(Some("one".to_owned())));
        assert_eq!(record.write("two", 1).await, Ok(Some(2)));
    }
}
