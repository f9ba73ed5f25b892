//! `--view`: the lattice as a web page that changes nothing. All of it comes from this node.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use wrt_contract::measure_calls;

use super::{
    args::ListenAddress,
    exit::Failure,
    output::Output,
    port::{Port, text},
};
use crate::{Node, SeenLattice};

/// Each of what the page is made of: where it is, its type, and its text.
const FILES: [(&str, &str, &str); 3] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("view/page.html"),
    ),
    (
        "/view.css",
        "text/css; charset=utf-8",
        include_str!("view/view.css"),
    ),
    (
        "/view.js",
        "text/javascript; charset=utf-8",
        include_str!("view/view.js"),
    ),
];

/// Nothing of the page comes from elsewhere, goes elsewhere, or is shown within another page; and no text of a
/// manifest or a node is a script, whatever it holds.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

type Source = Arc<dyn Fn() -> SeenLattice + Send + Sync>;

/// Shows it, where somebody wants to see it, until it is dropped.
pub(super) struct Shown(Option<Port>);

impl Shown {
    /// Takes the address that was asked for.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub(super) async fn listen(address: Option<ListenAddress>) -> Result<Self, Failure> {
        Ok(Self(match address {
            Some(address) => Some(Port::bind(address, "the lattice", "--view").await?),
            None => None,
        }))
    }

    /// Shows what `node` sees from now on.
    pub(super) fn show(&mut self, node: &Node, output: Output) {
        let Some(port) = &mut self.0 else {
            return;
        };
        measure_calls();
        let address = port.address();
        output.progress(&format!("the lattice is shown at http://{address}/"));
        let source: Source = Arc::new(node.seen());
        port.serve(Arc::new(move |request| {
            match is_meant(request.headers(), address) {
                true => page(request.uri().path(), &source),
                false => text(StatusCode::FORBIDDEN, "this host is not this one's name\n"),
            }
        }));
    }
}

/// Whether a request is for this port. A page of somebody's own, whose name leads here by now, asks for that
/// name; who is on this machine alone has none, and is asked for as `localhost` or by an address.
fn is_meant(headers: &HeaderMap, address: SocketAddr) -> bool {
    if !address.ip().is_loopback() {
        return true;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let Some(host) = host.and_then(|host| host.parse::<http::uri::Authority>().ok()) else {
        return false;
    };
    let host = host.host().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok()
}

fn page(path: &str, source: &Source) -> Response<Full<Bytes>> {
    if path == "/lattice.json" {
        return match serde_json::to_vec(&source()) {
            Ok(json) => of("application/json", Bytes::from(json)),
            Err(error) => {
                tracing::error!(%error, "what is seen of the lattice has no JSON form");
                text(StatusCode::INTERNAL_SERVER_ERROR, "it has no JSON form\n")
            }
        };
    }
    match FILES.into_iter().find(|(known, ..)| *known == path) {
        Some((_, kind, text)) => of(kind, Bytes::from_static(text.as_bytes())),
        None => text(StatusCode::NOT_FOUND, "there is / and /lattice.json\n"),
    }
}

fn of(kind: &'static str, bytes: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_this_machine_alone_it_answers_to_no_name_but_its_own() {
        let asked = |host: &str, address: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            is_meant(&headers, address.parse().unwrap())
        };
        for (host, expected) in [
            ("localhost:9000", true),
            ("localhost", true),
            ("127.0.0.1:9000", true),
            ("[::1]:9000", true),
            ("evil.example:9000", false),
            ("localhost.evil.example", false),
            ("a b", false),
        ] {
            assert_eq!(asked(host, "127.0.0.1:9000"), expected, "{host}");
            assert!(asked(host, "0.0.0.0:9000"), "{host}");
        }
        let nobody = is_meant(&HeaderMap::new(), "127.0.0.1:1".parse().unwrap());
        assert!(!nobody);
    }

    #[test]
    fn the_page_fetches_nothing_from_elsewhere() {
        for (path, _, text) in FILES {
            assert!(!text.contains("://"), "{path}");
            assert!(!text.contains("innerHTML"), "{path}");
        }
    }
}
