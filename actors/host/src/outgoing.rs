//! Requests that a guest sends out, and how its bodies leave it.

use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};
use wrt_protocol::limits::CHUNK_BYTES_MAX;

type Io = Box<dyn Future<Output = Result<()>> + Send>;

/// Refuses every outgoing request: a manifest cannot link a guest to an HTTP client yet, and a guest
/// reaches nothing that its manifest does not give.
pub(crate) struct DenyOutgoing;

impl WasiHttpHooks for DenyOutgoing {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _sent: Io,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io)>> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
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
