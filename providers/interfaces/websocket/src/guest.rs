//! What a guest is when it has peers, and what it sends to them with.
//!
//! ```ignore
//! use wrt_guest::websocket::{Answer, Closing, Guest, Message, Opening, Peer, export, send};
//!
//! struct Echo;
//!
//! export!(Echo);
//!
//! impl Guest for Echo {
//!     fn open(_: Opening) -> Answer {
//!         Answer::Accept(None)
//!     }
//!
//!     fn receive(peer: Peer, message: Message) {
//!         let _gone_or_queued = send(&[peer], &message);
//!     }
//!
//!     fn close(_: Peer, _: Closing) {}
//! }
//! ```

pub use bindings::{
    export,
    exports::wrt::websocket::handler::{Answer, Guest, Opening},
    wrt::websocket::{
        peers::{
            ConnectError, Connected, Connecting, Error, Outcome, Reached, close, connect, send,
            send_to_all,
        },
        types::{Closing, Message, Peer},
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
        path: "../../../wit/websocket",
        world: "wrt:websocket/websockets",
        pub_export_macro: true,
        default_bindings_module: "wrt_guest::websocket::bindings",
        generate_all,
    });
}
