//! The provider of objects, as the bench sets it up.

use std::sync::Arc;

use wrt_blobstore::Blobstore;
use wrt_nats::{Nats, NatsConfig, NatsStorage};
use wrt_runtime::{Backend as _, ServiceAddress};

/// The provider, on both sides of the bench: with the server's memory as its store.
pub async fn store(nats: &str) -> anyhow::Result<Arc<dyn Blobstore>> {
    let config = NatsConfig {
        url: ServiceAddress::new(nats),
        storage: NatsStorage::Memory,
        ..NatsConfig::default()
    };
    Ok(Arc::new(Nats::connect_with(config).await?))
}
