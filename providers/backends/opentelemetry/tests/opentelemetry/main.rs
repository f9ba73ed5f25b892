//! The provider over the genuine collector.

mod collected;
mod conformance;
mod failures;
mod support;
mod tls;
