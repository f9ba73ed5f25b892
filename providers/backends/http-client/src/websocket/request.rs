//! The request that asks a server for a websocket.

use http::{HeaderName, HeaderValue, Uri, header};
use tokio_tungstenite::tungstenite::{client::IntoClientRequest, handshake::client};
use wrt_http::{HttpError, strip_hop_by_hop};
use wrt_protocol::TraceContext;
use wrt_websocket::{Connecting, WebSocketError};

use crate::{Origin, head};

/// A request, and whom it is for.
pub(super) struct Request {
    pub(super) origin: Origin,
    /// The same URL in the scheme of HTTP, by which it is connected to.
    pub(super) over_http: Uri,
    pub(super) head: client::Request,
}

impl Request {
    /// What is to be asked, with the host as it will be checked.
    ///
    /// # Errors
    /// [`WebSocketError::BadRequest`].
    pub(super) fn of(
        connecting: &Connecting,
        trace: Option<&TraceContext>,
    ) -> Result<Self, WebSocketError> {
        let url = connecting.url.as_str();
        let no_url = |_| bad(format!("{url:?} is no URL of a websocket"));
        // Nothing behind it would be sent (RFC 6455, section 3).
        if url.contains('#') {
            return Err(no_url(HttpError::HttpRequestUriInvalid));
        }
        let (over_http, scheme) = over_http(url).map_err(no_url)?;
        let origin = Origin::of(&over_http).map_err(no_url)?;
        let over_http = head::normalised(&over_http, &origin).map_err(no_url)?;
        let request = with_scheme(over_http.clone(), scheme).map_err(no_url)?;
        let request = request.into_client_request();
        let mut head = request.map_err(|error| bad(error.to_string()))?;
        let mut fields = http::HeaderMap::new();
        for (name, value) in &connecting.headers {
            let (name, value) = field(name, value)?;
            fields.append(name, value);
        }
        strip_hop_by_hop(&mut fields);
        if let Some(trace) = trace {
            head::add_trace(&mut fields, trace);
        }
        head.headers_mut().extend(fields);
        if let Some(protocols) = protocols(&connecting.protocols)? {
            let name = header::SEC_WEBSOCKET_PROTOCOL;
            head.headers_mut().insert(name, protocols);
        }
        Ok(Self {
            origin,
            over_http,
            head,
        })
    }
}

fn bad(words: String) -> WebSocketError {
    WebSocketError::BadRequest(words)
}

/// The URL in the scheme of HTTP, and its own scheme.
fn over_http(url: &str) -> Result<(Uri, &'static str), HttpError> {
    let invalid = HttpError::HttpRequestUriInvalid;
    let uri: Uri = url.parse().map_err(|_invalid| invalid.clone())?;
    let scheme = uri.scheme_str().ok_or(invalid)?.to_ascii_lowercase();
    let (scheme, of_http) = match scheme.as_str() {
        "ws" => ("ws", "http"),
        "wss" => ("wss", "https"),
        _ => return Err(HttpError::HttpProtocolError),
    };
    Ok((with_scheme(uri, of_http)?, scheme))
}

fn with_scheme(uri: Uri, scheme: &'static str) -> Result<Uri, HttpError> {
    let mut parts = uri.into_parts();
    parts.scheme = scheme.parse().ok();
    Uri::from_parts(parts).map_err(|_invalid| HttpError::HttpRequestUriInvalid)
}

/// A field of the header, if it is for a component to say.
fn field(name: &str, value: &[u8]) -> Result<(HeaderName, HeaderValue), WebSocketError> {
    let no_field = || {
        bad(format!(
            "{name:?} is no field of a header, or its value is none"
        ))
    };
    let (Ok(known), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value))
    else {
        return Err(no_field());
    };
    let is_of_handshake = known.as_str().starts_with("sec-websocket-")
        || [header::HOST, header::CONTENT_LENGTH].contains(&known);
    match is_of_handshake {
        true => Err(bad(format!("the field {name:?} is the handshake's own"))),
        false => Ok((known, value)),
    }
}

