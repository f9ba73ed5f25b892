//! Where requests do not go.

use std::{collections::BTreeMap, sync::Arc};

use wrt_contract::Body;
use wrt_http::{HttpClient, HttpError};
use wrt_http_client::{HttpClientConfig, HyperClient};

use crate::{
    server::{answer, serve},
    support::{both_ways, config, get, request, rules, send, text},
};

fn pinned(name: &str, address: &str) -> BTreeMap<String, Vec<std::net::IpAddr>> {
    BTreeMap::from([(name.to_owned(), vec![address.parse().unwrap()])])
}

#[tokio::test]
async fn nothing_is_reached_that_no_rule_names() {
    let server = serve(|_| async { answer("secret") }).await;
    let port = server.address.port();
    for (allow, host, expected) in [
        (&[][..], "127.0.0.1", HttpError::HttpRequestDenied),
        (&["*:*"], "127.0.0.1", HttpError::HttpRequestDenied),
        (&["0.0.0.0/0:*"], "127.0.0.1", HttpError::HttpRequestDenied),
        (&["127.0.0.1"], "127.0.0.1", HttpError::HttpRequestDenied),
        (&["127.0.0.1:*"], "a.test", HttpError::HttpRequestDenied),
        (&["a.test:*"], "a.test", HttpError::DestinationIpProhibited),
        (
            &["*:*", "0.0.0.0/0:*"],
            "a.test",
            HttpError::DestinationIpProhibited,
        ),
        (&["*:*"], "localhost", HttpError::DestinationIpProhibited),
        (&["*:*"], "127.1", HttpError::DestinationIpProhibited),
        (&["*:*"], "[::ffff:127.0.0.1]", HttpError::HttpRequestDenied),
    ] {
        let config = HttpClientConfig {
            allow: rules(allow),
            resolve: pinned("a.test", "127.0.0.1"),
            ..crate::support::config()
        };
        for (way, client) in both_ways(config).await {
            let error = get(&client, format!("http://{host}:{port}/"))
                .await
                .map(drop);
            assert_eq!(error, Err(expected.clone()), "{way} {allow:?} {host}");
        }
    }
}

#[tokio::test]
async fn a_private_address_is_reached_when_both_are_named() {
    let server =
        serve(|request| async move { answer(request.headers()["host"].as_bytes().to_vec()) }).await;
    let port = server.address.port();
    let config = HttpClientConfig {
        allow: rules(&["*.test:*", "127.0.0.0/8:*"]),
        resolve: pinned("a.test", "127.0.0.1"),
        ..crate::support::config()
    };
    for (way, client) in both_ways(config).await {
        for host in ["a.test", "A.TEST."] {
            let (_, body) = get(&client, format!("http://{host}:{port}/"))
                .await
                .unwrap();
            assert_eq!(text(body).await, format!("a.test:{port}"), "{way}");
        }
    }
}

/// A tunnel would lead to a host that nobody has looked at.
#[tokio::test]
async fn what_is_no_request_for_a_host_is_refused() {
    let ways = both_ways(config()).await;
    let server = serve(|_| async { answer("") }).await;
    let host = server.address;
    for (method, uri, expected) in [
        (
            "CONNECT",
            format!("http://{host}/"),
            HttpError::HttpRequestMethodInvalid,
        ),
        (
            "GET",
            format!("http://user@{host}/"),
            HttpError::HttpRequestUriInvalid,
        ),
        (
            "GET",
            "http://127.0.0.1:99999/".to_owned(),
            HttpError::HttpRequestUriInvalid,
        ),
        (
            "GET",
            "ftp://127.0.0.1/".to_owned(),
            HttpError::HttpProtocolError,
        ),
    ] {
        for (way, client) in &ways {
            let sent = send(client, request(method, &uri, Body::empty())).await;
            assert_eq!(sent.map(drop), Err(expected.clone()), "{way} {uri}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_is_counted() {
    let client = Arc::new(HyperClient::new(HttpClientConfig::default()).await.unwrap());
    let as_client: Arc<dyn HttpClient> = Arc::clone(&client) as _;
    get(&as_client, "http://a.test/")
        .await
        .map(drop)
        .unwrap_err();
    let counts = client.counts();
    assert_eq!(
        (counts.requests, counts.denied, counts.connections),
        (1, 1, 0)
    );
}
