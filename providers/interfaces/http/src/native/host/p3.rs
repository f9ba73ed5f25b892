//! `wasi:http/handler@0.3`.

use std::{future::poll_fn, task::Poll};

use futures::{FutureExt, TryFutureExt};
use tokio::sync::oneshot;
use wasmtime::{Store, component::Accessor};
use wasmtime_wasi_http::{
    Error,
    p3::{Request, bindings::Service},
};
use wrt_host::InstanceState;

use super::{
    exchange::HeadSender,
    instance::view,
    response::{GuestRequest, GuestResponse},
};

/// Answers whether the guest takes another call.
pub(super) async fn call(
    service: &Service,
    store: &mut Store<InstanceState>,
    request: GuestRequest,
    head: HeadSender,
) -> wasmtime::Result<bool> {
    // How reading the request went is between its body and the guest: nobody else asks.
    let (request, _read) = Request::from_http(view(store.data_mut()).hooks, request);
    store
        .run_concurrent(
            async |accessor: &Accessor<InstanceState>| -> wasmtime::Result<bool> {
                answer(service, accessor, request, head).await?;
                // What the guest has still in hand after its answer.
                poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                let handle = *service.wasi_http_handler().func_handle().func();
                let is_ready = poll_fn(|cx| {
                    let ready = accessor.poll_ready_for_concurrent_call(handle, cx);
                    Poll::Ready(ready.is_ready())
                });
                Ok(is_ready.await)
            },
        )
        .await?
}

/// Sends the guest's answer, and waits until its body has been taken.
async fn answer(
    service: &Service,
    accessor: &Accessor<InstanceState>,
    request: Request,
    head: HeadSender,
) -> wasmtime::Result<()> {
    let request = accessor.with(|mut store| store.data_mut().table().push(request))?;
    let handler = service.wasi_http_handler();
    let response = match handler.call_handle(accessor, request).await? {
        Ok(response) => accessor.with(|mut store| store.data_mut().table().delete(response))?,
        Err(code) => {
            let _caller_gone = head.send(Err(Error::from(code)));
            return Ok(());
        }
    };
    let (taken, sent) = oneshot::channel();
    let sent = sent.shared();
    let told = sent.clone().map_err(|_dropped| Error::ConnectionTerminated);
    let response = accessor.with(|store| response.into_http_with_getter(store, told, view))?;
    let _caller_gone = head.send(Ok(GuestResponse {
        response,
        taken: Some(taken),
    }));
    // A body's end, or the error in the place of its trailers, comes through the store, also when no
    // task of the guest is left. A store that went earlier would make a broken body look whole.
    let _taken_or_dropped = sent.await;
    Ok(())
}
