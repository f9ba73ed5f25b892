//! The opening handshake of RFC 6455, as far as it is the same for all peers.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, uri::Authority};
use http_body::Body as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::WebSocketOptions;
use crate::{request::Refused, request_body::RequestBody};

/// The version that is spoken.
pub(super) const VERSION: &str = "13";

const OTHER_VERSION: Refused = Refused {
    status: StatusCode::UPGRADE_REQUIRED,
    text: "version 13 of websockets is spoken here",
};
const BAD_KEY: Refused = Refused {
    status: StatusCode::BAD_REQUEST,
    text: "one key of 16 bytes in base64 is needed",
};
const NO_GET: Refused = Refused {
    status: StatusCode::BAD_REQUEST,
    text: "a websocket is asked for by GET, without a body",
};

/// What a request asks for that asks for a websocket.
pub(crate) struct Asked {
    is_get: bool,
    version: Option<HeaderValue>,
    key: Option<HeaderValue>,
    pub(super) protocols: Vec<String>,
}

impl Asked {
    /// What `request` asks for, if it is a websocket.
    pub(crate) fn of(request: &http::Request<RequestBody>) -> Option<Self> {
        let headers = request.headers();
        if !has_token(headers, header::UPGRADE, "websocket")
            || !has_token(headers, header::CONNECTION, "upgrade")
        {
            return None;
        }
        let protocols = tokens(headers, header::SEC_WEBSOCKET_PROTOCOL);
        Some(Self {
            is_get: request.method() == Method::GET && request.body().is_end_stream(),
            version: one(headers, header::SEC_WEBSOCKET_VERSION).cloned(),
            key: one(headers, header::SEC_WEBSOCKET_KEY).cloned(),
            protocols: protocols.map(str::to_owned).collect(),
        })
    }

    /// What its key is answered with.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<HeaderValue, Refused> {
        if !self.is_get {
            return Err(NO_GET);
        }
        if self
            .version
            .as_ref()
            .is_none_or(|version| version != VERSION)
        {
            return Err(OTHER_VERSION);
        }
        let key = self.key.as_ref().filter(|key| is_key(key.as_bytes()));
        let answer = derive_accept_key(key.ok_or(BAD_KEY)?.as_bytes());
        HeaderValue::try_from(answer).map_err(|_illegal| BAD_KEY)
    }
}

/// Whether it is 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key[..22].iter().all(is_digit) && &key[22..] == b"=="
}

/// The one value of a field that must not come twice.
fn one(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    first.filter(|_| values.next().is_none())
}

fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let tokens = texts.flat_map(|text| text.split(','));
    tokens.map(str::trim).filter(|token| !token.is_empty())
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|it| it.eq_ignore_ascii_case(token))
}

/// Whether a page of the origin that the request names may connect. A browser always names one, and sends the
/// user's cookies along whatever page asks: so a page of elsewhere is let in only by name.
pub(super) fn is_origin_allowed(
    options: &WebSocketOptions,
    headers: &HeaderMap,
    host: Option<&Authority>,
) -> bool {
    if !headers.contains_key(header::ORIGIN) {
        return true;
    }
    let origin = one(headers, header::ORIGIN).and_then(|origin| origin.to_str().ok());
    match (&options.origins, origin) {
        (Some(origins), _) if origins.iter().any(|it| it == "*") => true,
        (_, None) => false,
        (Some(origins), Some(origin)) => origins
            .iter()
            .any(|known| known.eq_ignore_ascii_case(origin)),
        (None, Some(origin)) => host.is_some_and(|host| is_of_host(origin, host)),
    }
}

/// Whether a page of `origin` was had from `host`. Its scheme is not known here: TLS may end in front.
fn is_of_host(origin: &str, host: &Authority) -> bool {
    let Some((scheme, rest)) = origin.split_once("://") else {
        return false;
    };
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Ok(origin) = rest.parse::<Authority>() else {
        return false;
    };
    let place = |of: &Authority| {
        let name = of.host().to_ascii_lowercase();
        (name, of.port_u16().unwrap_or(port))
    };
    place(&origin) == place(host)
}

/// What a component is told of a request's header: all but the handshake's own fields.
pub(super) fn told(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let fields = headers.iter();
    let fields = fields.filter(|(name, _)| !name.as_str().starts_with("sec-websocket-"));
    fields
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_elsewhere_are_let_in_by_name_alone() {
        for (allowed, origin, host, expected) in [
            (None, "http://a.test:8080", "a.test:8080", true),
            (None, "http://A.test", "a.test", true),
            (None, "http://a.test", "a.test:80", true),
            (None, "https://a.test", "a.test:443", true),
            (None, "https://a.test", "a.test", true),
            (None, "http://[::1]:80", "[::1]", true),
            (None, "http://a.test:8080", "a.test", false),
            (None, "http://b.test", "a.test", false),
            (None, "http://a.test.evil.test", "a.test", false),
            (None, "null", "a.test", false),
            (None, "file://", "a.test", false),
            (None, "", "a.test", false),
            (
                Some(vec!["https://shop.test"]),
                "https://shop.test",
                "a.test",
                true,
            ),
            (
                Some(vec!["https://shop.test"]),
                "https://shop.test:1",
                "a.test",
                false,
            ),
            (
                Some(vec!["https://shop.test"]),
                "http://shop.test",
                "a.test",
                false,
            ),
            (
                Some(vec!["https://shop.test"]),
                "http://a.test",
                "a.test",
                false,
            ),
            (Some(vec!["*"]), "null", "a.test", true),
            (Some(vec![]), "http://a.test", "a.test", false),
        ] {
            let origins = allowed.clone();
            let origins = origins.map(|it| it.into_iter().map(str::to_owned).collect());
            let options = WebSocketOptions {
                origins,
                ..WebSocketOptions::default()
            };
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, origin.parse().expect("a value"));
            let host = host.parse().expect("an authority");
            let is_allowed = is_origin_allowed(&options, &headers, Some(&host));
            assert_eq!(is_allowed, expected, "{allowed:?} {origin} {host}");
            headers.append(header::ORIGIN, origin.parse().expect("a value"));
            let any = allowed == Some(vec!["*"]);
            assert_eq!(is_origin_allowed(&options, &headers, Some(&host)), any);
        }
        let none = is_origin_allowed(&WebSocketOptions::default(), &HeaderMap::new(), None);
        assert!(none, "who is no browser names none");
    }

    #[test]
    fn a_key_is_sixteen_bytes() {
        for (key, expected) in [
            ("dGhlIHNhbXBsZSBub25jZQ==", true),
            ("dGhlIHNhbXBsZSBub25jZQ=", false),
            ("dGhlIHNhbXBsZSBub25jZQ", false),
            ("dGhlIHNhbXBsZSBub25j====", false),
            ("dGhlIHNhbXBsZSBub25 ZQ==", false),
            ("", false),
        ] {
            assert_eq!(is_key(key.as_bytes()), expected, "{key:?}");
        }
    }
}
