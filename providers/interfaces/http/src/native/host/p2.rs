//! `wasi:http/incoming-handler@0.2`.

use http::uri;
use wasmtime::Store;
use wasmtime_wasi_http::{
    Error,
    p2::{
        bindings::{Proxy, http::types::Scheme},
        body::{HostOutgoingBody, StreamContext},
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
        head.send(answer);
    })?;
    proxy
        .wasi_http_incoming_handler()
        .call_handle(&mut *store, request, out)
        .await
}

/// Aborts the bodies that the guest has neither finished nor dropped. By itself the end of the store would
/// look like theirs, and what the guest forgot like a whole body.
pub(super) fn abort_bodies(store: &mut Store<InstanceState>) {
    let entries = store.data_mut().table().iter_mut();
    let open = entries.filter_map(|entry| entry.downcast_mut::<HostOutgoingBody>());
    for body in open {
        let (nothing, _) = HostOutgoingBody::new(StreamContext::Response, None, 1, 1);
        std::mem::replace(body, nothing).abort();
    }
}

/// Whether no body of a response is open. One that the guest finishes, or gives up, leaves the table.
pub(super) fn has_finished_body(store: &mut Store<InstanceState>) -> bool {
    let mut entries = store.data_mut().table().iter_mut();
    !entries.any(|entry| entry.is::<HostOutgoingBody>())
}
