//! The way out: the client that all of the SDK's requests go by.

use std::{path::Path, sync::Arc};

use azure_core::http::{
    AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions, Transport as SdkTransport,
    UserAgentOptions,
};
use reqwest::{Client, Url};
use wrt_contract::async_trait;
use wrt_identity::https::{self, HttpsError};

/// Where the SDK asks for the managed identity of a machine.
const METADATA_HOST: &str = "169.254.169.254";

/// A client. Cheap to clone; clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    client: Client,
    metadata: Option<Url>,
}

impl Transport {
    /// Reads files: not for a thread of the runtime.
    pub(crate) fn new(authority_file: Option<&Path>) -> Result<Self, HttpsError> {
        Ok(Self {
            client: https::client(authority_file)?,
            metadata: None,
        })
    }

    /// The SDK knows one place of the metadata of a machine: this is another one.
    pub(crate) fn with_metadata_at(self, metadata: Option<Url>) -> Self {
        Self { metadata, ..self }
    }

    /// Settings of the SDK for a client that goes this way, and tries nothing again by itself.
    pub(crate) fn options(self) -> ClientOptions {
        ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(SdkTransport::new(Arc::new(self))),
            user_agent: UserAgentOptions {
                application_id: Some("wrt".to_owned()),
            },
            ..ClientOptions::default()
        }
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let metadata = self.metadata.as_ref();
        let metadata = metadata.filter(|_| request.url().host_str() == Some(METADATA_HOST));
        let Some(metadata) = metadata else {
            return self.client.execute_request(request).await;
        };
        let mut request = request.clone();
        let mut url = metadata.clone();
        url.set_path(request.url().path());
        url.set_query(request.url().query());
        *request.url_mut() = url;
        self.client.execute_request(&request).await
    }
}
