//! `wasi:http/handler@0.3`.

use std::future::poll_fn;

use tokio::sync::oneshot;
use wasmtime::{Store, component::Accessor};
use wasmtime_wasi_http::{
    Error, WasiHttpView,
    p3::{Request, bindings::ServicePre},
};
use wrt_host::InstanceState;

use super::{
    exchange::HeadSender,
    response::{GuestRequest, GuestResponse},
};

pub(super) async fn call(
    pre: &ServicePre<InstanceState>,
    store: &mut Store<InstanceState>,
    request: GuestRequest,
    head: HeadSender,
) -> wasmtime::Result<()> {
    let service = pre.instantiate_async(&mut *store).await?;
    // How reading the request went is between its body and the guest: nobody else asks.
    let (request, _read) = Request::from_http(store.data_mut().http().hooks, request);
    store
        .run_concurrent(
            async |accessor: &Accessor<InstanceState>| -> wasmtime::Result<()> {
                let answer = match service.handle(accessor, request).await? {
                    Ok(response) => {
                        let (taken, sent) = oneshot::channel();
                        let sent =
                            async { sent.await.map_err(|_dropped| Error::ConnectionTerminated) };
                        let response = accessor.with(|store| response.into_http(store, sent))?;
                        Ok(GuestResponse {
                            response,
                            taken: Some(taken),
                        })
                    }
                    Err(code) => Err(Error::from(code)),
                };
                let _caller_gone = head.send(answer);
                // Bodies, and whatever else the guest has still in hand after its answer.
                poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                Ok(())
            },
        )
        .await?
}
