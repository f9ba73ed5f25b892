//! `wasi:http/handler@0.3`.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures::TryFutureExt;
use tokio::{sync::oneshot, time::Instant};
use wasmtime::{
    Store,
    component::{Accessor, GuestTaskId, Resource},
};
use wasmtime_wasi_http::{
    Error,
    p3::{
        Request, Response,
        bindings::{Service, http::types::ErrorCode},
    },
};
use wrt_contract::until;
use wrt_host::InstanceState;

use super::{
    exchange::{Answer, HeadSender},
    idle::Idle,
    instance::{is_fed, view},
    progress::Progress,
    response::{GuestRequest, GuestResponse},
};

const STUCK: &str = "the guest has nothing left to run, and has not finished its body";
const STUCK_BEFORE: &str = "the guest has nothing left to run, and has not answered";

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
    let idle = &Arc::<Idle>::default();
    let run = pin!(store.run_concurrent(
        async |accessor: &Accessor<InstanceState>| -> wasmtime::Result<bool> {
            let work = pin!(async {
                answer(service, accessor, request, head, progress, idle).await?;
                left_over(service, accessor, progress, idle).await
            });
            idle.closure(work).await
        },
    ));
    idle.watch(run, || progress.is_polled_again()).await?
}

/// Waits for what the guest has still in hand after its answer; whether it takes another call then.
async fn left_over(
    service: &Service,
    accessor: &Accessor<InstanceState>,
    progress: &Progress,
    idle: &Idle,
) -> wasmtime::Result<bool> {
    tokio::select! {
        biased;
        () = poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)) => {}
        // It waits for what will never come. Its request has been answered.
        () = stuck(idle, progress, || true) => return Ok(false),
    }
    let handle = *service.wasi_http_handler().func_handle().func();
    let is_ready = poll_fn(|cx| {
        let ready = accessor.poll_ready_for_concurrent_call(handle, cx);
        Poll::Ready(ready.is_ready())
    });
    Ok(is_ready.await)
}

/// Sends the guest's answer, and waits until its body has been taken.
async fn answer(
    service: &Service,
    accessor: &Accessor<InstanceState>,
    request: Request,
    head: HeadSender,
    progress: &Progress,
    idle: &Idle,
) -> wasmtime::Result<()> {
    let request = accessor.with(|mut store| store.data_mut().table().push(request))?;
    let handler = service.wasi_http_handler();
    let called = tokio::select! {
        biased;
        called = handler.call_handle(accessor, request) => called?,
        () = stuck(idle, progress, || true) => return Err(wasmtime::Error::msg(STUCK_BEFORE)),
    };
    let Some(sent) = respond(accessor, called, |answer| head.send_watched(answer))? else {
        return Ok(());
    };
    // A body's end, or the error in the place of its trailers, comes through the store, also when no
    // task of the guest is left. A store that went earlier would make a broken body look whole.
    let is_awaited = || {
        let is_fed = accessor.with(|mut store| is_fed(store.data_mut()));
        progress.is_awaited() && !is_fed
    };
    // No task of the guest is left that could write it, or all wait for what will never come.
    let ended = async {
        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        settled(progress, || Some(0), is_awaited).await;
    };
    tokio::select! {
        biased;
        _taken_or_dropped = sent => Ok(()),
        () = ended => Err(wasmtime::Error::msg(STUCK)),
        () = stuck(idle, progress, is_awaited) => Err(wasmtime::Error::msg(STUCK)),
    }
}

/// The same for a guest that has other calls in hand too, which is told by `begin` as which task this one
/// begins. It is not seen here whether the guest is stuck.
pub(super) async fn answer_beside_others(
    service: &Service,
    accessor: &Accessor<InstanceState>,
    request: GuestRequest,
    begin: impl FnOnce(&mut InstanceState, GuestTaskId),
    send: impl FnOnce(Answer),
) -> wasmtime::Result<()> {
    let handle = service.wasi_http_handler().func_handle();
    let call = accessor.with(|mut store| -> wasmtime::Result<_> {
        let (request, _read) = Request::from_http(view(store.data_mut()).hooks, request);
        let request = store.data_mut().table().push(request)?;
        let call = handle.start_call_concurrent(&mut store, (request,))?;
        begin(store.data_mut(), call.task());
        Ok(call)
    })?;
    let (called,) = handle.finish_call_concurrent(accessor, call).await?;
    if let Some(sent) = respond(accessor, called, send)? {
        let _taken_or_dropped = sent.await;
    }
    Ok(())
}

/// Sends what the guest has answered; what ends when the body has been taken, where there is one.
fn respond(
    accessor: &Accessor<InstanceState>,
    called: Result<Resource<Response>, ErrorCode>,
    send: impl FnOnce(Answer),
) -> wasmtime::Result<Option<oneshot::Receiver<()>>> {
    let response = match called {
        Ok(response) => accessor.with(|mut store| store.data_mut().table().delete(response))?,
        Err(code) => {
            send(Err(Error::from(code)));
            return Ok(None);
        }
    };
    let ((taken, sent), (tell_guest, told)) = (oneshot::channel(), oneshot::channel());
    let told = told.map_err(|_dropped| Error::ConnectionTerminated);
    let response = accessor.with(|store| response.into_http_with_getter(store, told, view))?;
    send(Ok(GuestResponse {
        response,
        taken: Some([taken, tell_guest]),
    }));
    Ok(Some(sent))
}

/// Waits until nothing can come of the guest any more: its event loop rests, and goes on to, and nobody
/// will wake it from outside of the loop.
async fn stuck(idle: &Idle, progress: &Progress, is_for_good: impl Fn() -> bool) {
    idle.rest().await;
    settled(progress, || idle.spell(), is_for_good).await;
}

/// Waits until the guest's state is still the one that it was, no body has moved meanwhile, and this is
/// for good. A body's reader is one who may be slow.
async fn settled(
    progress: &Progress,
    state: impl Fn() -> Option<u64>,
    is_for_good: impl Fn() -> bool,
) {
    progress.wait().await;
    loop {
        let before = (state(), progress.moves());
        // Most bodies are taken long before: no timer for each of them.
        let _settled = until(Instant::now() + SETTLING, pending::<()>()).await;
        if before.0.is_some() && (state(), progress.moves()) == before && is_for_good() {
            return;
        }
    }
}
