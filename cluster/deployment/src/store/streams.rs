//! The three streams behind the store: opened as they are, and made where they are missing.
//!
//! What an operator has set on a stream (a description, sizes, copies, compression) is theirs, and is
//! neither compared nor changed.

use async_nats::jetstream::{Context, ErrorCode, kv, object_store, stream::Stream};
use wrt_protocol::LatticeName;

use super::{
    attempt::{AttemptError, attempts, error_code},
    objects::Objects,
};
use crate::{
    StoreError,
    limits::{DESIRED_BYTES_MAX, STORE_CALL_WAIT_MAX},
};

/// Revisions of an app that the bucket keeps.
const HISTORY: i64 = 8;

/// The bucket of desired apps, if it is there.
pub(super) async fn apps(
    context: &Context,
    lattice: &LatticeName,
) -> Result<Option<kv::Store>, StoreError> {
    let (bucket, stream) = apps_names(lattice);
    let what = format!("open the desired state (stream {stream})");
    attempts(&what, STORE_CALL_WAIT_MAX, || open_bucket(context, &bucket)).await
}

/// The same, made if need be. Two that make it at once get the same.
pub(super) async fn apps_made(
    context: &Context,
    lattice: &LatticeName,
    copies: usize,
) -> Result<kv::Store, StoreError> {
    let (bucket, stream) = apps_names(lattice);
    let (bucket, what) = (&bucket, format!("make the desired state (stream {stream})"));
    attempts(&what, STORE_CALL_WAIT_MAX, || async move {
        if let Some(found) = open_bucket(context, bucket).await? {
            return Ok(found);
        }
        let config = kv::Config {
            bucket: bucket.clone(),
            description: format!("what shall run on the lattice {lattice}"),
            history: HISTORY,
            max_value_size: i32::try_from(DESIRED_BYTES_MAX).unwrap_or(i32::MAX),
            num_replicas: copies,
            ..Default::default()
        };
        // Made meanwhile by somebody with other settings, it is found at the next attempt.
        let made = context.create_key_value(config).await;
        made.map_err(AttemptError::again)
    })
    .await
}

/// The bucket of leases, if it is there.
pub(super) async fn leases(
    context: &Context,
    lattice: &LatticeName,
) -> Result<Option<kv::Store>, StoreError> {
    let (bucket, stream) = leases_names(lattice);
    let what = format!("open the leases (stream {stream})");
    attempts(&what, STORE_CALL_WAIT_MAX, || open_bucket(context, &bucket)).await
}

/// The same, made if need be.
pub(super) async fn leases_made(
    context: &Context,
    lattice: &LatticeName,
    copies: usize,
) -> Result<kv::Store, StoreError> {
    let (bucket, stream) = leases_names(lattice);
    let (bucket, what) = (&bucket, format!("make the leases (stream {stream})"));
    attempts(&what, STORE_CALL_WAIT_MAX, || async move {
        if let Some(found) = open_bucket(context, bucket).await? {
            return Ok(found);
        }
        let config = kv::Config {
            bucket: bucket.clone(),
            description: format!(
                "who alone does what must be done by one on the lattice {lattice}"
            ),
            history: 1,
            num_replicas: copies,
            ..Default::default()
        };
        let made = context.create_key_value(config).await;
        made.map_err(AttemptError::again)
    })
    .await
}

pub(super) fn leases_names(lattice: &LatticeName) -> (String, String) {
    let bucket = format!("wrt-{lattice}-leases");
    let stream = format!("KV_{bucket}");
    (bucket, stream)
}

async fn open_bucket(context: &Context, bucket: &str) -> Result<Option<kv::Store>, AttemptError> {
    let stream = format!("KV_{bucket}");
    let Some(found) = find(context, &stream).await? else {
        return Ok(None);
    };
    let history = found.cached_info().config.max_messages_per_subject;
    if history < 1 {
        return Err(AttemptError::Final(StoreError::Misfit {
            stream,
            reason: "it has no limit on the messages of a subject, and so is no bucket: set \
                     max_msgs_per_subject to 1 or more",
        }));
    }
    let opened = context.get_key_value(bucket).await;
    opened.map(Some).map_err(AttemptError::again)
}

pub(super) fn apps_names(lattice: &LatticeName) -> (String, String) {
    let bucket = format!("wrt-{lattice}-desired");
    let stream = format!("KV_{bucket}");
    (bucket, stream)
}

/// The object store of components, if it is there.
pub(super) async fn components(
    context: &Context,
    lattice: &LatticeName,
) -> Result<Option<Objects>, StoreError> {
    let (bucket, stream) = components_names(lattice);
    let (bucket, what) = (
        &bucket,
        format!("open the object store of components (stream {stream})"),
    );
    let stream = &stream;
    attempts(&what, STORE_CALL_WAIT_MAX, || async move {
        open_components(context, bucket, stream).await
    })
    .await
}

/// The same, made if need be.
pub(super) async fn components_made(
    context: &Context,
    lattice: &LatticeName,
    copies: usize,
) -> Result<Objects, StoreError> {
    let (bucket, stream) = components_names(lattice);
    let (bucket, what) = (
        &bucket,
        format!("make the object store of components (stream {stream})"),
    );
    let stream = &stream;
    attempts(&what, STORE_CALL_WAIT_MAX, || async move {
        if let Some(found) = open_components(context, bucket, stream).await? {
            return Ok(found);
        }
        let config = object_store::Config {
            bucket: bucket.clone(),
            description: Some(format!("components of the lattice {lattice}, by SHA-256")),
            num_replicas: copies,
            ..Default::default()
        };
        let made = context.create_object_store(config).await;
        made.map_err(AttemptError::again)?;
        let found = open_components(context, bucket, stream).await?;
        found.ok_or_else(|| AttemptError::again(std::io::Error::other("it is gone again")))
    })
    .await
}

async fn open_components(
    context: &Context,
    bucket: &str,
    stream: &str,
) -> Result<Option<Objects>, AttemptError> {
    let stream = find(context, stream).await?;
    Ok(stream.map(|stream| Objects {
        context: context.clone(),
        stream,
        bucket: bucket.to_owned(),
    }))
}

pub(super) fn components_names(lattice: &LatticeName) -> (String, String) {
    let bucket = format!("wrt-{lattice}-components");
    let stream = format!("OBJ_{bucket}");
    (bucket, stream)
}

async fn find(context: &Context, stream: &str) -> Result<Option<Stream>, AttemptError> {
    match context.get_stream(stream).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error_code(&error) == Some(ErrorCode::STREAM_NOT_FOUND) => Ok(None),
        Err(error) => Err(AttemptError::again(error)),
    }
}
