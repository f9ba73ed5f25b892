//! What a guest calls: the vault that the manifest's link `wrt:vault` leads to.

pub use bindings::wrt::vault::vault::{Error, Locker, Page, Secret, Version, open};

/// Generated from `wit/`.
#[allow(unsafe_code, missing_docs, clippy::all, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/vault",
        world: "wrt:vault/imports",
        generate_all,
    });
}
