//! The message that names an object's bytes, from which on the object is there.
//!
//! It may lie on its way for longer than anybody waits for it, and meanwhile another node may take the bytes
//! for nobody's. So the server is told to store it only while the last of them is there.

use async_nats::{
    HeaderMap,
    header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID, NATS_ROLLUP},
    jetstream::{context::PublishErrorKind, message::PublishMessage, object_store},
};
use bytes::Bytes;
use wrt_blobstore::{BlobstoreError, ObjectId};
use wrt_contract::CallContext;

use super::{
    container::Opened,
    kept_for,
    objects::encoded,
    refused::{not_executed, not_stored},
};
use crate::{
    Nats,
    attempt::{Failure, attempts},
};

/// The name of the note that says where the last chunk lies in the stream.
pub(super) const LAST_CHUNK_NOTE: &str = "wrt-last-chunk";

/// Whose last message has the sequence number that is expected. Servers know it from 2.11 on.
const EXPECTED_LAST_OF: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
const KNOWN_FROM: (u32, u32) = (2, 11);

impl Nats {
    /// Says what an object is, in place of whatever was said before.
    pub(super) async fn put_object(
        &self,
        context: &CallContext,
        container: &Opened,
        object: &ObjectId,
        mut info: object_store::ObjectInfo,
    ) -> Result<(), BlobstoreError> {
        info.name = object.object.as_str().to_owned();
        info.bucket.clone_from(&container.bucket);
        let json =
            serde_json::to_vec(&info).map_err(|error| BlobstoreError::other(error.to_string()))?;
        let (subject, json) = (
            container.objects() + &encoded(&object.object),
            Bytes::from(json),
        );
        let headers = self.naming_headers(container, &info);
        // Later its bytes may have been collected: nobody has named them so far.
        let context = &context.narrowed(kept_for(self) / 4);
        attempts(context, self.client(), |_earlier| async {
            let message = PublishMessage::build()
                .payload(json.clone())
                .headers(headers.clone());
            let sent = self
                .jetstream()
                .send_publish(subject.clone(), message)
                .await;
            let stored = async { sent?.await };
            stored.await.map(drop).map_err(|error| match error.kind() {
                PublishErrorKind::WrongLastSequence => {
                    let detail = "its bytes were collected before they had a name";
                    Failure::Final(not_executed(detail))
                }
                _ => not_stored(&error),
            })
        })
        .await?;
        self.containers().touched(self, &container.name);
        Ok(())
    }

    /// However often it is sent, it is stored once; for seconds. Not at all, where its bytes are gone.
    fn naming_headers(&self, container: &Opened, info: &object_store::ObjectInfo) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, self.client().new_inbox());
        headers.insert(NATS_ROLLUP, "sub");
        let last = info.metadata.get(LAST_CHUNK_NOTE);
        let last = last.and_then(|last| last.parse::<u64>().ok());
        if let Some(last) = last
            && is_at_least(KNOWN_FROM, &self.client().server_info().version)
        {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, last.to_string());
            headers.insert(EXPECTED_LAST_OF, container.chunks(&info.nuid));
        }
        headers
    }
}

/// Whether a server says that it is of that version, or of a later one.
fn is_at_least(least: (u32, u32), version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map(|number| number.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= least,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_would_read_it_otherwise_is_not_told() {
        for (version, expected) in [
            ("2.11.0", true),
            ("2.15.1-RC.2", true),
            ("3.0.0", true),
            ("2.10.29", false),
            ("", false),
            ("2", false),
            ("99999999999.99999999999.1", false),
        ] {
            assert_eq!(is_at_least(KNOWN_FROM, version), expected, "{version}");
        }
    }
}
