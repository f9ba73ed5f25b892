//! The provider of outgoing HTTP, as the bench sets it up.

use std::sync::Arc;

use wrt_http::HttpClient;
use wrt_http_client::{HttpClientConfig, HyperClient};
use wrt_runtime::Backend as _;

/// Whom the provider may ask: the bench's own server, which is on this machine.
const ALLOW: &str = "127.0.0.1:*";

/// The provider; on both sides of the bench with the settings that the bare client has as well.
pub async fn client() -> anyhow::Result<Arc<dyn HttpClient>> {
    // Which of two wins in rustls does not matter: no TLS is spoken here.
    let _only_once = rustls::crypto::ring::default_provider().install_default();
    Ok(Arc::new(HyperClient::connect_with(config()?).await?))
}

/// Its settings.
pub fn config() -> anyhow::Result<HttpClientConfig> {
    Ok(HttpClientConfig {
        allow: vec![ALLOW.parse()?],
        ..HttpClientConfig::default()
    })
}
