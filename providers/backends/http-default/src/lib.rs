//! What stands behind `wasi:http` unless a program names something else: the server that calls
//! components, and the client that serves their requests. The peers of `wrt:websocket` are theirs: those that come in, and those that are connected to.
//!
//! ```
//! use wrt_http::WasiHttp;
//! use wrt_http_default::HttpDefault;
//!
//! let runtime = wrt_runtime::Runtime::builder().with::<WasiHttp, HttpDefault>().build()?;
//! assert!(runtime.backend("http-server").is_some() && runtime.backend("http-client").is_some());
//! # Ok::<(), wrt_runtime::RuntimeError>(())
//! ```

use wrt_http::WasiHttp;
use wrt_http_client::HyperClient;
use wrt_http_server::HttpServer;
use wrt_runtime::{Bundle, RuntimeBuilder};
use wrt_websocket::WrtWebSocket;

/// `http-server` and `http-client`.
#[derive(Debug, Clone, Copy)]
pub struct HttpDefault;

impl Bundle<WasiHttp> for HttpDefault {
    fn add_to(builder: RuntimeBuilder) -> RuntimeBuilder {
        builder
            .with_backend::<WasiHttp, HttpServer>()
            .with_backend::<WasiHttp, HyperClient>()
    }
}

impl Bundle<WrtWebSocket> for HttpDefault {
    fn add_to(builder: RuntimeBuilder) -> RuntimeBuilder {
        builder
            .with_backend::<WrtWebSocket, HttpServer>()
            .with_backend::<WrtWebSocket, HyperClient>()
    }
}
