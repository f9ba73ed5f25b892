//! Answers every request with one line, through wasi:http 0.2.

use wrt_guest::{
    http::respond,
    wasip2::{
        self,
        http::types::{IncomingRequest, ResponseOutparam},
    },
};

struct Hello;

wasip2::http::proxy::export!(Hello);

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        respond(out, 200, "Hello from WRT\n");
    }
}
