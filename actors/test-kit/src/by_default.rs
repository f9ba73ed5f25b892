//! A backend as it is when nobody has set anything.

use std::sync::Arc;

use wrt_runtime::{Backend, FromEnv as _, Settings};

/// Connects with the default of each setting; the environment says nothing.
///
/// # Panics
/// When a setting has no default, or there is no connection.
pub async fn by_default<B: Backend>() -> Arc<B> {
    let options = B::ConnectOptions::load(Settings::default());
    let options = options.unwrap_or_else(|error| panic!("{}: {error}", B::NAME));
    let connected = B::connect_with(options).await;
    Arc::new(connected.unwrap_or_else(|error| panic!("{}: {error}", B::NAME)))
}
