//! From a guest's handles to the trait, with errors that are not words yet.

use std::{collections::VecDeque, sync::Arc};

use wasmtime::component::Resource;
use wrt_contract::CallContext;
use wrt_host::InstanceState;

use super::{
    error::HostError, incoming::IncomingValue, listing::Listing, outgoing::OutgoingValue, types,
};
use crate::{
    Blobstore, BlobstoreError, BlobstoreInterface, ByteRange, ContainerName, Limit, ObjectId,
    ObjectName,
    limits::{BATCH_NAMES_MAX, HANDLES_MAX},
};

/// A container that a guest holds: a link, and a name.
#[derive(Clone)]
pub struct ContainerHandle {
    store: Arc<dyn Blobstore>,
    pub(super) name: ContainerName,
}

impl ContainerHandle {
    fn named(state: &InstanceState, name: &str) -> Result<Self, BlobstoreError> {
        let store = state.link::<BlobstoreInterface>(name);
        Ok(Self {
            store: store.ok_or(BlobstoreError::NotLinked)?,
            name: ContainerName::new(name)?,
        })
    }

    fn object(&self, name: &str) -> Result<ObjectId, BlobstoreError> {
        Ok(ObjectId {
            container: self.name.clone(),
            object: ObjectName::new(name)?,
        })
    }
}

/// How an object gets elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    Copy,
    Move,
}

/// A call on a container. It owns what it needs: the instance's state cannot be borrowed while the call is
/// on its way.
fn call(
    state: &mut InstanceState,
    container: &Resource<ContainerHandle>,
) -> Result<(CallContext, ContainerHandle), HostError> {
    let container = state.table().get(container)?.clone();
    Ok((state.context().clone(), container))
}

/// Gives the guest a value or a listing, if it does not hold too many.
pub(super) fn hold<T: Send + 'static>(
    state: &mut InstanceState,
    held: T,
) -> Result<Resource<T>, HostError> {
    let others = state.table().iter_mut().filter(|entry| {
        entry.is::<OutgoingValue>() || entry.is::<IncomingValue>() || entry.is::<Listing>()
    });
    Limit::Handles.check(others.count() as u64 + 1, HANDLES_MAX as u64)?;
    Ok(state.table().push(held)?)
}

pub(super) async fn create(
    state: &mut InstanceState,
    name: &str,
) -> Result<Resource<ContainerHandle>, HostError> {
    let container = ContainerHandle::named(state, name)?;
    let context = state.context().clone();
    let created = container.store.create_container(&context, &container.name);
    created.await?;
    Ok(state.table().push(container)?)
}

pub(super) async fn get(
    state: &mut InstanceState,
    name: &str,
) -> Result<Resource<ContainerHandle>, HostError> {
    let container = ContainerHandle::named(state, name)?;
    let context = state.context().clone();
    let found = container.store.container_info(&context, &container.name);
    found.await?;
    Ok(state.table().push(container)?)
}

