//! Requests that a guest sends out: `wasi:http/outgoing-handler@0.2`, `wasi:http/client@0.3`.

use std::sync::Arc;

use futures::future;
use http::HeaderName;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions as WasiOptions, Result,
    WasiBody, WasiHttpHooks,
};
use wrt_contract::CallContext;
use wrt_host::InstanceState;
use wrt_protocol::limits::CHUNK_BYTES_MAX;

use super::body::{Fed, from_guest, into_guest, length};
use crate::{HttpClient, HttpClientInterface, HttpError, RequestHead, RequestOptions};

/// `wasi:http` has no names of its own, so there is one link.
const LINK: &str = "default";

/// Fields that no guest sets. In one place: the constant is made anew wherever it is named, and each field
/// of a guest is looked up here.
static FORBIDDEN: [HeaderName; 9] = DEFAULT_FORBIDDEN_HEADERS;

/// Who is asked for an instance's requests; nobody at first, so that a guest sends nothing that its
/// manifest does not let it send.
#[derive(Default)]
pub(super) struct Outgoing(Option<Linked>);

struct Linked {
    client: Arc<dyn HttpClient>,
    context: CallContext,
    fed: Fed,
}

impl Outgoing {
    /// Whoever the manifest links as `wasi:http`. Without a link each request is refused with
    /// `HTTP-request-denied`, and the component runs all the same: the standard libraries of many
    /// languages import the interface without a need.
    pub(super) fn linked_to(state: &InstanceState, fed: Fed) -> Self {
        let client = state.link::<HttpClientInterface>(LINK);
        Self(client.map(|client| Linked {
            client,
            context: state.context().clone(),
            fed,
        }))
    }
}

type Io = Box<dyn Future<Output = Result<()>> + Send>;

impl WasiHttpHooks for Outgoing {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        FORBIDDEN.contains(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name| FORBIDDEN.contains(name))
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<WasiOptions>,
        // How the guest fares with the response's body. Whoever sends it sees that it is dropped.
        _read: Io,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io)>> + Send> {
        let Some(Linked {
            client,
            context,
            fed,
        }) = &self.0
        else {
            return Box::new(future::ready(Err(Error::HttpRequestDenied)));
        };
        let client = Arc::clone(client);
        let (context, fed) = (context.clone(), fed.clone());
        Box::new(async move {
            let (head, body) = RequestHead::split(request);
            let length = length(&head.headers, &body);
            let body = from_guest(body, length, HttpError::from);
            let options = options.map_or_else(RequestOptions::default, own_options);
            let (head, body) = client
                .send(&context, head, options, body)
                .await
                .inspect_err(tell)?;
            let body = into_guest(body, &fed, |error| {
                tell(&error);
                Error::from(error)
            });
            // The connection is the provider's: nothing of it is driven from here.
            let io: Io = Box::new(future::ready(Ok(())));
            Ok((head.with_body(body), io))
        })
    }

    // The host keeps up to two pieces of a body for each instance: with the megabyte that is the default,
    // a thousand instances with slow readers would hold 2 GiB. A chunk of the lattice's own streams is
    // never cut again on its way.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES_MAX
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES_MAX
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
