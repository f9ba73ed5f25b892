//! What a guest uses: the published bindings of both versions, which bring their own WIT.
//!
//! `wasip2::http::proxy::export!` makes a component that answers requests of 0.2, and
//! `wasip3::http::service::export!` one of 0.3. What a guest does not use, it does not
//! import.

pub use {wasip2, wasip3};