pub(super) async fn exists(state: &mut InstanceState, name: &str) -> Result<bool, HostError> {
    let container = ContainerHandle::named(state, name)?;
    let context = state.context().clone();
    let found = container.store.container_info(&context, &container.name);
    match found.await {
        Ok(_) => Ok(true),
        Err(BlobstoreError::NoSuchContainer(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn delete_container(
    state: &mut InstanceState,
    name: &str,
) -> Result<(), HostError> {
    let container = ContainerHandle::named(state, name)?;
    let context = state.context().clone();
    let deleted = container.store.delete_container(&context, &container.name);
    Ok(deleted.await?)
}

pub(super) async fn info(
    state: &mut InstanceState,
    container: &Resource<ContainerHandle>,
) -> Result<types::ContainerMetadata, HostError> {
    let (context, container) = call(state, container)?;
    let info = container.store.container_info(&context, &container.name);
    Ok(types::ContainerMetadata {
        created_at: info.await?.created_at.0,
        name: container.name.as_str().to_owned(),
    })
}

pub(super) async fn object_info(
    state: &mut InstanceState,
    container: &Resource<ContainerHandle>,
    name: &str,
) -> Result<types::ObjectMetadata, HostError> {
    let (context, container) = call(state, container)?;
    let object = container.object(name)?;
    let info = container.store.object_info(&context, &object).await?;
    Ok(types::ObjectMetadata {
        name: name.to_owned(),
        container: container.name.as_str().to_owned(),
        created_at: info.created_at.0,
        size: info.size_bytes,
    })
}

pub(super) async fn read(
    state: &mut InstanceState,
    container: &Resource<ContainerHandle>,
    name: &str,
    (start, end): (u64, u64),
) -> Result<Resource<IncomingValue>, HostError> {
    let (context, container) = call(state, container)?;
    let range = ByteRange::new(start, end)?;
    let object = container.object(name)?;
    let body = container.store.get_data(&context, &object, range).await?;
    hold(state, IncomingValue::of(body)?)
}

/// The provider begins to take what is written; how it ends is told when the value is finished.
pub(super) fn write(
    state: &mut InstanceState,
    container: &Resource<ContainerHandle>,
    name: &str,
    value: &Resource<OutgoingValue>,
) -> Result<(), HostError> {
    let (context, container) = call(state, container)?;
    let object = container.object(name)?;
    let value = state.table().get_mut(value)?;
    Ok(value.write_to(context, container.store, object)?)
}

/// The first page comes at once: a container that is not there is told here.
pub(super) async fn list(
    state: &mut InstanceState,
    container: &Resource<ContainerHandle>,
) -> Result<Resource<Listing>, HostError> {
    let (context, container) = call(state, container)?;
    let page = container
        .store
        .list_objects(&context, &container.name, None)
        .await?;
    let listing = Listing {
        store: container.store,
        container: container.name,
        names: VecDeque::from(page.objects),
        next: page.next,
    };
    hold(state, listing)
}

pub(super) async fn delete(
    state: &mut InstanceState,
    container: &Resource<ContainerHandle>,
    names: &[String],
) -> Result<(), HostError> {
    let (context, container) = call(state, container)?;
    let names = names.iter().map(|name| ObjectName::new(name));
    let names: Vec<_> = names.collect::<Result<_, _>>()?;
    // Also of nothing, so that a container that is not there is told.
    let mut rest = names.as_slice();
    loop {
        let (now, later) = rest.split_at(rest.len().min(BATCH_NAMES_MAX));
        let deleted = container
            .store
            .delete_objects(&context, &container.name, now);
        deleted.await?;
        if later.is_empty() {
            return Ok(());
        }
        rest = later;
    }
}

pub(super) async fn clear(
    state: &mut InstanceState,
    container: &Resource<ContainerHandle>,
) -> Result<(), HostError> {
    let (context, container) = call(state, container)?;
    Ok(container.store.clear(&context, &container.name).await?)
}

pub(super) async fn transfer(
    state: &mut InstanceState,
    source: types::ObjectId,
    target: types::ObjectId,
    how: Transfer,
) -> Result<(), HostError> {
    let from = ContainerHandle::named(state, &source.container)?;
    let to = ContainerHandle::named(state, &target.container)?;
    let (source, target) = (from.object(&source.object)?, to.object(&target.object)?);
    let (from, to) = (from.store, to.store);
    let context = &state.context().clone();
    if Arc::ptr_eq(&from, &to) {
        let done = match how {
            Transfer::Copy => from.copy_object(context, &source, &target).await,
            Transfer::Move => from.move_object(context, &source, &target).await,
        };
        return done.map_err(HostError::Told);
    }
    // Of two providers neither knows the other.
    let body = from.get_data(context, &source, ByteRange::WHOLE).await?;
    to.write_data(context, &target, body).await?;
    if how == Transfer::Move {
        let moved = std::slice::from_ref(&source.object);
        from.delete_objects(context, &source.container, moved)
            .await?;
    }
    Ok(())
}
