//! Components on their way into the store, by the SHA-256 of their content.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use wrt_protocol::Name;

use super::{
    Revision, Store, StoreError,
    attempt::{AttemptError, attempts},
    claims::{Claim, Claims, Evidence},
    objects::{Object, Objects},
    reading::{Reading, StoredAt},
    streams,
};
use crate::{
    DesiredApp, Digest,
    limits::{
        COMPONENT_BYTES_MAX, COMPONENT_CHUNK_BYTES_MAX, MESSAGE_HEAD_BYTES_MAX,
        STORE_CALL_WAIT_MAX, STORE_CHUNK_WAIT_MAX, STORE_TRANSFER_WAIT_MAX,
    },
};

/// How often somebody else may get in between looking at a component and noting something beside it.
const NOTE_ATTEMPTS_MAX: usize = 8;

/// What a push did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The store has it now.
    New,
    /// The store had it already.
    AlreadyThere,
}

impl Store {
    /// Stores a component under its digest, unless it is there, for an app that will name it. Nobody
    /// collects it for a while; [`Store::claim`] is for afterwards.
    ///
    /// # Errors
    /// When JetStream fails, or has no room after what nobody names was collected.
    pub async fn push(&self, app: &Name, bytes: &Bytes) -> Result<(Digest, Pushed), StoreError> {
        let digest = Digest::of(bytes);
        if bytes.len() > COMPONENT_BYTES_MAX {
            let bytes = bytes.len();
            return Err(StoreError::ComponentTooLarge { digest, bytes });
        }
        let objects = match self.copies {
            Some(copies) => streams::components_made(&self.bulk, &self.lattice, copies).await?,
            None => self.objects().await?.ok_or_else(|| self.absent())?,
        };
        let reading = self.reading().await?;
        let note = Note {
            app,
            claim: Claim {
                bucket: reading.bucket,
                revision: reading.last,
                is_named: false,
            },
            reading: &reading,
        };
        let pushed = match self.note(&objects, digest, bytes, &note).await {
            Err(StoreError::Full { .. }) => {
                self.make_room().await?;
                self.note(&objects, digest, bytes, &note).await
            }
            pushed => pushed,
        };
        Ok((digest, pushed?))
    }

    /// Notes that a stored app names its components, and stores again what of them is not there any
    /// more: somebody may have collected it meanwhile, since nothing named it.
    ///
    /// # Errors
    /// When JetStream fails.
    pub async fn claim(
        &self,
        app: &DesiredApp,
        revision: Revision,
        components: &BTreeMap<Digest, Bytes>,
    ) -> Result<(), StoreError> {
        let Some(objects) = self.objects().await? else {
            return Ok(());
        };
        let reading = self.reading().await?;
        let note = Note::that_it_names(app, revision, &reading);
        for (digest, bytes) in components {
            match self.note(&objects, *digest, bytes, &note).await {
                // It is there, with the claim that it was pushed under.
                Err(StoreError::Full { .. }) if objects.look(*digest).await?.is_some() => {}
                noted => drop(noted?),
            }
        }
        Ok(())
    }

