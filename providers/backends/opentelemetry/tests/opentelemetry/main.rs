//! The provider over the genuine collector.

#![cfg(test)]

mod collected;
mod conformance;
mod failures;
mod support;
mod tls;
