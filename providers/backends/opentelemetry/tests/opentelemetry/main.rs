//! The provider over the genuine collector.

#![cfg(test)]

mod collected;
mod conformance;
mod failures;
mod readme;
mod support;
mod tls;
