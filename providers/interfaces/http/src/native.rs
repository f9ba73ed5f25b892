//! What is built into a node: the traits, and the guests behind them.

mod client;
mod convert;
mod error;
mod handler;
mod head;
mod hop;
mod host;
mod patience;

pub use client::{HandlerAsClient, HttpClient, HttpClientInterface, RequestOptions};
pub use convert::{HttpBody, from_http, from_http_ahead};
pub use error::HttpError;
pub use handler::{HttpHandler, HttpHandlerInterface};
pub use head::{HEAD_BYTES, HEADERS, RequestHead, ResponseHead};
pub use hop::{strip_hop_by_hop, unknown_coding};
pub use host::{HttpComponent, WasiHttp};
pub use patience::with_patience;
