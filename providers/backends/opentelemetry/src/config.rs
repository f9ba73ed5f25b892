//! How the provider is set up.

use std::{path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use wrt_otel::Attribute;
use wrt_runtime::{FromEnv, ServiceAddress, Settings, SettingsError, check_range};

/// A collector, and how it is used. The variables are those that OpenTelemetry has for it.
#[derive(Debug, Clone, confique::Config)]
pub struct OpenTelemetryConfig {
    /// The collector: `http://` or `https://`, host and port. Without it, `http://127.0.0.1:4317` for `grpc`
    /// and `http://127.0.0.1:4318` for `http/protobuf`; that one gets `/v1/traces` and so on behind its path.
    #[config(env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub endpoint: Option<ServiceAddress>,
    /// The same for a collector that is spoken to by gRPC; `endpoint` counts before it.
    #[config(env = "OTEL_GRPC_URL")]
    pub grpc_url: Option<ServiceAddress>,
    /// `grpc` or `http/protobuf`. Without it, `grpc` where `grpc_url` is the address, else `http/protobuf`.
    #[config(env = "OTEL_EXPORTER_OTLP_PROTOCOL")]
    pub protocol: Option<String>,
    /// Headers that go along, `name=value` with commas between them, in which percent signs escape.
    #[config(env = "OTEL_EXPORTER_OTLP_HEADERS")]
    pub headers: Option<SecretString>,
    /// A PEM file with the authority that signed the collector's certificate, in place of the system's own.
    /// A manifest names no file: it refers to a variable that the node's operator lets through.
    #[config(env = "OTEL_EXPORTER_OTLP_CERTIFICATE")]
    pub authority_file: Option<PathBuf>,
    /// How long one attempt to send a batch may take, in milliseconds.
    #[config(env = "OTEL_EXPORTER_OTLP_TIMEOUT", default = 10_000)]
    pub timeout_ms: u64,
    /// How long a batch waits to become full, in milliseconds.
    #[config(env = "OTEL_BSP_SCHEDULE_DELAY", default = 1000)]
    pub delay_ms: u64,
    /// Records that wait, of spans, metrics and logs each. One more is refused.
    #[config(env = "OTEL_BSP_MAX_QUEUE_SIZE", default = 2048)]
    pub queue_max: u64,
    /// Records of a batch.
    #[config(env = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", default = 512)]
    pub batch_max: u64,
    /// What is said of everything that does not say it itself: `name=value`, with commas between them.
    #[config(env = "OTEL_RESOURCE_ATTRIBUTES")]
    pub resource_attributes: Option<String>,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP, in protobuf.
    Http,
}

/// What a configuration says, checked.
#[derive(Clone)]
pub(crate) struct Parsed {
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: Uri,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) timeout: Duration,
    pub(crate) delay: Duration,
    pub(crate) queue_max: usize,
    pub(crate) batch_max: usize,
}

fn refuse(field: &str, message: &str) -> SettingsError {
    SettingsError::Value {
        field: field.to_owned(),
        message: message.to_owned(),
    }
}

impl OpenTelemetryConfig {
    /// What it says; why not, without a word of an address or a header.
    pub(crate) fn parsed(&self) -> Result<Parsed, SettingsError> {
        check_range("timeout_ms", self.timeout_ms, 10..=60_000)?;
        check_range("delay_ms", self.delay_ms, 1..=60_000)?;
        check_range("queue_max", self.queue_max, 1..=100_000)?;
        check_range("batch_max", self.batch_max, 1..=10_000)?;
        if self.batch_max > self.queue_max {
            return Err(SettingsError::Together {
                message: "`batch_max` is at most `queue_max`".to_owned(),
            });
        }
        let protocol = match self.protocol.as_deref() {
            Some("grpc") => Protocol::Grpc,
            Some("http/protobuf") => Protocol::Http,
            None if self.endpoint.is_none() && self.grpc_url.is_some() => Protocol::Grpc,
            None => Protocol::Http,
            Some(_) => return Err(refuse("protocol", "it is `grpc` or `http/protobuf`")),
        };
        let (field, address) = match (&self.endpoint, &self.grpc_url) {
            (Some(endpoint), _) => ("endpoint", endpoint.reveal()),
            (None, Some(url)) => ("grpc_url", url.reveal()),
            (None, None) if protocol == Protocol::Grpc => ("endpoint", "http://127.0.0.1:4317"),
            (None, None) => ("endpoint", "http://127.0.0.1:4318"),
        };
        Ok(Parsed {
            protocol,
            endpoint: uri(field, address)?,
            headers: match &self.headers {
                Some(headers) => read_headers(headers.expose_secret())?,
                None => Vec::new(),
            },
            attributes: attributes(self.resource_attributes.as_deref().unwrap_or_default())?,
            timeout: Duration::from_millis(self.timeout_ms),
            delay: Duration::from_millis(self.delay_ms),
            queue_max: count(self.queue_max),
            batch_max: count(self.batch_max),
        })
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A URL with a host, and no password: where it needs one, that is a header.
fn uri(field: &str, address: &str) -> Result<Uri, SettingsError> {
    let message = "use a URL: http:// or https://, a host and a port, and nothing behind `?`";
    let uri = address.trim().parse::<Uri>();
    let uri = uri.map_err(|_quotes_it| refuse(field, message))?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().map_or("", |it| it.as_str());
    if !is_http || authority.is_empty() || authority.contains('@') || uri.query().is_some() {
        return Err(refuse(field, message));
    }
    Ok(uri)
}

/// `name=value` with commas between them, as W3C's baggage has it.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            let name = name.trim();
            (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
        })
        .collect()
}

