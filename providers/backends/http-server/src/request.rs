//! A request as it came in, made into one that a handler takes.

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version, header,
    uri::{self, Authority},
};
use http_body::Body as _;
use wrt_contract::{Body, BodyFrame};
use wrt_http::{from_http, strip_hop_by_hop, unknown_coding};
use wrt_protocol::{Fault, FaultKind, Hop, TraceContext};

use crate::{config::HttpServerConfig, request_body::RequestBody};

/// Why a request is answered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) text: &'static str,
}

const NO_HOST: Refused = Refused {
    status: StatusCode::BAD_REQUEST,
    text: "one host header is needed",
};
const TOO_MANY_FIELDS: Refused = Refused {
    status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    text: "too many header fields",
};
const BODY_TOO_LARGE: Refused = Refused {
    status: StatusCode::PAYLOAD_TOO_LARGE,
    text: "body too large",
};
const CODING_UNKNOWN: Refused = Refused {
    status: StatusCode::NOT_IMPLEMENTED,
    text: "no transfer coding but chunked is known",
};

const MALFORMED: Refused = Refused {
    status: StatusCode::BAD_REQUEST,
    text: "malformed target",
};

/// The request for a handler: its URI names scheme and authority, its fields are those of the message
/// alone, its body is bounded.
pub(crate) fn for_handler(
    request: http::Request<RequestBody>,
    config: &HttpServerConfig,
) -> Result<http::Request<Body>, Refused> {
    let body_bytes_max = config.request_body_bytes_max;
    let (mut parts, body) = request.into_parts();
    // HTTP/2 knows a limit of bytes alone.
    if parts.headers.len() > config.headers_max as usize {
        return Err(TOO_MANY_FIELDS);
    }
    parts.uri = absolute(parts.uri, &parts.headers, parts.version)?;
    if unknown_coding(&parts.headers).is_some() {
        return Err(CODING_UNKNOWN);
    }
    strip_hop_by_hop(&mut parts.headers);
    // The server has met it already: the body flows as soon as it is asked for.
    parts.headers.remove(header::EXPECT);
    let length = body.size_hint().exact();
    if length.is_some_and(|length| length > body_bytes_max) {
        return Err(BODY_TOO_LARGE);
    }
    let body = if body.is_end_stream() {
        Body::empty()
    } else {
        flowing(body, length, body_bytes_max)
    };
    let mut request = http::Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.headers_mut() = parts.headers;
    Ok(request)
}

fn flowing(body: RequestBody, length: Option<u64>, body_bytes_max: u64) -> Body {
    let body = from_http(body, length, |error: hyper::Error| {
        let kind = if error.is_parse() {
            FaultKind::Malformed
        } else {
            FaultKind::Disconnected
        };
        Fault::maybe_executed(kind, Hop::Stream, format!("body of the request: {error}"))
    });
    match length {
        Some(_) => body,
        None => bounded(body, body_bytes_max),
    }
}

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// The place in a trace that the client names.
pub(crate) fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACE_PARENT).iter();
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    // A list may be spread over several fields; together they are one.
    let states: Vec<_> = headers
        .get_all(TRACE_STATE)
        .iter()
        .filter_map(|state| state.to_str().ok())
        .collect();
    TraceContext::parse(parent, Some(&states.join(",")))
}

/// With scheme and authority: from the target itself or, where it has none, from `host`. HTTP/1.1 needs
/// a `host` beside a target that has one, too (RFC 9112, section 3.2). A client of HTTP/1.0 need not
/// name any, and then there is none to add.
fn absolute(uri: Uri, headers: &HeaderMap, version: Version) -> Result<Uri, Refused> {
    let mut parts = uri.into_parts();
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().map(host_of).transpose()?;
    if hosts.next().is_some() || (host.is_none() && version == Version::HTTP_11) {
        return Err(NO_HOST);
    }
    let authority = match (parts.authority.take(), host) {
        (Some(authority), _) if !names_a_host(&authority) => return Err(NO_HOST),
        (Some(authority), _) | (None, Some(authority)) => authority,
        (None, None) if version < Version::HTTP_11 => Authority::from_static("localhost"),
        (None, None) => return Err(NO_HOST),
    };
    parts.authority = Some(authority);
    parts.scheme.get_or_insert(uri::Scheme::HTTP);
    parts.path_and_query = Some(match parts.path_and_query.take() {
        None => uri::PathAndQuery::from_static("/"),
        // A target that has a host need not have a path, and then its path is the root.
        Some(query) if query.as_str().starts_with('?') => {
            let path = uri::PathAndQuery::from_maybe_shared(format!("/{}", query.as_str()));
            path.map_err(|_invalid| MALFORMED)?
        }
        Some(path) => path,
    });
    Uri::from_parts(parts).map_err(|_invalid| MALFORMED)
}

