//! Answers, short and streamed.

use std::io::{self, Write as _};

use wrt_guest::wasip2::{
    http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam},
    io::streams::OutputStream,
};

/// A short answer.
pub struct Text {
    status: u16,
    text: String,
}

impl Text {
    pub fn new(status: u16, text: impl Into<String>) -> Text {
        Text {
            status,
            text: text.into(),
        }
    }

    pub fn ok(text: impl Into<String>) -> Text {
        Text::new(200, text)
    }

    pub fn send(self, out: ResponseOutparam) {
        let length_bytes = self.text.len() as u64;
        stream(
            out,
            self.status,
            "text/plain; charset=utf-8",
            Some(length_bytes),
            |output| output.write_all(self.text.as_bytes()),
        );
    }
}

/// Starts an answer and lets `write` fill its body. A body that `write` could not fill is left
/// unfinished, so that its reader learns that it is not whole.
pub fn stream(
    out: ResponseOutparam,
    status: u16,
    content_type: &str,
    length_bytes: Option<u64>,
    write: impl FnOnce(&mut OutputStream) -> io::Result<()>,
) {
    let headers = Fields::new();
    let set = |name: &str, value: &str| {
        headers
            .set(name, &[value.as_bytes().to_vec()])
            .expect("each header here is valid");
    };
    set("content-type", content_type);
    if let Some(length) = length_bytes {
        set("content-length", &length.to_string());
    }
    let response = OutgoingResponse::new(headers);
    response
        .set_status_code(status)
        .expect("each status here is valid");
    let body = response.body().expect("nobody has taken the body yet");
    ResponseOutparam::set(out, Ok(response));

    let mut output = body.write().expect("nobody has taken the stream yet");
    let sent = write(&mut output).and_then(|()| io::Write::flush(&mut output));
    drop(output);
    if sent.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}
