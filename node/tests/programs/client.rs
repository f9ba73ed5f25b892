//! A client that streams, over either version of HTTP.

use std::{convert::Infallible, time::Duration};

use futures::stream;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Bytes, Frame, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, runtime::Runtime, task::JoinHandle};

const ANSWER_LIMIT: Duration = Duration::from_secs(30);

const PIECE_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, Copy)]
pub enum Version {
    Http1,
    Http2,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Bytes of which each has its place.
pub fn pattern(length_bytes: usize) -> Bytes {
    (0..length_bytes).map(|at| (at % 251) as u8).collect()
}

type Body = BoxBody<Bytes, Infallible>;

/// In pieces, without a length in the head.
fn pieces(body: Bytes) -> Body {
    if body.is_empty() {
        return BodyExt::boxed(Empty::new());
    }
    let count = body.len().div_ceil(PIECE_BYTES);
    let piece = move |at: usize| {
        let end = body.len().min((at + 1) * PIECE_BYTES);
        Ok(Frame::data(body.slice(at * PIECE_BYTES..end)))
    };
    BodyExt::boxed(StreamBody::new(stream::iter((0..count).map(piece))))
}

/// Sends a request and reads its answer, while its body is still on its way.
pub fn send(
    version: Version,
    address: &str,
    request: http::request::Builder,
    body: Bytes,
) -> Answer {
    runtime().block_on(async {
        let exchange = exchange(version, address, request, body);
        let answer = tokio::time::timeout(ANSWER_LIMIT, exchange).await;
        answer.expect("an answer in time")
    })
}

/// A request under way, whose client can leave.
pub struct Asking {
    runtime: Runtime,
    task: JoinHandle<Answer>,
}

impl Asking {
    pub fn start(version: Version, address: &str, request: http::request::Builder) -> Self {
        let runtime = runtime();
        let address = address.to_owned();
        let task =
            runtime.spawn(async move { exchange(version, &address, request, Bytes::new()).await });
        Self { runtime, task }
    }

    /// Its answer, if that comes within `limit`. The client leaves otherwise.
    pub fn answer_within(self, limit: Duration) -> Option<Answer> {
        let answer = self.runtime.block_on(async {
            let answer = tokio::time::timeout(limit, self.task).await;
            answer.ok().map(|answer| answer.expect("no panic"))
        });
        self.runtime.shutdown_background();
        answer
    }

    /// Goes away without an answer.
    pub fn leave(self) {
        assert!(!self.task.is_finished(), "it was answered");
        self.runtime.shutdown_background();
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

async fn exchange(
    version: Version,
    address: &str,
    request: http::request::Builder,
    body: Bytes,
) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(stream);
    match version {
        Version::Http1 => {
            let request = request.header("host", address).body(pieces(body)).unwrap();
            let (mut sender, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            whole(sender.send_request(request).await.unwrap()).await
        }
        Version::Http2 => {
            let request = with_authority(request.body(pieces(body)).unwrap(), address);
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            whole(sender.send_request(request).await.unwrap()).await
        }
    }
}

fn with_authority(mut request: Request<Body>, address: &str) -> Request<Body> {
    let uri = format!("http://{address}{}", request.uri());
    *request.uri_mut() = uri.parse().unwrap();
    request
}

async fn whole(response: http::Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        body,
    }
}