fn host_of(field: &HeaderValue) -> Result<Authority, Refused> {
    let text = field.to_str().map_err(|_not_text| NO_HOST)?;
    let host: Authority = text.parse().map_err(|_invalid| NO_HOST)?;
    names_a_host(&host).then_some(host).ok_or(NO_HOST)
}

/// A host, and no user before it: to a reader that hides the host (RFC 9110, section 4.2.4).
fn names_a_host(authority: &Authority) -> bool {
    !authority.host().is_empty() && !authority.as_str().contains('@')
}

/// `body`, which ends with a fault where it goes over `bytes_max`.
fn bounded(body: Body, bytes_max: u64) -> Body {
    let mut left = bytes_max;
    let check = move |frame: Result<BodyFrame, Fault>| {
        if let Ok(BodyFrame::Data(bytes)) = &frame {
            left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                let detail = format!("body of the request is over the limit of {bytes_max} bytes");
                Fault::maybe_executed(FaultKind::TooLarge, Hop::Stream, detail)
            })?;
        }
        frame
    };
    Body::new(None, futures::StreamExt::map(body, check))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_target_becomes_absolute() {
        let ten = Version::HTTP_10;
        let eleven = Version::HTTP_11;
        let two = Version::HTTP_2;
        for (version, target, hosts, expected) in [
            (
                eleven,
                "/x?y",
                vec!["a.test:1"],
                Some("http://a.test:1/x?y"),
            ),
            (
                eleven,
                "http://b.test/x",
                vec!["a.test"],
                Some("http://b.test/x"),
            ),
            (eleven, "*", vec!["a.test"], Some("http://a.test*")),
            (eleven, "/x", vec![], None),
            (eleven, "/x", vec![""], None),
            (eleven, "/x", vec!["a.test", "b.test"], None),
            (eleven, "/x", vec!["a b"], None),
            (eleven, "/x", vec!["me@a.test"], None),
            (eleven, "http://b.test/x", vec![], None),
            (eleven, "http://b.test/x", vec!["a b"], None),
            (eleven, "http://b.test/x", vec!["me@a.test"], None),
            (eleven, "http://me:secret@b.test/x", vec!["b.test"], None),
            (
                eleven,
                "http://b.test?x=1",
                vec!["b.test"],
                Some("http://b.test/?x=1"),
            ),
            (
                eleven,
                "http://b.test",
                vec!["b.test"],
                Some("http://b.test/"),
            ),
            (two, "http://b.test?x=1", vec![], Some("http://b.test/?x=1")),
            (two, "http://b.test/x", vec![], Some("http://b.test/x")),
            (two, "http://me@b.test/x", vec![], None),
            (two, "/x", vec![], None),
            (ten, "http://b.test/x", vec![], Some("http://b.test/x")),
            (ten, "/x", vec![], Some("http://localhost/x")),
        ] {
            let hosts: Vec<_> = hosts.into_iter().map(|host| ("host", host)).collect();
            let uri = absolute(target.parse().unwrap(), &headers(&hosts), version);
            // As a text a query alone looks as if there was a path.
            let path = uri
                .as_ref()
                .ok()
                .map(|uri| uri.path_and_query().unwrap().as_str());
            assert!(
                path.is_none_or(|path| path.starts_with(['/', '*'])),
                "{target} {path:?}"
            );
            assert_eq!(
                uri.ok().map(|uri| uri.to_string()).as_deref(),
                expected,
                "{target} {hosts:?}"
            );
        }
    }

    #[test]
    fn a_trace_is_taken_over() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = trace_of(&headers(&[
            ("traceparent", parent),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
        ]));
        let trace = trace.unwrap();
        assert_eq!(trace.to_string(), parent);
        assert_eq!(trace.state.as_deref(), Some("a=1,b=2"));
        assert_eq!(trace_of(&headers(&[("traceparent", "x")])), None);
        assert_eq!(
            trace_of(&headers(&[
                ("traceparent", parent),
                ("traceparent", parent)
            ])),
            None
        );
    }
}
