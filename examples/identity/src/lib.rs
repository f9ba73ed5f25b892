//! Asks a service in the app's own name, and passes its answer on: `GET /` as the identity that the manifest
//! links to, and `GET /<name>` as the one of that name. The service is in `SERVICE`, and what the token is to be
//! for in `SCOPE`.
//!
//! A token that the service refuses is replaced once: it may have been revoked since it was given.

use wrt_guest::{
    http::respond,
    identity::{self, AccessToken, Error},
    wasip2::{
        self,
        http::{
            outgoing_handler,
            types::{
                ErrorCode, Fields, IncomingRequest, IncomingResponse, OutgoingBody,
                OutgoingRequest, ResponseOutparam, Scheme,
            },
        },
        io::streams::StreamError,
    },
};

/// So much of the service's answer is passed on.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What a service says to a token that it does not take.
const UNAUTHORIZED: u16 = 401;

struct Caller;

wasip2::http::proxy::export!(Caller);

impl wasip2::exports::http::incoming_handler::Guest for Caller {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (status, text) = match answer(target.trim_start_matches('/')) {
            Ok(answer) => answer,
            Err(Failure::Token(Error::NoSuchIdentity)) => (404, "no such identity".to_owned()),
            Err(Failure::Token(Error::Invalid(text))) => (400, text),
            Err(Failure::Token(error)) => (502, format!("no token: {error:?}")),
            Err(Failure::Service(error)) => (502, format!("no answer: {error:?}")),
        };
        respond(out, status, &text);
    }
}

enum Failure {
    Token(Error),
    Service(ErrorCode),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

impl From<ErrorCode> for Failure {
    fn from(error: ErrorCode) -> Self {
        Self::Service(error)
    }
}

fn answer(name: &str) -> Result<(u16, String), Failure> {
    let identity = identity::open(name)?;
    let scope = std::env::var("SCOPE").map_err(|_unset| ErrorCode::ConfigurationError)?;
    let scopes = [scope];
    let token = identity.get_token(&scopes)?;
    let answer = ask(&token)?;
    if answer.status() != UNAUTHORIZED {
        return Ok((answer.status(), text_of(&answer)?));
    }
    let token = identity.replace_token(&scopes, &token.token)?;
    let answer = ask(&token)?;
    Ok((answer.status(), text_of(&answer)?))
}

fn ask(token: &AccessToken) -> Result<IncomingResponse, ErrorCode> {
    let service = std::env::var("SERVICE").map_err(|_unset| ErrorCode::ConfigurationError)?;
    let (scheme, rest) = match service.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("http", rest)) => (Scheme::Http, rest),
        _ => return Err(ErrorCode::ConfigurationError),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let bearer = format!("Bearer {}", token.token).into_bytes();
    let headers = Fields::from_list(&[("authorization".to_owned(), bearer)]);
    let headers = headers.expect("a token is of visible characters");
    let request = OutgoingRequest::new(headers);
    let is_set = request.set_scheme(Some(&scheme)).is_ok()
        && request.set_authority(Some(authority)).is_ok()
        && request.set_path_with_query(Some(path)).is_ok();
    if !is_set {
        return Err(ErrorCode::ConfigurationError);
    }
    let body = request.body().expect("nobody has taken the body yet");
    let answer = outgoing_handler::handle(request, None)?;
    OutgoingBody::finish(body, None)?;
    answer.subscribe().block();
    answer
        .get()
        .expect("it was waited for")
        .expect("it is taken once")
}

fn text_of(answer: &IncomingResponse) -> Result<String, ErrorCode> {
    let body = answer.consume().expect("nobody has taken the body yet");
    let stream = body.stream().expect("nobody has taken the stream yet");
    let mut text = Vec::new();
    while text.len() < ANSWER_BYTES_MAX {
        match stream.blocking_read((ANSWER_BYTES_MAX - text.len()) as u64) {
            Ok(bytes) => text.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => {
                return Err(ErrorCode::HttpResponseIncomplete);
            }
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}
