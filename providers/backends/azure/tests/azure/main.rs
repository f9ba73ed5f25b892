//! The provider against a double of Azure's services: none of them can be had for a test.

mod app_service;
mod double;
mod identity;
mod support;
mod vault;
