//! Host glue: the WIT over the trait.
//!
//! A container is a handle on the host; what travels is its name. As for other stores, a container whose
//! name is that of a link is served by that link, and all others by the link `default`; an object that is
//! copied from one to the other goes through the guest's node, as a stream.

mod calls;
mod error;
mod incoming;
mod listing;
mod outgoing;
#[cfg(test)]
mod tests;

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};
use wrt_host::{Host, InstanceState, Package};

use self::{
    bindings::wasi::blobstore::{blobstore, container, types},
    calls::{ContainerHandle, Transfer, hold},
    error::{HostError, told},
    incoming::IncomingValue,
    listing::Listing,
    outgoing::OutgoingValue,
};
use crate::{BlobstoreError, BlobstoreInterface};

mod bindings {
    #![allow(missing_docs, reason = "written by bindgen")]
    wasmtime::component::bindgen!({
        path: ["../../../wit/deps/io-0.2.0", "../../../wit/deps/blobstore-0.2.0-draft"],
        world: "wasi:blobstore/imports",
        imports: { default: async | trappable },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:blobstore/types.outgoing-value": crate::host::outgoing::OutgoingValue,
            "wasi:blobstore/types.incoming-value": crate::host::incoming::IncomingValue,
            "wasi:blobstore/container.container": crate::host::calls::ContainerHandle,
            "wasi:blobstore/container.stream-object-names": crate::host::listing::Listing,
        },
    });
}

/// `wasi:blobstore`.
#[derive(Debug, Clone, Copy, Default)]
pub struct WasiBlobstore;

impl Host for WasiBlobstore {
    fn describe(package: &mut Package) {
        package.imports::<BlobstoreInterface>(&[
            "wasi:blobstore/types@0.2.0-draft",
            "wasi:blobstore/container@0.2.0-draft",
            "wasi:blobstore/blobstore@0.2.0-draft",
        ]);
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        container::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        blobstore::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

impl types::Host for InstanceState {}

impl types::HostOutgoingValue for InstanceState {
    /// It knows no error, so one too many is a trap.
    async fn new_outgoing_value(&mut self) -> wasmtime::Result<Resource<OutgoingValue>> {
        hold(self, OutgoingValue::default()).map_err(HostError::into_trap)
    }

    async fn outgoing_value_write_body(
        &mut self,
        value: Resource<OutgoingValue>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let Some(stream) = self.table().get_mut(&value)?.stream() else {
            return Ok(Err(()));
        };
        Ok(Ok(self.table().push_child(stream, &value)?))
    }

    async fn finish(
        &mut self,
        value: Resource<OutgoingValue>,
    ) -> wasmtime::Result<Result<(), String>> {
        let value = self.table().delete(value)?;
        told(value.finish().await.map_err(HostError::Told))
    }

    async fn drop(&mut self, value: Resource<OutgoingValue>) -> wasmtime::Result<()> {
        self.table().delete(value)?;
        Ok(())
    }
}

impl types::HostIncomingValue for InstanceState {
    async fn incoming_value_consume_sync(
        &mut self,
        value: Resource<IncomingValue>,
    ) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let value = self.table().delete(value)?;
        told(value.collect().await.map_err(HostError::Told))
    }

    async fn incoming_value_consume_async(
        &mut self,
        value: Resource<IncomingValue>,
    ) -> wasmtime::Result<Result<Resource<DynInputStream>, String>> {
        let stream: DynInputStream = Box::new(self.table().delete(value)?.into_stream());
        Ok(Ok(self.table().push(stream)?))
    }

    async fn size(&mut self, value: Resource<IncomingValue>) -> wasmtime::Result<u64> {
        Ok(self.table().get(&value)?.size_bytes())
    }

    async fn drop(&mut self, value: Resource<IncomingValue>) -> wasmtime::Result<()> {
        self.table().delete(value)?;
        Ok(())
    }
}

impl container::Host for InstanceState {}

impl container::HostContainer for InstanceState {
    async fn name(
        &mut self,
        container: Resource<ContainerHandle>,
    ) -> wasmtime::Result<Result<String, String>> {
        Ok(Ok(self.table().get(&container)?.name.as_str().to_owned()))
    }

