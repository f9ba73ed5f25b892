//! The ways out: the client that all of the SDK's requests go by.

use std::{path::Path, sync::Arc};

use azure_core::{
    error::{Error, ErrorKind},
    http::{
        AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions,
        Transport as SdkTransport, UserAgentOptions, headers::HeaderName,
    },
};
use reqwest::{Client, Url};
use secrecy::ExposeSecret as _;
use wrt_contract::async_trait;
use wrt_identity::https::{self, HttpsError};

use crate::{answer::NotLetThrough, config::AppService};

/// Where the SDK asks for the managed identity of a machine.
const METADATA_HOST: &str = "169.254.169.254";
/// What an app service wants to be shown.
const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");

/// A client. Cheap to clone; clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    client: Client,
}

/// The way to who gives a managed identity its tokens.
///
/// The SDK looks for an app service in the environment of its process, and asks there if there is one. An app has what
/// is in a node's environment only where the node's operator lets it through, and so in its settings: it is asked
/// if they say the same, and nobody is asked if not.
#[derive(Debug)]
struct ManagedWay {
    client: Client,
    /// The SDK knows one place of the metadata of a machine: this is another one.
    metadata: Option<Url>,
    app_service: Option<AppService>,
}

impl Transport {
    /// Reads files: not for a thread of the runtime.
    pub(crate) fn new(authority_file: Option<&Path>) -> Result<Self, HttpsError> {
        let client = https::client(authority_file)?;
        Ok(Self { client })
    }

    /// Settings of the SDK for a client that goes this way.
    pub(crate) fn options(self) -> ClientOptions {
        options(Arc::new(self.client))
    }

    /// The same for a managed identity.
    pub(crate) fn managed(
        self,
        metadata: Option<Url>,
        app_service: Option<AppService>,
    ) -> ClientOptions {
        options(Arc::new(ManagedWay {
            client: self.client,
            metadata,
            app_service,
        }))
    }
}

/// Nothing is tried again by the SDK itself.
fn options(way: Arc<dyn HttpClient>) -> ClientOptions {
    ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(SdkTransport::new(way)),
        user_agent: UserAgentOptions {
            application_id: Some("wrt".to_owned()),
        },
        ..ClientOptions::default()
    }
}

#[async_trait]
impl HttpClient for ManagedWay {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let is_of_machine = request.url().host_str() == Some(METADATA_HOST);
        match &self.app_service {
            None if is_of_machine => {}
            Some(service) if is_asked(service, request) => {
                return self.client.execute_request(request).await;
            }
            _ => {
                let message = "the app service is not that of the settings";
                return Err(Error::with_error(ErrorKind::Other, NotLetThrough, message));
            }
        }
        let Some(metadata) = &self.metadata else {
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

fn is_asked(service: &AppService, request: &Request) -> bool {
    let (url, endpoint) = (request.url(), &service.endpoint);
    let shown = request.headers().get_optional_str(&IDENTITY_HEADER);
    url.origin() == endpoint.origin()
        && url.path() == endpoint.path()
        && shown == Some(service.header.expose_secret())
}