fn read_headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, SettingsError> {
    let message = "use `name=value`, with commas between them";
    let refused = || refuse("headers", message);
    let pairs = pairs(text).ok_or_else(refused)?;
    let header = |(name, value): (String, String)| {
        let name = name.parse::<HeaderName>().ok()?;
        let mut value = value.parse::<HeaderValue>().ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    let headers: Option<Vec<_>> = pairs.into_iter().map(header).collect();
    headers.ok_or_else(refused)
}

fn attributes(text: &str) -> Result<Vec<Attribute>, SettingsError> {
    let message = "use `name=value`, with commas between them";
    let pairs = pairs(text).ok_or_else(|| refuse("resource_attributes", message))?;
    let pairs = pairs.into_iter();
    Ok(pairs
        .map(|(name, value)| Attribute::text(name, value))
        .collect())
}

impl Default for OpenTelemetryConfig {
    fn default() -> Self {
        Self::load(Settings::default()).expect("every setting has a default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut OpenTelemetryConfig)) -> Result<Parsed, String> {
        let mut config = OpenTelemetryConfig::default();
        change(&mut config);
        config.parsed().map_err(|error| error.to_string())
    }

    #[test]
    fn the_collector_and_how_it_is_spoken_to() {
        let of = |endpoint: Option<&str>, grpc: Option<&str>, protocol: Option<&str>| {
            with(|config| {
                config.endpoint = endpoint.map(ServiceAddress::new);
                config.grpc_url = grpc.map(ServiceAddress::new);
                config.protocol = protocol.map(str::to_owned);
            })
            .map(|parsed| (parsed.protocol, parsed.endpoint.to_string()))
        };
        let (grpc, http) = (Protocol::Grpc, Protocol::Http);
        for (endpoint, url, protocol, expected) in [
            (None, None, None, (http, "http://127.0.0.1:4318/")),
            (None, None, Some("grpc"), (grpc, "http://127.0.0.1:4317/")),
            (None, Some("http://a:1"), None, (grpc, "http://a:1/")),
            (
                Some("https://b/otlp"),
                Some("http://a:1"),
                None,
                (http, "https://b/otlp"),
            ),
            (
                Some("http://b:1"),
                None,
                Some("http/protobuf"),
                (http, "http://b:1/"),
            ),
        ] {
            let expected = (expected.0, expected.1.to_owned());
            assert_eq!(of(endpoint, url, protocol), Ok(expected));
        }
        for address in [
            "b:1",
            "ftp://b",
            "http://u:secret@b",
            "http://b?secret",
            "http://",
        ] {
            let error = of(Some(address), None, None).unwrap_err();
            assert!(
                error.contains("use a URL") && !error.contains("secret"),
                "{error}"
            );
        }
        assert!(of(None, None, Some("http/json")).is_err());
    }

    #[test]
    fn headers_are_read_and_never_told() {
        let parsed = with(|config| config.headers = Some("a=b%20c, X-Key = s%3Decret,".into()));
        let parsed = parsed.ok().unwrap();
        let value = |at: usize| parsed.headers[at].1.to_str().unwrap();
        assert_eq!((value(0), value(1)), ("b c", "s=ecret"));
        assert!(!format!("{:?}", parsed.headers).contains("ecret"));
        for headers in ["secret", "se cret=a", "a=secret%0a", "=secret"] {
            let error = with(|config| config.headers = Some(headers.into()))
                .err()
                .unwrap();
            assert!(
                error.contains("name=value") && !error.contains("secret"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        assert!(with(|config| config.batch_max = 4096).is_err());
        assert!(with(|config| config.queue_max = 0).is_err());
        assert!(with(|config| config.timeout_ms = 1).is_err());
        assert!(with(|config| config.resource_attributes = Some("a".to_owned())).is_err());
    }
}
