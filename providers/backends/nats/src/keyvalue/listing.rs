//! Pages of keys, in the order of their last writes.
//!
//! A bucket keeps one message for each key, and a write moves the key to the end. So a cursor is a
//! sequence number: the page after it holds the keys that were written later, and a key that is
//! written while the pages are read is listed again rather than missed. A listing ends when it has
//! caught up with the writers.

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull},
    stream::Stream,
};
use futures::StreamExt;
use wrt_contract::CallContext;
use wrt_keyvalue::{Bucket, Cursor, KeyPage, KeyValueError, limits::PAGE_KEYS_MAX};

use super::{bucket::Opened, names::decode_key, record::is_mark};
use crate::{
    Nats,
    attempt::{CONSUMER_IDLE_MAX, Failure, attempts},
};

impl Nats {
    /// The page from a sequence number on.
    pub(crate) async fn page(
        &self,
        context: &CallContext,
        bucket: &Bucket,
        cursor: Option<Cursor>,
    ) -> Result<KeyPage, KeyValueError> {
        let start = cursor.map_or(0, |cursor| cursor.0).max(1);
        attempts(context, self.client(), |_earlier| async {
            let Some(opened) = self.find(bucket).await? else {
                return Ok(KeyPage::default());
            };
            let page = page_once(&opened, start).await;
            if page.is_err() {
                self.buckets().forget(bucket);
            }
            page
        })
        .await
    }
}

async fn page_once(opened: &Opened, start: u64) -> Result<KeyPage, Failure> {
    let consumer = pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence {
            start_sequence: start,
        },
        ack_policy: AckPolicy::None,
        headers_only: true,
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: CONSUMER_IDLE_MAX,
        ..pull::Config::default()
    };
    let consumer = opened
        .stream
        .create_consumer(consumer)
        .await
        .map_err(not_done)?;
    let name = consumer.cached_info().name.clone();
    let removal = Removal {
        stream: &opened.stream,
        name: &name,
    };
    let mut messages = consumer
        .fetch()
        .max_messages(PAGE_KEYS_MAX)
        .messages()
        .await
        .map_err(not_done)?;
    let mut page = KeyPage::default();
    while let Some(message) = messages.next().await {
        let message = message.map_err(not_done)?;
        let info = message.info().map_err(not_done)?;
        page.next = (info.pending > 0).then(|| Cursor(info.stream_sequence + 1));
        if message.headers.as_ref().is_some_and(is_mark) {
            continue;
        }
        let encoded = message.subject.strip_prefix(&*opened.subject_prefix);
        page.keys.extend(encoded.and_then(decode_key));
    }
    removal.now().await;
    Ok(page)
}

/// Reading changes nothing.
fn not_done(error: impl ToString) -> Failure {
    Failure::NotDone(error.to_string())
}

/// A consumer that has done its work.
struct Removal<'a> {
    stream: &'a Stream,
    name: &'a str,
}

impl Removal<'_> {
    async fn now(self) {
        // The server removes it by itself soon.
        if let Err(error) = self.stream.delete_consumer(self.name).await {
            tracing::debug!(consumer = self.name, %error, "a consumer is left to the server");
        }
    }
}
