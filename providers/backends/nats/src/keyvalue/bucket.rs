//! Buckets on the server: found, or made by the first write.

use std::{collections::HashMap, sync::Arc};

use async_nats::jetstream::{
    ErrorCode,
    context::{CreateStreamErrorKind, GetStreamErrorKind},
    stream::{Config, DiscardPolicy, Info, Stream},
};
use futures::{StreamExt, TryStreamExt};
use parking_lot::{Mutex, MutexGuard};
use wrt_keyvalue::{Bucket, KeyValueError, Limit};

use super::{
    Turns,
    names::{answers_stream_name, stream_name, subject_prefix},
};
use crate::{
    Nats,
    attempt::{DUPLICATE_WINDOW, Failure},
};

/// A bucket that exists.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) subject_prefix: String,
    /// Whether messages may have a time to live: then the mark of a deleted key goes away.
    pub(crate) marks_expire: bool,
    /// Whether any copy may answer a read. Only where there is one: another may be behind.
    pub(crate) reads_direct: bool,
}

/// The buckets that are known to exist; at most as many as may.
#[derive(Default)]
pub(crate) struct Buckets {
    opened: Mutex<HashMap<Bucket, Arc<Opened>>>,
    answers: Mutex<Option<Arc<Opened>>>,
    turns: Turns,
}

impl Buckets {
    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Bucket, Arc<Opened>>> {
        self.opened.lock()
    }

    /// The bucket of first answers, if it is known to exist.
    pub(crate) fn answers(&self) -> Option<Arc<Opened>> {
        self.answers.lock().clone()
    }

    pub(crate) fn set_answers(&self, opened: Option<Arc<Opened>>) {
        *self.answers.lock() = opened;
    }

    /// Forgets a bucket that no longer answers: somebody may have removed it.
    pub(crate) fn forget(&self, bucket: &Bucket) {
        self.lock().remove(bucket);
    }

    fn remember(&self, bucket: &Bucket, opened: Arc<Opened>, max: usize) {
        let mut known = self.lock();
        if known.len() < max {
            known.insert(bucket.clone(), opened);
        }
    }
}

impl Nats {
    /// The bucket, if it exists.
    pub(crate) async fn find(&self, bucket: &Bucket) -> Result<Option<Arc<Opened>>, Failure> {
        if let Some(opened) = self.buckets().lock().get(bucket) {
            return Ok(Some(Arc::clone(opened)));
        }
        let name = stream_name(&self.config().bucket_prefix, bucket);
        match self.jetstream().get_stream(name).await {
            Ok(stream) => Ok(Some(self.open(bucket, stream)?)),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(None)
                }
                _ => Err(Failure::not_done(&error)),
            },
        }
    }

    /// The bucket, made if need be. Of several that make it at once, all get the same one.
    pub(crate) async fn find_or_make(&self, bucket: &Bucket) -> Result<Arc<Opened>, Failure> {
        if let Some(opened) = self.find(bucket).await? {
            return Ok(opened);
        }
        self.check_room(bucket).await?;
        match self
            .jetstream()
            .create_stream(self.stream_config(bucket))
            .await
        {
            Ok(stream) => self.open(bucket, stream),
            Err(error) => match error.kind() {
                // Made meanwhile, by somebody with other settings.
                CreateStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NAME_EXIST =>
                {
                    Err(Failure::NotDone(error.to_string()))
                }
                CreateStreamErrorKind::JetStream(error) => {
                    Err(Failure::Final(KeyValueError::other(error.to_string())))
                }
                _ => Err(Failure::Unknown(error.to_string())),
            },
        }
    }

    fn open(&self, bucket: &Bucket, stream: Stream) -> Result<Arc<Opened>, Failure> {
        let Info { config, .. } = stream.cached_info();
        if config.max_messages_per_subject != 1 {
            let text = format!("the bucket {bucket:?} keeps a history, which listings cannot skip");
            return Err(Failure::Final(KeyValueError::other(text)));
        }
        let opened = Arc::new(Opened {
            marks_expire: config.allow_message_ttl,
            reads_direct: config.allow_direct && config.num_replicas == 1,
            subject_prefix: subject_prefix(&self.config().bucket_prefix, bucket),
            stream,
        });
        self.buckets()
            .remember(bucket, Arc::clone(&opened), self.config().buckets_max);
        Ok(opened)
    }

    /// Refuses one bucket more than may exist. Several that are made at once may be a few too many; one
    /// that an attempt before this has made after all is none more.
    async fn check_room(&self, bucket: &Bucket) -> Result<(), Failure> {
        let start = format!("KV_{}", self.config().bucket_prefix);
        let answers = answers_stream_name(&self.config().bucket_prefix);
        let names = self.jetstream().stream_names();
        let own = stream_name(&self.config().bucket_prefix, bucket);
        // Another prefix that goes on from this one has buckets of its own.
        let is_bucket = |name: &String| {
            let bucket = name.strip_prefix(&start);
            bucket.is_some_and(|bucket| !bucket.contains("_-")) && *name != answers && *name != own
        };
        let count = names
            .try_filter(|name| std::future::ready(is_bucket(name)))
            .boxed()
            .try_fold(0, |count, _name| std::future::ready(Ok(count + 1)));
        let count: usize = count.await.map_err(|error| Failure::not_done(&error))?;
        Ok(Limit::Buckets.check(count + 1, self.config().buckets_max)?)
    }

    /// The settings of a bucket as NATS's own tools make it, but for the ids of messages: these are
    /// remembered for seconds, not minutes, since each takes memory on the server.
    fn stream_config(&self, bucket: &Bucket) -> Config {
        let settings = self.config();
        Config {
            name: stream_name(&settings.bucket_prefix, bucket),
            description: Some(format!("wasi:keyvalue bucket {bucket:?}")),
            subjects: vec![subject_prefix(&settings.bucket_prefix, bucket) + ">"],
            max_messages_per_subject: 1,
            max_messages: -1,
            max_bytes: -1,
            max_message_size: -1,
            max_consumers: -1,
            storage: settings.storage.into(),
            num_replicas: settings.replicas,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            allow_message_ttl: self.client().is_server_compatible(2, 11, 0),
            duplicate_window: DUPLICATE_WINDOW,
            ..Config::default()
        }
    }
}
