//! Heads on their way out and in.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request,
    uri::{self, PathAndQuery},
};
use wrt_http::{HttpError, strip_hop_by_hop, unknown_coding};
use wrt_protocol::TraceContext;

use crate::{origin::Origin, target::Target};

/// A request's head as it leaves this node. The host is written as it was checked; whether it is
/// already comes with it.
///
/// # Errors
/// A method that asks for a tunnel, and a path that makes no URI.
pub(crate) fn outgoing(
    mut head: request::Parts,
    target: &Target,
    trace: Option<&TraceContext>,
) -> Result<request::Parts, HttpError> {
    // Behind a tunnel is a host that nobody would check.
    if head.method == Method::CONNECT {
        return Err(HttpError::HttpRequestMethodInvalid);
    }
    if !(target.is_normal && head.uri.path_and_query().is_some_and(has_path)) {
        head.uri = normalised(&head.uri, &target.origin)?;
    }
    strip_hop_by_hop(&mut head.headers);
    // The client writes it, from the URI.
    head.headers.remove(header::HOST);
    if let Some(trace) = trace {
        add_trace(&mut head.headers, trace);
    }
    head.version = http::Version::HTTP_11;
    Ok(head)
}

fn has_path(target: &PathAndQuery) -> bool {
    !target.as_str().starts_with('?')
}

/// With the host as it was checked, and a path.
///
/// # Errors
/// What makes no URI.
pub(crate) fn normalised(uri: &Uri, target: &Origin) -> Result<Uri, HttpError> {
    let mut parts = uri::Parts::default();
    parts.scheme = uri.scheme().cloned();
    let authority = target.authority().parse();
    parts.authority = Some(authority.map_err(|_invalid| HttpError::HttpRequestUriInvalid)?);
    parts.path_and_query = Some(match uri.path_and_query() {
        Some(target) if has_path(target) => target.clone(),
        // A query alone is one of the root.
        Some(query) => PathAndQuery::from_maybe_shared(format!("/{}", query.as_str()))
            .map_err(|_invalid| HttpError::HttpRequestUriInvalid)?,
        None => PathAndQuery::from_static("/"),
    });
    Uri::from_parts(parts).map_err(|_invalid| HttpError::HttpRequestUriInvalid)
}

/// The call's own trace, unless the guest carries on one of its own.
pub(crate) fn add_trace(headers: &mut HeaderMap, trace: &TraceContext) {
    const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
    const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
    if headers.contains_key(TRACEPARENT) {
        return;
    }
    let Ok(parent) = HeaderValue::try_from(trace.to_string()) else {
        return;
    };
    headers.insert(TRACEPARENT, parent);
    headers.remove(TRACESTATE);
    let state = trace.state.as_deref().map(HeaderValue::try_from);
    if let Some(Ok(state)) = state {
        headers.insert(TRACESTATE, state);
    }
}

/// The length that a head announces.
///
/// # Errors
/// Lengths that are none, or that contradict each other.
pub(crate) fn announced(headers: &HeaderMap) -> Result<Option<u64>, HttpError> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let text = value.to_str().unwrap_or_default();
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let value = is_number.then(|| text.parse().ok()).flatten();
        let value: u64 = value.ok_or(HttpError::HttpProtocolError)?;
        if length.is_some_and(|length| length != value) {
            return Err(HttpError::HttpProtocolError);
        }
        length = Some(value);
    }
    Ok(length)
}

/// Checks what the client of HTTP does not, and leaves in the head of a response no word of its framing.
///
/// # Errors
/// A transfer coding besides chunks, which nobody would undo, and a head over its limit: the client
/// looks at its own only when it has to read on.
pub(crate) fn check_response(headers: &mut HeaderMap, bytes_max: u32) -> Result<(), HttpError> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        if let Some(coding) = unknown_coding(headers) {
            let coding = Some(coding.to_owned());
            return Err(HttpError::HttpResponseTransferCoding(coding));
        }
        // It says nothing beside chunks (RFC 9112, section 6.3), and would be wrong without them.
        headers.remove(header::CONTENT_LENGTH);
    }
    let fields = headers.iter();
    let bytes: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes > bytes_max as usize {
        return Err(HttpError::HttpResponseHeaderSectionSize(None));
    }
    Ok(())
}

/// Whether a request of this method says something with a body (RFC 9110, section 9.3).
pub(crate) fn has_meaningful_body(method: &Method) -> bool {
    !matches!(
        *method,
        Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS | Method::TRACE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> Result<request::Parts, HttpError> {
        let mut request = http::Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let target = Target::of(&parts.uri)?;
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceContext::parse(trace, Some("vendor=1")).unwrap();
        outgoing(parts, &target, Some(&trace))
    }

    #[test]
    fn the_host_is_written_as_it_was_checked() {
        for (uri, expected) in [
            ("http://A.Test.:80/x?y", "http://a.test/x?y"),
            ("https://a.test:80", "https://a.test:80/"),
            ("http://a.test:80/x", "http://a.test/x"),
            ("http://a.test:8080/x", "http://a.test:8080/x"),
            ("http://a.test:08080/x", "http://a.test:8080/x"),
            ("http://a.test:/x", "http://a.test/x"),
            ("http://1.2.3.4:80/x", "http://1.2.3.4/x"),
            ("http://1.2.3.4.:81/x", "http://1.2.3.4:81/x"),
            ("http://1.2.3.4:81/x", "http://1.2.3.4:81/x"),
            ("http://a.test?y", "http://a.test/?y"),
            ("http://[::ffff:1.2.3.4]:81/", "http://1.2.3.4:81/"),
        ] {
            let head = head(uri, &[("host", "b.test")]).unwrap();
            assert_eq!(head.uri, expected);
            // As a text a query alone looks as if there was a path.
            let target = head.uri.path_and_query().unwrap();
            assert!(target.as_str().starts_with('/'), "{uri}");
            assert!(!head.headers.contains_key(header::HOST));
        }
    }

    #[test]
    fn a_guests_own_trace_is_kept() {
        let own = "00-11111111111111111111111111111111-2222222222222222-00";
        let kept = head("http://a.test/", &[("traceparent", own)]).unwrap();
        assert_eq!(kept.headers["traceparent"], own);
        assert!(!kept.headers.contains_key("tracestate"));
        let added = head("http://a.test/", &[("tracestate", "stray=1")]).unwrap();
        assert_eq!(added.headers["tracestate"], "vendor=1");
    }

    #[test]
    fn lengths_agree_or_are_refused() {
        for (values, expected) in [
            (&[][..], Ok(None)),
            (&["5"], Ok(Some(5))),
            (&["5", "5"], Ok(Some(5))),
            (&["5", "6"], Err(HttpError::HttpProtocolError)),
            (&["+5"], Err(HttpError::HttpProtocolError)),
            (&[""], Err(HttpError::HttpProtocolError)),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_LENGTH, value.parse().unwrap());
            }
            assert_eq!(announced(&headers), expected, "{values:?}");
        }
    }
}
