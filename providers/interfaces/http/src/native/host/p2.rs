//! `wasi:http/incoming-handler@0.2`.

use http::uri;
use wasmtime::Store;
use wasmtime_wasi_http::{
    Error,
    p2::{
        bindings::{Proxy, http::types::Scheme},
        body::HostOutgoingBody,
    },
};
use wrt_host::InstanceState;

use super::{
    exchange::HeadSender,
    instance::view,
    response::{GuestRequest, GuestResponse},
};

pub(super) async fn call(
    proxy: &Proxy,
    store: &mut Store<InstanceState>,
    request: GuestRequest,
    head: HeadSender,
) -> wasmtime::Result<()> {
    let scheme = match request.uri().scheme() {
        Some(scheme) if *scheme == uri::Scheme::HTTPS => Scheme::Https,
        _ => Scheme::Http,
    };
    let mut view = view(store.data_mut());
    let request = view.new_incoming_request(scheme, request)?;
    let out = view.new_response_outparam_from_callback(move |answer| {
        let answer = answer
            .map(|response| GuestResponse {
                response,
                taken: None,
            })
            .map_err(Error::from);
        // Nobody waits when the caller has gone, and then the guest is about to be stopped.
        let _caller_gone = head.send(answer);
    })?;
    proxy
        .wasi_http_incoming_handler()
        .call_handle(&mut *store, request, out)
        .await
}

/// Whether no body of a response is open. One that the guest finishes, or gives up, leaves the table;
/// the second shows as an error of the body itself.
pub(super) fn has_finished_body(store: &mut Store<InstanceState>) -> bool {
    !store
        .data_mut()
        .table()
        .iter_mut()
        .any(|entry| entry.is::<HostOutgoingBody>())
}