    async fn info(
        &mut self,
        container: Resource<ContainerHandle>,
    ) -> wasmtime::Result<Result<types::ContainerMetadata, String>> {
        told(calls::info(self, &container).await)
    }

    async fn get_data(
        &mut self,
        container: Resource<ContainerHandle>,
        name: String,
        start: u64,
        end: u64,
    ) -> wasmtime::Result<Result<Resource<IncomingValue>, String>> {
        told(calls::read(self, &container, &name, (start, end)).await)
    }

    async fn write_data(
        &mut self,
        container: Resource<ContainerHandle>,
        name: String,
        data: Resource<OutgoingValue>,
    ) -> wasmtime::Result<Result<(), String>> {
        told(calls::write(self, &container, &name, &data))
    }

    async fn list_objects(
        &mut self,
        container: Resource<ContainerHandle>,
    ) -> wasmtime::Result<Result<Resource<Listing>, String>> {
        told(calls::list(self, &container).await)
    }

    async fn delete_object(
        &mut self,
        container: Resource<ContainerHandle>,
        name: String,
    ) -> wasmtime::Result<Result<(), String>> {
        self.delete_objects(container, vec![name]).await
    }

    async fn delete_objects(
        &mut self,
        container: Resource<ContainerHandle>,
        names: Vec<String>,
    ) -> wasmtime::Result<Result<(), String>> {
        told(calls::delete(self, &container, &names).await)
    }

    async fn has_object(
        &mut self,
        container: Resource<ContainerHandle>,
        name: String,
    ) -> wasmtime::Result<Result<bool, String>> {
        told(match calls::object_info(self, &container, &name).await {
            Err(HostError::Told(BlobstoreError::NoSuchObject(_))) => Ok(false),
            found => found.map(|_| true),
        })
    }

    async fn object_info(
        &mut self,
        container: Resource<ContainerHandle>,
        name: String,
    ) -> wasmtime::Result<Result<types::ObjectMetadata, String>> {
        told(calls::object_info(self, &container, &name).await)
    }

    async fn clear(
        &mut self,
        container: Resource<ContainerHandle>,
    ) -> wasmtime::Result<Result<(), String>> {
        told(calls::clear(self, &container).await)
    }

    async fn drop(&mut self, container: Resource<ContainerHandle>) -> wasmtime::Result<()> {
        self.table().delete(container)?;
        Ok(())
    }
}

impl container::HostStreamObjectNames for InstanceState {
    async fn read_stream_object_names(
        &mut self,
        listing: Resource<Listing>,
        len: u64,
    ) -> wasmtime::Result<Result<(Vec<String>, bool), String>> {
        let context = self.context().clone();
        let listing = self.table().get_mut(&listing)?;
        told(listing.read(&context, len).await.map_err(HostError::Told))
    }

    async fn skip_stream_object_names(
        &mut self,
        listing: Resource<Listing>,
        num: u64,
    ) -> wasmtime::Result<Result<(u64, bool), String>> {
        let context = self.context().clone();
        let listing = self.table().get_mut(&listing)?;
        told(listing.skip(&context, num).await.map_err(HostError::Told))
    }

    async fn drop(&mut self, listing: Resource<Listing>) -> wasmtime::Result<()> {
        self.table().delete(listing)?;
        Ok(())
    }
}

impl blobstore::Host for InstanceState {
    async fn create_container(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<Resource<ContainerHandle>, String>> {
        told(calls::create(self, &name).await)
    }

    async fn get_container(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<Resource<ContainerHandle>, String>> {
        told(calls::get(self, &name).await)
    }

    async fn delete_container(&mut self, name: String) -> wasmtime::Result<Result<(), String>> {
        told(calls::delete_container(self, &name).await)
    }

    async fn container_exists(&mut self, name: String) -> wasmtime::Result<Result<bool, String>> {
        told(calls::exists(self, &name).await)
    }

    async fn copy_object(
        &mut self,
        source: types::ObjectId,
        target: types::ObjectId,
    ) -> wasmtime::Result<Result<(), String>> {
        told(calls::transfer(self, source, target, Transfer::Copy).await)
    }

    async fn move_object(
        &mut self,
        source: types::ObjectId,
        target: types::ObjectId,
    ) -> wasmtime::Result<Result<(), String>> {
        told(calls::transfer(self, source, target, Transfer::Move).await)
    }
}
