//! Requests that a guest sends out.

use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};

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
}
