//! What a guest calls: whoever the manifest's link `wrt:identity` leads to.

pub use bindings::wrt::identity::credentials::{AccessToken, Error, Identity, open};

/// Generated from `wit/`.
#[allow(unsafe_code, missing_docs, clippy::all, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/identity",
        world: "wrt:identity/imports",
        generate_all,
    });
}
