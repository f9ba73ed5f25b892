//! Tokens that change without locking anybody out: `PUT /<client>` gives a client the token in the body,
//! `POST /<client>` answers whether the token in the body is one of its last two, `GET /<client>` tells
//! how many values there are, and `DELETE /<client>` takes all of them away. `GET /` names the clients.
//!
//! No answer holds a token, and no log line does.

use wrt_guest::{
    http::respond,
    vault::{self, Error, Locker},
    wasip2::{
        self,
        http::types::{IncomingRequest, Method, ResponseOutparam},
        io::streams::StreamError,
    },
};

/// A token longer than this is none.
const TOKEN_BYTES_MAX: usize = 1024;
/// The new token, and the one before: whoever still has that one has not read the news yet.
const TOKENS_THAT_COUNT: usize = 2;

struct Tokens;

wasip2::http::proxy::export!(Tokens);

impl wasip2::exports::http::incoming_handler::Guest for Tokens {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (status, text) = match answer(&request) {
            Ok(answer) => answer,
            Err(Error::Invalid(text)) => (400, text),
            Err(Error::Full) => (507, "the vault is full".to_owned()),
            Err(error) => (503, format!("{error:?}")),
        };
        respond(out, status, &text);
    }
}

fn answer(request: &IncomingRequest) -> Result<(u16, String), Error> {
    let target = request.path_with_query().unwrap_or_default();
    let client = target.trim_start_matches('/');
    let tokens = vault::open("tokens")?;
    if client.is_empty() {
        return Ok((200, clients(&tokens)?));
    }
    Ok(match request.method() {
        Method::Get => match tokens.versions(client)?.len() {
            0 => (404, "nobody is known by that name".to_owned()),
            count => (200, count.to_string()),
        },
        Method::Put => match token_of(request) {
            Some(token) => {
                tokens.set(client, &token)?;
                (200, "set".to_owned())
            }
            None => (400, "a token has 1 to 1024 bytes".to_owned()),
        },
        Method::Post => match token_of(request) {
            Some(token) if is_known(&tokens, client, &token)? => (200, "welcome".to_owned()),
            _ => (403, "no".to_owned()),
        },
        Method::Delete => {
            tokens.delete(client)?;
            (200, "gone".to_owned())
        }
        _ => (405, "use GET, PUT, POST or DELETE".to_owned()),
    })
}

/// The body, if it is one of 1 to [`TOKEN_BYTES_MAX`] bytes.
fn token_of(request: &IncomingRequest) -> Option<Vec<u8>> {
    let body = request.consume().ok()?;
    let (stream, mut token) = (body.stream().ok()?, Vec::new());
    loop {
        match stream.blocking_read(TOKEN_BYTES_MAX as u64 + 1) {
            Ok(bytes) => token.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return None,
        }
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
    }
    (!token.is_empty()).then_some(token)
}

fn is_known(tokens: &Locker, client: &str, given: &[u8]) -> Result<bool, Error> {
    let mut is_known = false;
    for version in tokens.versions(client)?.iter().take(TOKENS_THAT_COUNT) {
        let token = tokens.get_version(client, version)?;
        is_known |= token.is_some_and(|token| are_equal(&token.value, given));
    }
    Ok(is_known)
}

/// Looks at all bytes, whichever differs: how long it takes tells nobody how much was right.
fn are_equal(left: &[u8], right: &[u8]) -> bool {
    let differing = left.iter().zip(right).fold(0, |all, (l, r)| all | (l ^ r));
    left.len() == right.len() && differing == 0
}

fn clients(tokens: &Locker) -> Result<String, Error> {
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let page = tokens.list(cursor.as_deref())?;
        names.extend(page.names);
        cursor = page.cursor;
        if cursor.is_none() {
            names.sort_unstable();
            return Ok(names.join("\n"));
        }
    }
}
