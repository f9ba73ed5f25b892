//! Requests that a guest sends out: `wasi:http/outgoing-handler@0.2`, `wasi:http/client@0.3`.

use std::sync::Arc;

use futures::future;
use wasmtime_wasi_http::{Error, RequestOptions as WasiOptions, Result, WasiBody, WasiHttpHooks};
use wrt_contract::CallContext;
use wrt_host::InstanceState;

use super::body::{from_guest, into_guest, length};
use crate::{HttpClient, HttpClientInterface, HttpError, RequestHead, RequestOptions};

/// `wasi:http` has no names of its own, so there is one link.
const LINK: &str = "default";

/// The imports, which the engine gives every component; who is asked is told by the hooks.
pub(super) const INTERFACES: &[&str] =
    &["wasi:http/outgoing-handler@0.2.0", "wasi:http/client@0.3.0"];

/// Lets a guest send requests to whoever its manifest links as `wasi:http`. Without a link each is
/// refused with `HTTP-request-denied`, and the component runs all the same: the standard libraries of
/// many languages import the interface without a need.
pub(super) fn prepare(state: &mut InstanceState) {
    if let Some(client) = state.link::<HttpClientInterface>(LINK) {
        let context = state.context().clone();
        state.set_outgoing_http(Box::new(Linked { client, context }));
    }
}

/// Hooks of an instance whose requests go to `client`.
struct Linked {
    client: Arc<dyn HttpClient>,
    context: CallContext,
}

type Io = Box<dyn Future<Output = Result<()>> + Send>;

impl WasiHttpHooks for Linked {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<WasiOptions>,
        // How the guest fares with the response's body. Whoever sends it sees that it is dropped.
        _read: Io,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io)>> + Send> {
        let client = Arc::clone(&self.client);
        let context = self.context.clone();
        Box::new(async move {
            let (head, body) = RequestHead::split(request);
            let length = length(&head.headers, &body);
            let body = from_guest(body, length, HttpError::from);
            let options = options.map_or_else(RequestOptions::default, own_options);
            let (head, body) = client
                .send(&context, head, options, body)
                .await
                .inspect_err(tell)?;
            let body = into_guest(body, |error| {
                tell(&error);
                Error::from(error)
            });
            // The connection is the provider's: nothing of it is driven from here.
            let io: Io = Box::new(future::ready(Ok(())));
            Ok((head.with_body(body), io))
        })
    }
}

/// A fault has more to say than a guest is told.
fn tell(error: &HttpError) {
    if let HttpError::Fault(fault) = error {
        tracing::debug!(%fault, "an outgoing request failed");
    }
}

fn own_options(options: WasiOptions) -> RequestOptions {
    RequestOptions {
        connect_timeout: options.connect_timeout,
        first_byte_timeout: options.first_byte_timeout,
        between_bytes_timeout: options.between_bytes_timeout,
    }
}
