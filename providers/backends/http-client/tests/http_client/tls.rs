//! Whom the client trusts over TLS.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use wrt_http::HttpError;
use wrt_http_client::{Http2, HttpClientConfig, HyperClient};

use crate::{
    server::{Server, answer, serve, serve_tls},
    support::{both_ways, get, rules, text},
};

/// What a server at `a.test` needs that speaks any version of HTTP, and the certificate that vouches for it.
pub fn tls(folder: &tempfile::TempDir) -> (rustls::ServerConfig, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
    let file = folder.path().join("certificate.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (tls, file)
}

/// Such a server, which answers with the version of HTTP it was asked in.
async fn server(folder: &tempfile::TempDir) -> (Server, PathBuf) {
    let (tls, file) = tls(folder);
    let server = serve_tls(tls, |request| async move {
        answer(format!("{:?}", request.version()))
    });
    (server.await, file)
}

pub fn config(certificates: Vec<PathBuf>) -> HttpClientConfig {
    let loopback = vec!["127.0.0.1".parse().unwrap()];
    HttpClientConfig {
        allow: rules(&["*.test:*", "127.0.0.1:*"]),
        resolve: BTreeMap::from([
            ("a.test".to_owned(), loopback.clone()),
            ("b.test".to_owned(), loopback),
        ]),
        certificates,
        ..crate::support::config()
    }
}

#[tokio::test]
async fn the_version_is_negotiated() {
    let folder = tempfile::tempdir().unwrap();
    let (server, file) = server(&folder).await;
    let uri = format!("https://a.test:{}/", server.address.port());
    for (http2, expected, connections) in [
        (Http2::Negotiated, "HTTP/2.0", 1),
        (Http2::PriorKnowledge, "HTTP/2.0", 1),
        (Http2::Off, "HTTP/1.1", 1),
    ] {
        let config = HttpClientConfig {
            http2,
            ..config(vec![file.clone()])
        };
        let before = server.accepted.load(Relaxed);
        for (way, client) in both_ways(config).await {
            let (_, body) = get(&client, &uri).await.unwrap();
            assert_eq!(text(body).await, expected, "{way}");
        }
        assert_eq!(
            server.accepted.load(Relaxed) - before,
            connections,
            "{http2:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (server, file) = server(&folder).await;
    let port = server.address.port();
    for (certificates, host) in [
        (vec![], "a.test"),
        (vec![file.clone()], "b.test"),
        (vec![file], "127.0.0.1"),
    ] {
        for (way, client) in both_ways(config(certificates.clone())).await {
            let sent = get(&client, format!("https://{host}:{port}/")).await;
            assert_eq!(
                sent.map(drop),
                Err(HttpError::TlsCertificateError),
                "{way} {host}"
            );
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_is_a_protocol_error() {
    let server = serve(|_| async { answer("") }).await;
    let uri = format!("https://{}/", server.address);
    for (way, client) in both_ways(config(Vec::new())).await {
        let sent = get(&client, &uri).await;
        assert_eq!(sent.map(drop), Err(HttpError::TlsProtocolError), "{way}");
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    for (file, expected) in [
        (folder.path().join("absent.pem"), "cannot read certificates"),
        (empty, "has no certificate"),
    ] {
        let error = HyperClient::new(config(vec![file]))
            .await
            .map(drop)
            .unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(expected), "{source}");
    }
}
