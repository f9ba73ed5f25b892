//! Requests that a guest sends out, and how its bodies leave it.

use http::{HeaderName, Request, Response, uri::Scheme};
use wasmtime_wasi_http::{
    Error, ForbiddenHeaderFilter, RequestOptions, Result, WasiBody, WasiHttpHooks,
};
use wrt_protocol::limits::CHUNK_BYTES_MAX;

type Io = Box<dyn Future<Output = Result<()>> + Send>;

/// The hooks of an instance: those that an interface has set, and none at first. So a guest sends
/// nothing that its manifest does not let it send.
///
/// How large the pieces of a body are is not for an interface to say: it bounds the memory of the
/// node.
pub(crate) struct OutgoingHttp(Box<dyn WasiHttpHooks>);

impl OutgoingHttp {
    pub(crate) fn set(&mut self, hooks: Box<dyn WasiHttpHooks>) {
        self.0 = hooks;
    }
}

impl Default for OutgoingHttp {
    fn default() -> Self {
        // A box of nothing takes no memory.
        Self(Box::new(Deny))
    }
}

impl WasiHttpHooks for OutgoingHttp {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        self.0.is_forbidden_header(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        self.0.forbidden_header_filter()
    }

    fn is_supported_scheme(&mut self, scheme: &Scheme) -> bool {
        self.0.is_supported_scheme(scheme)
    }

    fn set_host_header(&mut self) -> bool {
        self.0.set_host_header()
    }

    fn default_scheme(&mut self) -> Option<Scheme> {
        self.0.default_scheme()
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        sent: Io,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Io)>> + Send> {
        self.0.send_request(request, options, sent)
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

/// Refuses every request.
struct Deny;

impl WasiHttpHooks for Deny {
    fn send_request(
        &mut self,
        _request: Request<WasiBody>,
        _options: Option<RequestOptions>,
        _sent: Io,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Io)>> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}
