//! A router as what `wasi:http` 0.2 calls.

use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_LENGTH};
use wasip2::{
    http::types::{Fields, IncomingRequest, Method, ResponseOutparam},
    io::streams::StreamError,
};
use wrt_http::{respond_whole, wasip2};

use super::{Problem, Request, Response, Router, router::too_long};

/// What is asked for at once of a body.
const CHUNK_BYTES: u64 = 64 * 1024;

/// Answers one request. Whoever asked may be gone by then; that is no error.
pub fn serve(router: &Router, request: IncomingRequest, out: ResponseOutparam) {
    let answer = match head(&request) {
        Ok(head) => router.answer_with(head, |head, bytes_max| {
            let body = body(&request, &head.headers, bytes_max)?;
            Ok((head, body))
        }),
        Err(problem) => problem.into(),
    };
    let (status, fields, body) = match fields(&answer) {
        Ok(fields) => (answer.status.as_u16(), fields, answer.body),
        Err(error) => {
            eprintln!("a header of the answer is refused: {error}");
            (500, Fields::new(), Vec::new())
        }
    };
    respond_whole(out, status, fields, &body);
}

fn head(request: &IncomingRequest) -> Result<Request, Problem> {
    let method = match request.method() {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Connect => "CONNECT".to_owned(),
        Method::Options => "OPTIONS".to_owned(),
        Method::Trace => "TRACE".to_owned(),
        Method::Patch => "PATCH".to_owned(),
        Method::Other(name) => name,
    };
    let target = request.path_with_query();
    let mut head = Request::new(&method, target.as_deref().unwrap_or("/"))?;
    head.headers = headers(request.headers().entries());
    Ok(head)
}

/// The host has checked them.
pub(super) fn headers(entries: Vec<(String, Vec<u8>)>) -> HeaderMap {
    let legal = entries.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value).ok()?))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in legal {
        headers.append(name, value);
    }
    headers
}

/// Whether a body says itself that it is longer than it may be.
pub(super) fn is_announced_too_long(headers: &HeaderMap, bytes_max: usize) -> bool {
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > bytes_max as u64)
}

/// The headers of an answer, as they are written.
pub(super) fn entries(answer: &Response) -> Vec<(String, Vec<u8>)> {
    let entries = answer.headers.iter();
    let entries = entries.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    entries.collect()
}

fn fields(answer: &Response) -> Result<Fields, String> {
    Fields::from_list(&entries(answer)).map_err(|error| error.to_string())
}

fn body(
    request: &IncomingRequest,
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<Vec<u8>, Problem> {
    if is_announced_too_long(headers, bytes_max) {
        return Err(too_long(bytes_max));
    }
    let broken = |error: &dyn std::fmt::Display| {
        Problem::bad_request(format!("the body broke off: {error}"))
    };
    let taken = || broken(&"it was taken before");
    let incoming = request.consume().map_err(|()| taken())?;
    let stream = incoming.stream().map_err(|()| taken())?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(CHUNK_BYTES) {
            Ok(chunk) if body.len() + chunk.len() > bytes_max => return Err(too_long(bytes_max)),
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(body),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(broken(&error.to_debug_string()));
            }
        }
    }
}
