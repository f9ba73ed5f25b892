//! Header fields that belong to a connection and not to a message.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
};

/// RFC 9110, section 7.6.1, and the fields that a proxy reads itself.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "transfer-encoding",
    "upgrade",
];

/// Takes out what is for one connection only, and what `connection` says is. Of `te` it leaves
/// `trailers`, which every connection of ours can do and a gRPC peer asks for.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Most heads have none: a look at the names there are costs less than one for each of these.
    let is_of_hop = |name: &HeaderName| *name == header::TE || HOP_BY_HOP.contains(&name.as_str());
    if !headers.keys().any(is_of_hop) {
        return;
    }
    let named: Vec<HeaderName> = listed(headers, header::CONNECTION)
        .filter_map(|name| name.parse().ok())
        // Framing and routing are not a peer's to take away, and `te` is looked at below.
        .filter(|name| ![header::HOST, header::CONTENT_LENGTH, header::TE].contains(name))
        .collect();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    for name in named {
        headers.remove(name);
    }
    let takes_trailers = listed(headers, header::TE).any(|te| te.eq_ignore_ascii_case("trailers"));
    if let Entry::Occupied(mut te) = headers.entry(header::TE) {
        if takes_trailers {
            te.insert(HeaderValue::from_static("trailers"));
        } else {
            te.remove_entry_mult();
        }
    }
}

/// A transfer coding besides chunks: nobody here undoes one, so a body in it is not what its head says.
#[must_use]
pub fn unknown_coding(headers: &HeaderMap) -> Option<&str> {
    listed(headers, header::TRANSFER_ENCODING)
        .find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("chunked"))
}

/// The members of a field that is a list.
fn listed(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(headers: &[(&'static str, &str)]) -> Vec<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        strip_hop_by_hop(&mut map);
        let mut left: Vec<_> = map
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        left.sort_unstable();
        left
    }

    #[test]
    fn what_belongs_to_the_connection_stays_there() {
        let left = left(&[
            ("connection", "close, X-Private"),
            ("connection", "content-length, host, TE"),
            ("x-private", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic x"),
            ("upgrade", "h2c"),
            ("host", "a.test"),
            ("content-length", "3"),
            ("x-kept", "1"),
        ]);
        let kept = [
            "content-length: 3",
            "host: a.test",
            "te: trailers",
            "x-kept: 1",
        ];
        assert_eq!(left, kept);
    }

    #[test]
    fn of_te_only_trailers_goes_on() {
        for (values, expected) in [
            (&["gzip"][..], &[][..]),
            (&["gzip;q=0.5, Trailers"], &["te: trailers"]),
            (&["trailers", "deflate"], &["te: trailers"]),
            (&[], &[]),
        ] {
            let headers: Vec<_> = values.iter().map(|value| ("te", *value)).collect();
            assert_eq!(left(&headers), expected, "{values:?}");
        }
    }
}
