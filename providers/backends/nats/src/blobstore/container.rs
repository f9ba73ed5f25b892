//! Containers on the server.

use async_nats::jetstream::{
    ErrorCode,
    context::{CreateStreamErrorKind, DeleteStreamErrorKind, GetStreamErrorKind},
    stream::{Config, DiscardPolicy, Stream},
};
use futures::{StreamExt as _, TryStreamExt as _};
use wrt_blobstore::{BlobstoreError, ContainerName, Limit};
use wrt_contract::CallContext;

use crate::{
    Nats,
    attempt::{DUPLICATE_WINDOW, Failure, attempts},
    keyvalue::bucket_name,
    refusal::has_no_room,
};

/// A container that is there. None is remembered: any may be removed by others at any time, and what would be
/// done to it then must be told.
pub(super) struct Opened {
    pub(super) name: ContainerName,
    pub(super) stream: Stream,
    /// As it is in subjects.
    pub(super) bucket: String,
    /// Whether any copy may answer a read. Only where there is one: another may be behind.
    pub(super) reads_direct: bool,
}

type Attempt<T> = Result<T, Failure<BlobstoreError>>;

impl Nats {
    /// A container that is there.
    pub(super) async fn container(
        &self,
        context: &CallContext,
        name: &ContainerName,
    ) -> Result<Opened, BlobstoreError> {
        let find = |_earlier| self.find_container(name);
        let found = attempts(context, self.client(), find).await?;
        let opened = found.ok_or_else(|| BlobstoreError::NoSuchContainer(name.clone()))?;
        self.containers().seen(self, name);
        Ok(opened)
    }

    async fn find_container(&self, name: &ContainerName) -> Attempt<Option<Opened>> {
        let bucket = bucket_name(&self.config().bucket_prefix, name.as_str());
        match self.jetstream().get_stream(stream_name(&bucket)).await {
            Ok(stream) => Ok(Some(opened(name, bucket, stream))),
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

    pub(super) async fn make_container(
        &self,
        context: &CallContext,
        name: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        attempts(context, self.client(), |_earlier| async {
            if self.find_container(name).await?.is_some() {
                return Ok(());
            }
            self.check_room_for(name).await?;
            let made = self.jetstream().create_stream(self.settings_of(name)).await;
            let Err(error) = made else {
                return Ok(());
            };
            Err(match error.kind() {
                // Made meanwhile: the next attempt finds it.
                CreateStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NAME_EXIST =>
                {
                    Failure::NotDone(error.to_string())
                }
                CreateStreamErrorKind::JetStream(error) if has_no_room(&error) => {
                    Failure::Final(BlobstoreError::full(format!("nats: {error}")))
                }
                CreateStreamErrorKind::JetStream(error) => {
                    Failure::Final(BlobstoreError::other(format!("nats: {error}")))
                }
                _ => Failure::Unknown(error.to_string()),
            })
        })
        .await
    }

    pub(super) async fn remove_container(
        &self,
        context: &CallContext,
        name: &ContainerName,
    ) -> Result<(), BlobstoreError> {
        let bucket = bucket_name(&self.config().bucket_prefix, name.as_str());
        let stream = stream_name(&bucket);
        attempts(context, self.client(), |_earlier| async {
            let removed = self.jetstream().delete_stream(&stream).await;
            let Err(error) = removed else {
                return Ok(());
            };
            match error.kind() {
                DeleteStreamErrorKind::JetStream(refusal)
                    if refusal.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(())
                }
                DeleteStreamErrorKind::JetStream(refusal) => {
                    Err(Failure::NotDone(refusal.to_string()))
                }
                _ => Err(Failure::Unknown(error.to_string())),
            }
        })
        .await
    }

    /// Refuses one container more than may exist. Several that are made at once may be a few too many.
    async fn check_room_for(&self, name: &ContainerName) -> Attempt<()> {
        let prefix = &self.config().bucket_prefix;
        let (start, own) = (
            stream_name(prefix),
            stream_name(&bucket_name(prefix, name.as_str())),
        );
        // Another prefix that goes on from this one has containers of its own.
        let is_container = |stream: &String| {
            let bucket = stream.strip_prefix(&start);
            bucket.is_some_and(|bucket| !bucket.contains("_-")) && *stream != own
        };
        let streams = self.jetstream().stream_names();
        let count = streams
            .try_filter(|stream| std::future::ready(is_container(stream)))
            .boxed()
            .try_fold(0, |count, _stream| std::future::ready(Ok(count + 1)));
        let count: u64 = count.await.map_err(|error| Failure::not_done(&error))?;
        let max = self.config().buckets_max as u64;
        Limit::Containers
            .check(count + 1, max)
            .map_err(Failure::Final)
    }

    /// As NATS's own tools make an object store, but that ids of messages are remembered for seconds.
    fn settings_of(&self, name: &ContainerName) -> Config {
        let settings = self.config();
        let bucket = bucket_name(&settings.bucket_prefix, name.as_str());
        Config {
            name: stream_name(&bucket),
            description: Some(format!("wasi:blobstore container {name:?}")),
            subjects: vec![format!("$O.{bucket}.C.>"), format!("$O.{bucket}.M.>")],
            max_messages: -1,
            max_bytes: -1,
            max_message_size: -1,
            max_consumers: -1,
            storage: settings.storage.into(),
            num_replicas: settings.replicas,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            allow_direct: true,
            duplicate_window: DUPLICATE_WINDOW,
            ..Config::default()
        }
    }
}

fn stream_name(bucket: &str) -> String {
    format!("OBJ_{bucket}")
}

fn opened(name: &ContainerName, bucket: String, stream: Stream) -> Opened {
    let config = &stream.cached_info().config;
    Opened {
        reads_direct: config.allow_direct && config.num_replicas == 1,
        name: name.clone(),
        stream,
        bucket,
    }
}

impl Opened {
    /// The subject of bytes.
    pub(super) fn chunks(&self, id: &str) -> String {
        format!("$O.{}.C.{id}", self.bucket)
    }

    /// What all subjects of objects begin with.
    pub(super) fn objects(&self) -> String {
        format!("$O.{}.M.", self.bucket)
    }
}
