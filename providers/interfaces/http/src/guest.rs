//! What a guest uses: the published bindings of both versions, which bring their own WIT.
//!
//! `wasip2::http::proxy::export!` makes a component that answers requests of 0.2, and
//! `wasip3::http::service::export!` one of 0.3. What a guest does not use, it does not
//! import.

use std::io::Write as _;

use wasip2::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};

pub use {wasip2, wasip3};

/// Answers a request of 0.2 with a text that is known whole.
///
/// Whoever asked may be gone by now: that is no reason to trap, and a body that was not sent whole
/// is not finished as if it were.
///
/// # Panics
/// When `status` is none.
pub fn respond(out: ResponseOutparam, status: u16, text: &str) {
    respond_with(out, status, "text/plain; charset=utf-8", text);
}

/// The same with a text of another type: a page.
pub fn respond_with(out: ResponseOutparam, status: u16, content_type: &str, text: &str) {
    let headers = [
        ("content-type", content_type),
        ("content-length", &text.len().to_string()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let headers = Fields::from_list(&headers).expect("both headers are valid");
    respond_whole(out, status, headers, text.as_bytes());
}

/// The same with headers and a body of any kind.
pub fn respond_whole(out: ResponseOutparam, status: u16, headers: Fields, body_bytes: &[u8]) {
    let response = OutgoingResponse::new(headers);
    let set = response.set_status_code(status);
    set.expect("a status has three digits");
    let body = response.body().expect("nobody has taken the body yet");
    ResponseOutparam::set(out, Ok(response));

    let mut stream = body.write().expect("nobody has taken the stream yet");
    let sent = stream.write_all(body_bytes).is_ok() && stream.blocking_flush().is_ok();
    drop(stream);
    if sent {
        let _ = OutgoingBody::finish(body, None);
    }
}
