//! The provider over a real server.

mod conformance;
mod connections;
mod failures;
mod proxy;
mod stale;
mod support;
mod tls;
mod transactions;
mod values;
mod wasmcloud;
