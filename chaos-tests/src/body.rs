//! Large bodies, of which each byte is known.

use std::{
    io,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

const PIECE_BYTES: usize = 64 * 1024;

/// Why a body did not come back as it was sent.
#[derive(Debug, thiserror::Error)]
pub enum EchoError {
    /// The URL is none, or the connection broke: before the answer, or in its body.
    #[error("the exchange broke off after {bytes} bytes came back")]
    Broken {
        /// What came back before.
        bytes: u64,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another answer than a success.
    #[error("the echo answered {status}")]
    Status {
        /// Which.
        status: StatusCode,
    },
    /// A body that looks whole and is not what was sent.
    #[error("a body of {bytes} bytes came back as a whole one, and {expected} were sent")]
    NotWhole {
        /// What came back.
        bytes: u64,
        /// What was sent.
        expected: u64,
    },
    /// Other bytes than were sent.
    #[error("other bytes than were sent, in those from {at} on")]
    Changed {
        /// Where those begin that were compared.
        at: u64,
    },
}

/// Sends a body of `bytes` to an echo and reads it back, every byte compared; `seen` counts those
/// that have come back so far.
///
/// # Errors
/// How the body that came back differs.
pub async fn echo(url: &str, bytes: u64, seen: &AtomicU64) -> Result<(), EchoError> {
    exchange(Method::POST, url, bytes, bytes, seen).await
}

/// Stores a body of `bytes` at a URL.
///
/// # Errors
/// When it is not stored.
pub async fn put(url: &str, bytes: u64) -> Result<(), EchoError> {
    let answer = send(Method::PUT, url, bytes, &AtomicU64::new(0)).await;
    answer.map(drop)
}

/// Reads what [`put`] has stored, as [`echo`] reads what came back.
///
/// # Errors
/// How it differs.
pub async fn get(url: &str, bytes: u64, seen: &AtomicU64) -> Result<(), EchoError> {
    exchange(Method::GET, url, 0, bytes, seen).await
}

/// Such a body, in pieces.
pub fn frames(bytes: u64) -> impl Iterator<Item = Frame<Bytes>> + Send + 'static {
    (0..bytes.div_ceil(PIECE_BYTES as u64)).map(move |n| {
        let mut piece = Bytes::from(piece(n));
        let left = bytes - n * PIECE_BYTES as u64;
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        Frame::data(piece)
    })
}

async fn send(
    method: Method,
    url: &str,
    bytes: u64,
    seen: &AtomicU64,
) -> Result<Response<Incoming>, EchoError> {
    let pieces = stream::iter(frames(bytes).map(Ok::<_, io::Error>));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(method).uri(url);
    let request = request.body(StreamBody::new(pieces));
    let request = request.map_err(|error| broken(seen, error))?;
    let response = client.request(request).await;
    let response = response.map_err(|error| broken(seen, error))?;
    match response.status() {
        status if status.is_success() => Ok(response),
        status => Err(EchoError::Status { status }),
    }
}

fn broken(
    seen: &AtomicU64,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> EchoError {
    EchoError::Broken {
        bytes: seen.load(Relaxed),
        source: error.into(),
    }
}

async fn exchange(
    method: Method,
    url: &str,
    sent: u64,
    bytes: u64,
    seen: &AtomicU64,
) -> Result<(), EchoError> {
    let response = send(method, url, sent, seen).await?;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(seen, error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen.store(compare(seen.load(Relaxed), &data)?, Relaxed);
    }
    match seen.load(Relaxed) {
        all if all == bytes => Ok(()),
        part => Err(EchoError::NotWhole {
            bytes: part,
            expected: bytes,
        }),
    }
}

/// A piece of the body. Its number is in front, and runs of 251 bytes, which start elsewhere in each,
/// shift against every power of two: nothing is lost, repeated or swapped unnoticed.
fn piece(number: u64) -> Vec<u8> {
    static RUNS: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..=u8::MAX - 5).cycle().take(PIECE_BYTES + 251).collect());
    let mut piece = RUNS[(number % 251) as usize..][..PIECE_BYTES].to_vec();
    piece[..8].copy_from_slice(&number.to_le_bytes());
    piece
}

/// Whether `data` is what stands at `at` in the body; answers the next place.
fn compare(mut at: u64, mut data: &[u8]) -> Result<u64, EchoError> {
    while !data.is_empty() {
        let expected = piece(at / PIECE_BYTES as u64);
        let expected = &expected[(at % PIECE_BYTES as u64) as usize..];
        let (now, rest) = data.split_at(data.len().min(expected.len()));
        if now != &expected[..now.len()] {
            return Err(EchoError::Changed { at });
        }
        at += now.len() as u64;
        data = rest;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_found_wherever_it_is() {
        let body: Vec<u8> = (0..3).flat_map(piece).collect();
        assert_eq!(compare(0, &body).unwrap(), body.len() as u64);
        assert_eq!(compare(70_000, &body[70_000..]).unwrap(), body.len() as u64);
        compare(0, &body[1..]).unwrap_err();
        compare(0, &body[PIECE_BYTES..]).unwrap_err();
        let lost = [&body[..100_000], &body[100_251..]].concat();
        compare(0, &lost).unwrap_err();
    }
}
