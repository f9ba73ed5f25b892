//! The bucket of first answers: one message for each, under its idempotency key.

use std::{fmt::Display, sync::Arc, time::Duration};

use async_nats::{
    HeaderMap,
    jetstream::{
        ErrorCode,
        context::{CreateStreamErrorKind, GetStreamErrorKind},
        stream::{Config, DiscardPolicy, Info, Stream},
    },
};
use bytes::Bytes;
use wrt_contract::CallContext;
use wrt_keyvalue::{FirstAnswer, Key, KeyValueError};
use wrt_protocol::IdempotencyKey;

use super::{
    bucket::Opened,
    names::{answers_stream_name, answers_subject_prefix},
    record::{Record, last_message},
};
use crate::{
    Nats,
    attempt::{DUPLICATE_WINDOW, Failure, attempts},
    refusal::has_no_leader,
};

/// Answers that are kept at a time; one more makes its operation fail with
/// [`KeyValueError::Full`]. Some 150 bytes each.
const ANSWERS_MAX: i64 = 1_000_000;

impl Nats {
    /// The first answer under the call's key, if somebody has kept it.
    pub(super) async fn find_answer(
        &self,
        context: &CallContext,
    ) -> Result<Option<FirstAnswer>, KeyValueError> {
        let Some(key) = context.key() else {
            return Ok(None);
        };
        let name = &name(key);
        attempts(context, self.client(), |_earlier| async move {
            let opened = self.answers().await?;
            let message = last_message(&opened, name).await;
            self.forget_answers_unless_there(&message);
            let Some(message) = message? else {
                return Ok(None);
            };
            let text = String::from_utf8_lossy(&message.payload);
            text.parse().map(Some).map_err(|_error| {
                let text = format!("nats: {text:?} is no answer");
                Failure::Final(KeyValueError::other(text))
            })
        })
        .await
    }

    /// Keeps the answer that a record carries. Again, where somebody else has: that does no harm.
    pub(super) async fn keep_answer(
        &self,
        context: &CallContext,
        record: &Record,
    ) -> Result<(), KeyValueError> {
        let Some(first) = &record.first else {
            return Ok(());
        };
        let (name, text) = (&name(first.key), &Bytes::from(first.answer.to_string()));
        attempts(context, self.client(), |_earlier| async move {
            let opened = self.answers().await?;
            let kept = self
                .publish(&opened, name, HeaderMap::new(), text.clone())
                .await;
            self.forget_answers_unless_there(&kept);
            kept.map(drop)
        })
        .await
    }

    fn forget_answers_unless_there<T>(&self, outcome: &Result<T, Failure>) {
        if let Err(Failure::NotDone(_)) = outcome {
            self.buckets().set_answers(None);
        }
    }

    /// The bucket, made if need be.
    async fn answers(&self) -> Result<Arc<Opened>, Failure> {
        if let Some(opened) = self.buckets().answers() {
            return Ok(opened);
        }
        let time = self.deduplicates_for().unwrap_or_default();
        let mut stream = self.answers_stream(time).await?;
        let forgets_after = stream.cached_info().config.max_age;
        if !forgets_after.is_zero() && forgets_after < time {
            stream = self.remember_for(stream, time).await?;
        }
        let Info { config, .. } = stream.cached_info();
        let opened = Arc::new(Opened {
            marks_expire: false,
            reads_direct: config.allow_direct && config.num_replicas == 1,
            subject_prefix: answers_subject_prefix(&self.config().bucket_prefix),
            stream,
        });
        self.buckets().set_answers(Some(Arc::clone(&opened)));
        Ok(opened)
    }

    /// Lets a bucket keep its answers for longer, as a provider needs that was told to when it was
    /// there already. For less it is never told: another provider may count on what it has.
    async fn remember_for(&self, stream: Stream, time: Duration) -> Result<Stream, Failure> {
        let Info { config, .. } = stream.cached_info();
        let longer = Config {
            max_age: time,
            ..config.clone()
        };
        let refused = |error: &dyn Display| {
            let (name, now) = (&config.name, config.max_age);
            Failure::Final(KeyValueError::other(format!(
                "the bucket {name} forgets answers after {now:?}, and cannot be changed: {error}"
            )))
        };
        match self.jetstream().update_stream(longer).await {
            Ok(_info) => {}
            Err(error) => {
                return Err(match error.kind() {
                    CreateStreamErrorKind::JetStream(error) if !has_no_leader(&error) => {
                        refused(&error)
                    }
                    _ => Failure::not_done(&error),
                });
            }
        }
        let changed = self.jetstream().get_stream(&config.name).await;
        changed.map_err(|error| Failure::not_done(&error))
    }

    /// Whether the bucket of answers is there and keeps them for long enough, where that is wanted.
    pub(crate) async fn answers_are_kept(&self) -> Result<(), Failure> {
        match self.deduplicates_for() {
            Some(_) => self.answers().await.map(drop),
            None => Ok(()),
        }
    }

    async fn answers_stream(&self, time: Duration) -> Result<Stream, Failure> {
        let name = answers_stream_name(&self.config().bucket_prefix);
        match self.jetstream().get_stream(&name).await {
            Ok(stream) => return Ok(stream),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
                _ => return Err(Failure::not_done(&error)),
            },
        }
        let settings = self.config();
        let config = Config {
            name,
            description: Some("first answers of wasi:keyvalue operations".to_owned()),
            subjects: vec![answers_subject_prefix(&settings.bucket_prefix) + ">"],
            max_messages_per_subject: 1,
            max_messages: ANSWERS_MAX,
            max_bytes: -1,
            max_message_size: -1,
            max_consumers: -1,
            max_age: time,
            storage: settings.storage.into(),
            num_replicas: settings.replicas,
            discard: DiscardPolicy::New,
            deny_delete: true,
            allow_direct: true,
            duplicate_window: DUPLICATE_WINDOW.min(time),
            ..Config::default()
        };
        // Made meanwhile by somebody else, it is there at the next attempt.
        let made = self.jetstream().create_stream(config).await;
        made.map_err(|error| Failure::not_done(&error))
    }
}

/// An idempotency key as one of the bucket.
fn name(key: IdempotencyKey) -> Key {
    Key::new(&key.to_string()).expect("32 hexadecimal digits are a legal key")
}
