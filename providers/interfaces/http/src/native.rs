//! What is built into a node: the traits, and the guests behind them.

mod client;
mod convert;
mod error;
mod handler;
mod head;
mod host;
mod patience;

pub use client::{HandlerAsClient, HttpClient, HttpClientInterface, RequestOptions};
pub use convert::{HttpBody, from_http};
pub use error::HttpError;
pub use handler::{HttpHandler, HttpHandlerInterface};
pub use head::{RequestHead, ResponseHead};
pub use host::{HttpComponent, WasiHttp};
pub use patience::with_patience;
