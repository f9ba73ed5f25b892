//! One request for a token.

use oauth2::{
    AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    RequestTokenError, Scope, TokenResponse as _, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicTokenType},
    url::Url,
};
use reqwest::{StatusCode, header::RETRY_AFTER};
use secrecy::ExposeSecret as _;
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::{
    ClientOptions, IdentityError, NewToken, OAuth2Options, Scopes, TokenValue,
    limits::ANSWER_BYTES_MAX,
};

type Client =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// Asks for tokens in the name of one identity.
pub(super) struct Requester {
    client: Client,
    audience: Option<String>,
    http: reqwest::Client,
}

/// Why there is no answer that could be read.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("no connection")]
    Connect,
    #[error("the connection broke")]
    Broken,
    #[error("the answer is too long")]
    TooLong,
    #[error("status {status}")]
    Busy {
        status: StatusCode,
        retry_after_ms: u32,
    },
}

impl Requester {
    pub(super) fn new(
        endpoint: &Url,
        client: ClientOptions,
        options: &OAuth2Options,
        http: reqwest::Client,
    ) -> Self {
        let secret = client.client_secret.expose_secret().to_owned();
        let auth_type = match options.secret_in_body {
            true => AuthType::RequestBody,
            false => AuthType::BasicAuth,
        };
        Self {
            client: BasicClient::new(ClientId::new(client.client_id))
                .set_client_secret(ClientSecret::new(secret))
                .set_auth_type(auth_type)
                .set_token_uri(TokenUrl::from_url(endpoint.clone())),
            audience: options.audience.clone(),
            http,
        }
    }

    pub(super) async fn token(&self, scopes: &Scopes) -> Result<NewToken, IdentityError> {
        let mut request = self.client.exchange_client_credentials();
        for scope in scopes.iter() {
            request = request.add_scope(Scope::new(scope.to_owned()));
        }
        if let Some(audience) = &self.audience {
            request = request.add_extra_param("audience", audience);
        }
        let by_http = |request| send(self.http.clone(), request);
        let answer = request.request_async(&by_http).await.map_err(words)?;
        match answer.token_type() {
            BasicTokenType::Bearer => Ok(NewToken {
                value: TokenValue::new(answer.access_token().secret().clone())?,
                life: answer.expires_in(),
            }),
            _ => Err(IdentityError::other("the token is not one of a bearer")),
        }
    }
}

async fn send(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let broken = |error: reqwest::Error| match error.is_connect() {
        true => HttpError::Connect,
        false => HttpError::Broken,
    };
    let request = reqwest::Request::try_from(request).map_err(broken)?;
    let mut answer = client.execute(request).await.map_err(broken)?;
    let status = answer.status();
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        let seconds = answer.headers().get(RETRY_AFTER);
        let seconds = seconds.and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
        let retry_after_ms = seconds.unwrap_or(0).saturating_mul(1000);
        return Err(HttpError::Busy {
            status,
            retry_after_ms,
        });
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(HttpError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = answer.headers().clone();
    Ok(response)
}

/// The one place where what the library says becomes an error. It says more than may be told: the answer that it
/// cannot read, and with it a token; or the service's own description.
fn words(error: RequestTokenError<HttpError, BasicErrorResponse>) -> IdentityError {
    match error {
        RequestTokenError::ServerResponse(refusal) => {
            IdentityError::denied(refusal.error().as_ref())
        }
        RequestTokenError::Request(error) => fault(&error).into(),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            IdentityError::other("what the token endpoint answers is none of OAuth2's answers")
        }
    }
}

/// Whoever asks once more gets another token, and nothing else has changed.
fn fault(error: &HttpError) -> Fault {
    let (kind, detail) = match error {
        HttpError::Busy {
            retry_after_ms: after @ 1..,
            ..
        } => (
            FaultKind::Overloaded {
                retry_after_ms: *after,
            },
            format!("oauth2: {error}"),
        ),
        error => (FaultKind::Unavailable, format!("oauth2: {error}")),
    };
    match error {
        HttpError::Connect | HttpError::Busy { .. } => {
            Fault::not_executed(kind, Hop::Backend, detail)
        }
        HttpError::Broken | HttpError::TooLong => Fault::maybe_executed(kind, Hop::Backend, detail),
    }
}
