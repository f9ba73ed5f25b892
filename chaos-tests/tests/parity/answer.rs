//! What a client gets.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Empty, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Body as _, Frame, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::{
    case::{Case, letters},
    paths::{Pace, Protocol},
};

pub type Fields = Vec<(String, String)>;

/// The whole of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub fields: Fields,
    pub body: Bytes,
    pub trailers: Fields,
    /// Whether it ended as a whole one does.
    pub is_whole: bool,
    /// Whether the head has said that there is nothing behind it.
    pub is_head_alone: bool,
}

/// How long a slow client rests between two pieces.
const PAUSE: Duration = Duration::from_millis(20);

/// Sends the request of `case` on a connection of its own. Over HTTP/1.1 the connection is then used once
/// more, if it may be: whatever belongs to the first answer must not be read as the second.
///
/// # Errors
/// Where there is no answer, or no end of it, or the second one is wrong.
pub async fn answer(
    address: &str,
    protocol: Protocol,
    pace: Pace,
    case: &Case,
) -> Result<Answer, String> {
    // Before there is a connection: to make a large one takes a busy machine seconds, and a server waits for the
    // head of a request for so long and no longer.
    let request = request(case, pace, protocol);
    let exchange = async {
        let stream = TcpStream::connect(address).await.map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        let io = TokioIo::new(stream);
        match protocol {
            Protocol::Http1 => {
                let (mut client, connection) = http1::handshake(io).await.map_err(told)?;
                tokio::spawn(connection);
                let answer = read(client.send_request(request).await.map_err(told)?).await;
                if case.is_followed && answer.is_whole && client.ready().await.is_ok() {
                    let request = self::request(&Case::again(), Pace::Quick, protocol);
                    match client.send_request(request).await {
                        Ok(response) => Case::again().compare(read(response).await, "")?,
                        // It was closed meanwhile, as it may be.
                        Err(error) if error.is_canceled() || error.is_incomplete_message() => {}
                        Err(error) => return Err(format!("the next answer: {}", told(error))),
                    }
                }
                Ok(answer)
            }
            Protocol::Http2 => {
                let executor = TokioExecutor::new();
                let (mut client, connection) =
                    http2::handshake(executor, io).await.map_err(told)?;
                tokio::spawn(connection);
                Ok(read(client.send_request(request).await.map_err(told)?).await)
            }
        }
    };
    let patience = case.patience;
    let elapsed = |_| format!("no answer, or no end of it, within {patience:?}");
    tokio::time::timeout(patience, exchange)
        .await
        .map_err(elapsed)?
}

async fn read(response: http::Response<Incoming>) -> Answer {
    let (head, mut body) = response.into_parts();
    let mut answer = Answer {
        status: head.status.as_u16(),
        fields: fields(&head.headers),
        body: Bytes::new(),
        trailers: Fields::new(),
        is_whole: true,
        is_head_alone: body.is_end_stream(),
    };
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(other)) => {
                answer.trailers = other.trailers_ref().map(fields).unwrap_or_default();
            }
            Err(_broken) => {
                answer.is_whole = false;
                break;
            }
        }
    }
    answer.body = bytes.into();
    answer
}

fn fields(map: &HeaderMap) -> Fields {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut fields: Fields = map
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    fields.sort();
    fields
}

fn request(
    case: &Case,
    pace: Pace,
    protocol: Protocol,
) -> Request<UnsyncBoxBody<Bytes, Infallible>> {
    let target = case.target(pace);
    let uri = match protocol {
        Protocol::Http1 => target,
        Protocol::Http2 => format!("http://a.test{target}"),
    };
    let mut request = Request::builder().method(case.method.clone()).uri(uri);
    if protocol == Protocol::Http1 {
        request = request.header("host", "a.test");
    }
    for (name, value) in &case.fields {
        request = request.header(*name, *value);
    }
    let body = case.body_bytes.map(letters).unwrap_or_default();
    if case.is_announced && case.method != Method::GET {
        request = request.header("content-length", body.len());
    }
    let half = match pace {
        Pace::Quick => body.len(),
        Pace::Slow => body.len() / 2,
    };
    let (first, second) = (body.slice(..half), body.slice(half..));
    let data = [first, second].into_iter().filter(|data| !data.is_empty());
    let mut frames: Vec<_> = data.map(Frame::data).collect();
    if !case.trailers.is_empty() {
        let pairs = case.trailers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        frames.push(Frame::trailers(pairs.collect()));
    }
    let frames = stream::iter(frames)
        .enumerate()
        .then(move |(at, frame)| async move {
            if pace == Pace::Slow && at > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(frame)
        });
    let body = match case.body_bytes {
        Some(_) => StreamBody::new(frames).boxed_unsync(),
        None => Empty::new().boxed_unsync(),
    };
    request.body(body).expect("each case is a request")
}

fn told(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
