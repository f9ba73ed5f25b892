//! What a guest sends with, and what it is when it handles messages.
//!
//! ```ignore
//! use wrt_guest::messaging::{Client, Error, Guest, Message, export, reply, send};
//!
//! struct Orders;
//!
//! export!(Orders);
//!
//! impl Guest for Orders {
//!     fn handle(message: Message) -> Result<(), Error> {
//!         send(&Client::connect("default")?, "orders.seen", Message::new(&message.data()))
//!     }
//! }
//! ```
//!
//! A message is acknowledged when `handle` returns ok; it may come more than once.

pub use bindings::{
    export,
    exports::wasi::messaging::incoming_handler::Guest,
    wasi::messaging::{
        producer::send,
        request_reply::{RequestOptions, reply, request},
        types::{Client, Error, Message},
    },
};

/// Written from the WIT; `export!` needs to name it.
#[doc(hidden)]
#[allow(
    unsafe_code,
    missing_docs,
    clippy::all,
    reason = "written by wit-bindgen"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/deps/messaging-0.2.0-draft",
        world: "wasi:messaging/messaging-request-reply",
        pub_export_macro: true,
        default_bindings_module: "wrt_guest::messaging::bindings",
        generate_all,
    });
}
