//! One attempt to have a batch taken.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, header::CONTENT_TYPE, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use prost::Message as _;
use rustls::ClientConfig;
use tonic::{
    Request,
    metadata::{MetadataKey, MetadataMap, MetadataValue},
    transport::{Channel, Endpoint},
};

use super::{
    outcome::Failed,
    signal::{Signal, with_timeout},
};
use crate::{Protocol, config::Parsed};

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long a connection may take.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection of HTTP that nobody uses is kept.
const IDLE_MAX: Duration = Duration::from_secs(30);

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The way to a collector. Cheap to clone; clones share connections.
#[derive(Clone)]
pub(crate) struct Way {
    kind: Kind,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
}

#[derive(Clone)]
enum Kind {
    Grpc(Channel),
    Http { client: Box<HttpClient>, base: Uri },
}

impl Way {
    /// Nothing is connected yet.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn new(parsed: &Parsed, tls: ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECTED_WITHIN));
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http();
        let kind = match parsed.protocol {
            Protocol::Grpc => {
                let endpoint = Endpoint::from(parsed.endpoint.clone());
                let endpoint = endpoint.connect_timeout(CONNECTED_WITHIN);
                let connector = connector.enable_http2().wrap_connector(tcp);
                Kind::Grpc(endpoint.connect_with_connector_lazy(connector))
            }
            Protocol::Http => {
                let connector = connector.enable_http1().wrap_connector(tcp);
                let client = Client::builder(TokioExecutor::new())
                    .pool_timer(TokioTimer::new())
                    .pool_idle_timeout(IDLE_MAX)
                    .build(connector);
                Kind::Http {
                    client: Box::new(client),
                    base: parsed.endpoint.clone(),
                }
            }
        };
        Self {
            kind,
            headers: parsed.headers.clone(),
            timeout: parsed.timeout,
        }
    }

    /// Makes one attempt; how many records the collector has refused, and why, if it has taken the others.
    pub(crate) async fn send<S: Signal>(
        &self,
        request: S::Request,
    ) -> Result<Option<(i64, String)>, Failed> {
        let attempt = async {
            match &self.kind {
                Kind::Grpc(channel) => self.by_grpc::<S>(channel.clone(), request).await,
                Kind::Http { client, base } => self.by_http::<S>(client, base, &request).await,
            }
        };
        let answer = tokio::time::timeout(self.timeout, attempt).await;
        let response = answer.map_err(|_elapsed| Failed::away("no answer in time"))??;
        Ok(S::refused(response))
    }

    async fn by_grpc<S: Signal>(
        &self,
        channel: Channel,
        request: S::Request,
    ) -> Result<S::Response, Failed> {
        let mut request = with_timeout(Request::new(request), self.timeout);
        add_metadata(request.metadata_mut(), &self.headers);
        let answer = S::call(channel, request).await;
        answer.map_err(|status| Failed::of_grpc(&status))
    }

    async fn by_http<S: Signal>(
        &self,
        client: &HttpClient,
        base: &Uri,
        request: &S::Request,
    ) -> Result<S::Response, Failed> {
        let mut sent = http::Request::new(Full::new(Bytes::from(request.encode_to_vec())));
        *sent.method_mut() = Method::POST;
        *sent.uri_mut() = behind(base, S::PATH);
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        sent.headers_mut().insert(CONTENT_TYPE, protobuf);
        for (name, value) in &self.headers {
            sent.headers_mut().insert(name.clone(), value.clone());
        }
        let answer = client.request(sent).await;
        // What hyper says holds no header.
        let answer = answer.map_err(|error| Failed::away(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(Failed::of_http(answer.status(), answer.headers()));
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        // It was taken, whatever was to be said about it.
        let Ok(body) = body else {
            return Ok(S::Response::default());
        };
        Ok(S::Response::decode(body.to_bytes()).unwrap_or_default())
    }
}

/// Headers that gRPC can carry; the others are no headers of its own.
fn add_metadata(metadata: &mut MetadataMap, headers: &[(HeaderName, HeaderValue)]) {
    for (name, value) in headers {
        let key = MetadataKey::from_bytes(name.as_str().as_bytes());
        let value = MetadataValue::try_from(value.as_bytes());
        if let (Ok(key), Ok(value)) = (key, value) {
            metadata.insert(key, value);
        }
    }
}

/// The path of a signal behind that of the collector.
fn behind(base: &Uri, path: &'static str) -> Uri {
    let mut parts = base.clone().into_parts();
    let before = base.path().trim_end_matches('/');
    parts.path_and_query = Some(match before.is_empty() {
        true => PathAndQuery::from_static(path),
        false => PathAndQuery::try_from(format!("{before}{path}"))
            .unwrap_or_else(|_too_long| PathAndQuery::from_static(path)),
    });
    Uri::from_parts(parts).unwrap_or_else(|_unusable| base.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signals_path_comes_behind_the_collectors() {
        for (base, expected) in [
            ("http://a:1", "http://a:1/v1/traces"),
            ("http://a:1/", "http://a:1/v1/traces"),
            ("https://a/otlp/", "https://a/otlp/v1/traces"),
            ("https://a/otlp", "https://a/otlp/v1/traces"),
        ] {
            assert_eq!(behind(&base.parse().unwrap(), "/v1/traces"), expected);
        }
    }
}
