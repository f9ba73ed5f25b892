//! `wasi:http/handler@0.3`.

use std::{future::poll_fn, task::Poll, time::Duration};

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
    instance::{is_fed, view},
    progress::Progress,
    response::{GuestRequest, GuestResponse},
};

const STUCK: &str = "the guest has nothing left to run, and has not finished its body";

/// How long what the guest has done last may take to get through its store.
const SETTLING: Duration = Duration::from_millis(100);

/// Answers whether the guest takes another call.
pub(super) async fn call(
    service: &Service,
    store: &mut Store<InstanceState>,
    request: GuestRequest,
    head: HeadSender,
    progress: &Progress,
) -> wasmtime::Result<bool> {
    // How reading the request went is between its body and the guest: nobody else asks.
    let (request, _read) = Request::from_http(view(store.data_mut()).hooks, request);
    store
        .run_concurrent(
            async |accessor: &Accessor<InstanceState>| -> wasmtime::Result<bool> {
                answer(service, accessor, request, head, progress).await?;
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
    progress: &Progress,
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
    tokio::select! {
        biased;
        _taken_or_dropped = sent => Ok(()),
        () = stuck(accessor, progress) => Err(wasmtime::Error::msg(STUCK)),
    }
}

/// Waits until nothing can come of the response's body any more, although it has no end: no task of the
/// guest is left that could write it, no body on its way in that it could be, and its reader waits.
async fn stuck(accessor: &Accessor<InstanceState>, progress: &Progress) {
    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
    loop {
        let moves = progress.moves();
        tokio::time::sleep(SETTLING).await;
        let is_fed = accessor.with(|mut store| is_fed(store.data_mut()));
        if progress.is_awaited() && progress.moves() == moves && !is_fed {
            return;
        }
    }
}
