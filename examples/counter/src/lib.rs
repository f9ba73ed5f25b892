//! Counters over HTTP, kept in whatever store the manifest links to: `GET /<key>` reads one,
//! `POST /<key>` adds one to it, `DELETE /<key>` removes it. Each answers the value that the counter
//! has then, as a plain number.
//!
//! A store that fails is an answer (503 with the store's words) and never a trap.

mod store;

use wrt_guest::{
    http::respond,
    wasip2::{
        self,
        http::types::{IncomingRequest, Method, ResponseOutparam},
    },
};

use store::Failure;

struct Counter;

wasip2::http::proxy::export!(Counter);

impl wasip2::exports::http::incoming_handler::Guest for Counter {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (status, text) = answer(&request);
        respond(out, status, &text);
    }
}

fn answer(request: &IncomingRequest) -> (u16, String) {
    // The key is the path as it was sent: nothing is decoded.
    let target = request.path_with_query().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let key = path.trim_start_matches('/');
    if key.is_empty() {
        return (404, "the path names no counter".to_owned());
    }
    let value = match request.method() {
        Method::Get => store::read(key),
        Method::Post => store::increment(key),
        Method::Delete => store::delete(key),
        _ => return (405, "a counter takes GET, POST and DELETE".to_owned()),
    };
    match value {
        Ok(value) => (200, value.to_string()),
        Err(failure @ Failure::Store(_)) => (503, failure.to_string()),
        Err(failure @ Failure::NotANumber) => (500, failure.to_string()),
    }
}
