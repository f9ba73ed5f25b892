//! Answers every request with one line, through wasi:http 0.2.

use std::io::Write as _;

use wrt_guest::wasip2::{
    self,
    http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam},
};

const GREETING: &[u8] = b"Hello from WRT\n";

struct Hello;

wasip2::http::proxy::export!(Hello);

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        let headers = Fields::from_list(&[
            (
                "content-type".to_owned(),
                b"text/plain; charset=utf-8".to_vec(),
            ),
            (
                "content-length".to_owned(),
                GREETING.len().to_string().into_bytes(),
            ),
        ])
        .expect("both headers are valid");
        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("nobody has taken the body yet");
        ResponseOutparam::set(out, Ok(response));

        let mut stream = body.write().expect("nobody has taken the stream yet");
        let sent = stream.write_all(GREETING).is_ok() && stream.blocking_flush().is_ok();
        drop(stream);
        // Whoever asked may be gone by now: that is no reason to trap, and a body that was not sent
        // whole must not be finished as if it were.
        if sent {
            let _ = OutgoingBody::finish(body, None);
        }
    }
}