/// The field that offers subprotocols, which are tokens, each of them once.
fn protocols(offered: &[String]) -> Result<Option<HeaderValue>, WebSocketError> {
    if offered.is_empty() {
        return Ok(None);
    }
    for (at, protocol) in offered.iter().enumerate() {
        // The name of a field is a token as well.
        let is_token = HeaderName::from_bytes(protocol.as_bytes()).is_ok();
        if !is_token || offered[..at].contains(protocol) {
            let words = format!("{protocol:?} is no subprotocol, or is there twice");
            return Err(bad(words));
        }
    }
    let offered = HeaderValue::try_from(offered.join(", "));
    offered.map(Some).map_err(|error| bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str) -> Connecting {
        Connecting {
            url: url.to_owned(),
            ..Connecting::default()
        }
    }

    fn refused(connecting: &Connecting) -> String {
        match Request::of(connecting, None) {
            Err(WebSocketError::BadRequest(words)) => words,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{connecting:?} is taken"),
        }
    }

    #[test]
    fn the_host_is_asked_for_as_it_is_checked() {
        for (url, over_http, host, path) in [
            ("ws://a.test", "http://a.test/", "a.test", "/"),
            ("WS://A.Test.:80/x?y", "http://a.test/x?y", "a.test", "/x?y"),
            ("wss://a.test:443/x", "https://a.test/x", "a.test", "/x"),
            (
                "wss://a.test:80?y",
                "https://a.test:80/?y",
                "a.test:80",
                "/?y",
            ),
            ("ws://[::1]:81/", "http://[::1]:81/", "[::1]:81", "/"),
        ] {
            let request = Request::of(&request(url), None).unwrap();
            assert_eq!(request.over_http, over_http, "{url}");
            assert_eq!(request.head.headers()["host"], host, "{url}");
            let asked = request.head.uri().path_and_query().unwrap();
            assert_eq!(asked.as_str(), path, "{url}");
            assert_eq!(request.origin.authority(), host, "{url}");
        }
    }

    #[test]
    fn what_is_no_request_for_a_websocket_is_refused() {
        for url in [
            "",
            "/",
            "a.test",
            "http://a.test",
            "ws://",
            "ws://user@a.test/",
            "ws://a.test:0/",
            "ws://a.test/#x",
            "ws://a b/",
        ] {
            let told = refused(&request(url));
            assert!(told.contains(&format!("{url:?}")), "{told}");
        }
        for (name, value) in [
            ("sec-websocket-key", "x"),
            ("Sec-WebSocket-Protocol", "x"),
            ("host", "b.test"),
            ("content-length", "5"),
            ("a b", "x"),
            ("", "x"),
            ("x", "a\r\nb: c"),
        ] {
            let headers = vec![(name.to_owned(), value.into())];
            let told = refused(&Connecting {
                headers,
                ..request("ws://a.test")
            });
            assert!(told.contains(&format!("{name:?}")), "{told}");
        }
        for protocols in [vec![""], vec!["a b"], vec!["a,b"], vec!["a", "a"]] {
            let protocols = protocols.into_iter().map(str::to_owned).collect();
            refused(&Connecting {
                protocols,
                ..request("ws://a.test")
            });
        }
    }

    #[test]
    fn fields_and_subprotocols_go_along() {
        let headers = [
            ("authorization", "x"),
            ("connection", "close, x-one"),
            ("x-one", "1"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.into()));
        let protocols = ["b", "A"].map(str::to_owned);
        let connecting = Connecting {
            headers: headers.into(),
            protocols: protocols.into(),
            ..request("ws://a.test")
        };
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(trace, None).unwrap();
        let request = Request::of(&connecting, Some(&context)).unwrap();
        let sent = request.head.headers();
        assert_eq!(sent["authorization"], "x");
        assert_eq!(sent["traceparent"], trace);
        assert_eq!(sent["sec-websocket-protocol"], "b, A");
        assert_eq!(
            sent["connection"], "Upgrade",
            "what is for one connection is ours"
        );
        assert!(!sent.contains_key("x-one"));
    }
}
