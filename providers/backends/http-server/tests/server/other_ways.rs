//! Ways to a websocket that the server does not have: each is told so.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use wrt_http_server::{HttpListener, Route, WebSocketOptions, WebSockets};

use crate::{
    requests::http2,
    support::{Raw, config},
    websockets::{Recorder, World},
};

const WITHIN: Duration = Duration::from_secs(10);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Kinds of frames.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
/// Flags of a frame: the end of the fields, and of the stream as well.
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;
/// `SETTINGS_ENABLE_CONNECT_PROTOCOL` (RFC 8441, section 3).
const ENABLE_CONNECT_PROTOCOL: u16 = 8;
const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];

/// A connection of HTTP/2, frame by frame: no client would send what these tests do.
struct Frames(TcpStream);

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frames {
    async fn to(server: &HttpListener) -> Self {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        let frame = [&head, payload].concat();
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next frame that is what is waited for.
    async fn next(&mut self, is_it: impl Fn(&Frame) -> bool) -> Frame {
        let next = async {
            loop {
                let mut head = [0; 9];
                self.0.read_exact(&mut head).await.unwrap();
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; length as usize];
                self.0.read_exact(&mut payload).await.unwrap();
                let frame = Frame {
                    kind: head[3],
                    flags: head[4],
                    stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
                    payload,
                };
                if is_it(&frame) {
                    return frame;
                }
            }
        };
        timeout(WITHIN, next).await.expect("a frame within 10 s")
    }
}

/// A field whose name is in the static table, and one that brings its own (RFC 7541, section 6.2.2).
fn known(index: u8, value: &str) -> Vec<u8> {
    [
        &[index, u8::try_from(value.len()).unwrap()],
        value.as_bytes(),
    ]
    .concat()
}

fn own(name: &str, value: &str) -> Vec<u8> {
    let name_bytes = u8::try_from(name.len()).unwrap();
    [&[0, name_bytes], name.as_bytes(), &known(0, value)[1..]].concat()
}

/// Fails when websockets are offered over HTTP/2, which nobody serves; and when a client that asks for one all
/// the same is left waiting, or loses its other requests.
#[tokio::test]
async fn http2_offers_no_websocket() {
    let world = World::new().await;
    let mut frames = Frames::to(&world.server).await;
    let settings = frames
        .next(|frame| frame.kind == SETTINGS && frame.flags == 0)
        .await;
    let settings = settings.payload.chunks(6);
    let settings: Vec<_> = settings
        .map(|it| u16::from_be_bytes([it[0], it[1]]))
        .collect();
    assert!(
        !settings.is_empty(),
        "it says how many streams there may be"
    );
    assert!(!settings.contains(&ENABLE_CONNECT_PROTOCOL), "{settings:?}");
    frames.send(SETTINGS, END_STREAM, 0, &[]).await;

    // `:authority`, `:method`, `:path` and `:scheme` are 1, 2, 4 and 6.
    let asks = [
        known(2, "CONNECT"),
        own(":protocol", "websocket"),
        known(6, "http"),
        known(4, "/chat"),
        known(1, "a.test"),
        own("sec-websocket-version", "13"),
    ];
    frames.send(HEADERS, END_HEADERS, 1, &asks.concat()).await;
    let answer = frames.next(|frame| frame.stream == 1).await;
    assert_eq!(
        (answer.kind, &*answer.payload),
        (RST_STREAM, &PROTOCOL_ERROR[..])
    );

    let page = [
        known(2, "GET"),
        known(6, "http"),
        known(4, "/chat"),
        known(1, "a.test"),
    ];
    let flags = END_HEADERS | END_STREAM;
    frames.send(HEADERS, flags, 3, &page.concat()).await;
    let answer = frames.next(|frame| frame.stream == 3).await;
    // `:status: 200` is the static table's eighth.
    assert_eq!((answer.kind, answer.payload[0]), (HEADERS, 0x88));
    assert!(world.recorder.opened.lock().is_empty(), "nobody was asked");
}

/// Fails when the answer does not say what to do, or has fields that HTTP/2 forbids.
#[tokio::test]
async fn a_websocket_and_nothing_else_is_told_over_http2() {
    let recorder = Arc::<Recorder>::default();
    let route = Route {
        path: "/chat".to_owned(),
        websocket: Some(WebSocketOptions::default()),
        ..Route::default()
    };
    let sockets = WebSockets {
        listener: Arc::default(),
        routes: vec![(route, recorder.clone())],
    };
    let server = HttpListener::bind(config(), vec![], sockets).await.unwrap();
    let request = http::Request::get("http://a.test/chat").body(Empty::new());
    let answer = http2(&server).await.send_request(request.unwrap()).await;
    let (head, body) = answer.unwrap().into_parts();
    assert_eq!(head.status, http::StatusCode::UPGRADE_REQUIRED);
    assert!(!head.headers.contains_key("upgrade"), "{head:?}");
    let text = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("over HTTP/1.1"), "{text}");
    assert!(recorder.opened.lock().is_empty(), "nobody was asked");
}

/// Fails when who begins with TLS is left waiting until its own patience ends.
#[tokio::test]
async fn tls_is_answered_that_it_is_no_http() {
    let world = World::new().await;
    let mut raw = Raw::to(&world.server).await;
    // The beginning of a client's first record: a handshake of TLS 1.x, 244 bytes of a ClientHello.
    let hello = [
        &b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03"[..],
        &[7; 64],
    ]
    .concat();
    raw.0.write_all(&hello).await.unwrap();
    let answer = raw.read_to_close().await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
    assert!(world.recorder.opened.lock().is_empty(), "nobody was asked");
}
