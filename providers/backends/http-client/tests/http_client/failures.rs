//! Servers that fail, by the names that `wasi:http` has for it.

use futures::FutureExt;
use tokio::{io::AsyncReadExt, net::TcpListener};
use wrt_http::HttpError;
use wrt_http_client::{Http2, HttpClientConfig};

use crate::{
    server::{Server, accept, answer, serve, serve_raw},
    support::{both_ways, config, get},
};

#[tokio::test]
async fn a_port_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for (way, client) in both_ways(config()).await {
        let error = get(&client, format!("http://{address}/")).await.map(drop);
        assert_eq!(error, Err(HttpError::ConnectionRefused), "{way}");
    }
}

/// Where the machine has no resolver that answers, its own time may be up first.
#[tokio::test]
async fn a_name_that_does_not_exist() {
    let config = HttpClientConfig {
        connect_timeout_ms: 3_000,
        ..config()
    };
    for (way, client) in both_ways(config).await {
        let error = get(&client, "http://nowhere.invalid/").await.map(drop);
        let error = error.unwrap_err();
        let is_named = matches!(error, HttpError::DnsError { .. } | HttpError::DnsTimeout);
        assert!(is_named, "{way}: {error:?}");
    }
}

#[tokio::test]
async fn answers_that_break_off_or_make_no_sense() {
    let ways = both_ways(config()).await;
    for (reply, expected) in [
        ("", HttpError::ConnectionTerminated),
        ("HTTP/1.1 200 OK\r\nx-a: 1", HttpError::ConnectionTerminated),
        ("SSH-2.0-x\r\n\r\n", HttpError::HttpProtocolError),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            HttpError::HttpProtocolError,
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            HttpError::HttpUpgradeFailed,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            HttpError::HttpResponseTransferCoding(Some("gzip".to_owned())),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
            HttpError::HttpResponseIncomplete,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
            HttpError::HttpResponseIncomplete,
        ),
    ] {
        let server = serve_raw(reply, true).await;
        for (way, client) in &ways {
            assert_eq!(
                how_it_ends(client, &server).await,
                Err(expected.clone()),
                "{way} {reply:?}"
            );
        }
    }
}

/// The bug: one that came in one piece was let through up to twice its limit.
#[tokio::test]
async fn a_head_over_its_limit() {
    for length in [9 * 1024, 14 * 1024, 100 * 1024] {
        let reply: &'static str =
            format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n\r\n", "a".repeat(length)).leak();
        let server = serve_raw(reply, true).await;
        let config = HttpClientConfig {
            head_bytes_max: 8 * 1024,
            ..config()
        };
        for (way, client) in both_ways(config).await {
            let expected = HttpError::HttpResponseHeaderSectionSize(None);
            let ended = how_it_ends(&client, &server).await;
            assert_eq!(ended, Err(expected), "{way} {length}");
        }
    }
}

/// The bug: the length came along, and did not hold of the body.
#[tokio::test]
async fn chunks_overrule_a_length() {
    let reply = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
                 2\r\nab\r\n0\r\n\r\n";
    let server = serve_raw(reply, true).await;
    for (way, client) in both_ways(config()).await {
        let (head, body) = get(&client, server.uri("/")).await.unwrap();
        assert!(!head.headers.contains_key("content-length"), "{way}");
        assert_eq!(body.collect(1 << 20).await.unwrap(), "ab", "{way}");
    }
}

/// The bug: over HTTP/2 only their bytes were counted.
#[tokio::test]
async fn more_fields_than_may_be() {
    for http2 in [Http2::Off, Http2::PriorKnowledge] {
        let config = HttpClientConfig {
            http2,
            headers_max: 20,
            ..config()
        };
        let ways = both_ways(config).await;
        for (fields, expected) in [
            (10, Ok(())),
            (21, Err(HttpError::HttpResponseHeaderSectionSize(None))),
        ] {
            let server = serve(move |_| async move {
                let mut response = answer("");
                for field in 0..fields {
                    response
                        .headers_mut()
                        .append("x", http::HeaderValue::from(field));
                }
                response
            })
            .await;
            for (way, client) in &ways {
                let ended = how_it_ends(client, &server).await;
                assert_eq!(ended, expected, "{way} {http2:?} {fields}");
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_reset() {
    let server = accept(|mut stream| {
        async move {
            let mut byte = [0; 1];
            stream.read_exact(&mut byte).await.unwrap();
            // What it has not read makes of its close a reset.
        }
        .boxed()
    })
    .await;
    for (way, client) in both_ways(config()).await {
        assert_eq!(
            how_it_ends(&client, &server).await,
            Err(HttpError::ConnectionTerminated),
            "{way}"
        );
    }
}

async fn how_it_ends(
    client: &std::sync::Arc<dyn wrt_http::HttpClient>,
    server: &Server,
) -> Result<(), HttpError> {
    let (_, body) = get(client, server.uri("/")).await?;
    body.collect(1 << 20).await.map(drop)
}