    /// Notes that a stored app names its components, which are in the store.
    ///
    /// # Errors
    /// [`StoreError::NoComponent`] where one is not, and when JetStream fails.
    pub async fn claim_stored(
        &self,
        app: &DesiredApp,
        revision: Revision,
    ) -> Result<(), StoreError> {
        let reading = self.reading().await?;
        let note = Note::that_it_names(app, revision, &reading);
        let objects = self.objects().await?.ok_or_else(|| self.absent())?;
        for digest in app.code().collect::<BTreeSet<_>>() {
            for _ in 0..NOTE_ATTEMPTS_MAX {
                let found = objects.look(digest).await?;
                let object = found.ok_or(StoreError::NoComponent { digest })?;
                if note_beside(&objects, &object, &note).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn objects(&self) -> Result<Option<Objects>, StoreError> {
        streams::components(&self.bulk, &self.lattice).await
    }

    /// Notes a claim beside a component, and stores it where it is not there, or not whole.
    async fn note(
        &self,
        objects: &Objects,
        digest: Digest,
        bytes: &Bytes,
        note: &Note<'_>,
    ) -> Result<Pushed, StoreError> {
        for _ in 0..NOTE_ATTEMPTS_MAX {
            let found = objects.look(digest).await?;
            let noted = match &found {
                Some(object) if objects.is_whole(object, bytes.len()).await? => {
                    let noted = note_beside(objects, object, note).await?;
                    noted.then_some(Pushed::AlreadyThere)
                }
                replaced => {
                    let put = self.put_component(objects, digest, bytes, replaced.as_ref(), note);
                    put.await?.then_some(Pushed::New)
                }
            };
            if let Some(pushed) = noted {
                return Ok(pushed);
            }
        }
        Err(StoreError::Failed {
            what: format!("note whose component {digest} is"),
            source: "others have changed it again and again".into(),
        })
    }

    /// Stores a component; answers whether nobody else has meanwhile.
    async fn put_component(
        &self,
        objects: &Objects,
        digest: Digest,
        bytes: &Bytes,
        replaced: Option<&Object>,
        note: &Note<'_>,
    ) -> Result<bool, StoreError> {
        let what = format!("store component {digest}");
        // Each chunk is a message, and a server may take smaller ones than usual.
        let room = self.client.server_info().max_payload;
        let room = room.saturating_sub(MESSAGE_HEAD_BYTES_MAX).max(1);
        let chunk_bytes = room.min(COMPONENT_CHUNK_BYTES_MAX);
        let notes = note.beside(&HashMap::new(), StoredAt::default());
        let put = || async {
            let id = format!("{:032x}", rand::random::<u128>());
            let chunks = bytes.len().div_ceil(chunk_bytes);
            let sizes = (bytes.len(), chunks, chunk_bytes);
            let info = objects.info_of(digest, &id, sizes, notes.clone());
            let put = async {
                for start in (0..bytes.len()).step_by(chunk_bytes) {
                    let end = bytes.len().min(start + chunk_bytes);
                    let chunk = objects.put_chunk(&id, bytes.slice(start..end));
                    let in_time = tokio::time::timeout(STORE_CHUNK_WAIT_MAX, chunk).await;
                    in_time.map_err(AttemptError::again)??;
                }
                let sequence = replaced.map_or(0, |object| object.sequence);
                objects.put_info(&info, sequence).await
            };
            let put = put.await;
            if !matches!(put, Ok(true)) {
                // What is left of it would take room until the next collection.
                let _at_best = objects.remove_content(&objects.content(&id)).await;
            }
            put
        };
        let is_put = attempts(&what, STORE_TRANSFER_WAIT_MAX, put).await?;
        if let Some(object) = replaced.filter(|_| is_put) {
            let content = objects.content(&object.info.nuid);
            objects.remove_content(&content).await?;
        }
        Ok(is_put)
    }
}

/// What is to be noted beside components.
struct Note<'a> {
    app: &'a Name,
    claim: Claim,
    reading: &'a Reading,
}

impl<'a> Note<'a> {
    fn that_it_names(app: &'a DesiredApp, revision: Revision, reading: &'a Reading) -> Self {
        let claim = Claim {
            bucket: reading.bucket,
            revision,
            is_named: true,
        };
        Self {
            app: &app.app,
            claim,
            reading,
        }
    }

    fn beside(
        &self,
        notes: &HashMap<String, String>,
        touched_at: StoredAt,
    ) -> HashMap<String, String> {
        let released = BTreeSet::new();
        // Where a stored app cannot be read, no claim is over.
        let evidence = Evidence::of(self.reading, &released, touched_at).ok();
        let app = self.app.as_str();
        Claims::noted(notes, app, self.claim, touched_at, evidence.as_ref())
    }
}

/// Notes something beside a component; answers whether it was still as it was looked at.
async fn note_beside(
    objects: &Objects,
    object: &Object,
    note: &Note<'_>,
) -> Result<bool, StoreError> {
    let mut info = object.info.clone();
    info.metadata = note.beside(object.notes(), object.touched_at);
    let what = format!("note whose component {} is", object.digest);
    let put = || objects.put_info(&info, object.sequence);
    attempts(&what, STORE_CALL_WAIT_MAX, put).await
}
