//! A guest that works hard or misbehaves on request, for tests and benchmarks. The README lists the
//! paths.

mod misbehave;
mod reply;
mod stream;

use std::fmt::Write as _;

use wrt_guest::wasip2::{
    self,
    clocks::{monotonic_clock, wall_clock},
    http::types::{IncomingRequest, ResponseOutparam},
};

use reply::Text;

struct Probe;

wasip2::http::proxy::export!(Probe);

impl wasip2::exports::http::incoming_handler::Guest for Probe {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let (name, argument) = match path.trim_start_matches('/').split_once('/') {
            Some((name, argument)) => (name, number(argument)),
            None => (path.trim_start_matches('/'), None),
        };
        let text = match (name, argument) {
            ("echo", None) => return stream::echo(&request, out),
            ("source", Some(length_bytes)) => return stream::source(length_bytes, out),
            ("sink", None) => stream::sink(&request),
            ("hello", None) => Text::ok("Hello from WRT\n"),
            ("env", None) => Text::ok(env()),
            ("headers", None) => Text::ok(headers(&request)),
            ("random", None) => Text::ok(format!("{}\n", wasip2::random::random::get_random_u64())),
            ("clock", None) => Text::ok(clock()),
            ("sleep", Some(duration_ms)) => misbehave::sleep(duration_ms),
            ("memory", Some(size_mib)) => misbehave::memory(size_mib),
            ("spin", None) => misbehave::spin(),
            ("trap", None) => panic!("asked to trap"),
            _ => Text::new(404, "no such path, or its number is missing or not one\n"),
        };
        text.send(out);
    }
}

/// A number in a path: digits only.
fn number(argument: &str) -> Option<u64> {
    argument.parse().ok()
}

/// The environment that the guest sees, one `NAME=value` a line.
fn env() -> String {
    std::env::vars().fold(String::new(), |mut lines, (name, value)| {
        let _ = writeln!(lines, "{name}={value}");
        lines
    })
}

/// The request's headers, one `name: value` a line.
fn headers(request: &IncomingRequest) -> String {
    let entries = request.headers().entries();
    entries
        .iter()
        .fold(String::new(), |mut lines, (name, value)| {
            let _ = writeln!(lines, "{name}: {}", String::from_utf8_lossy(value));
            lines
        })
}

/// Both clocks, in nanoseconds.
fn clock() -> String {
    let wall = wall_clock::now();
    let wall_ns = u128::from(wall.seconds) * 1_000_000_000 + u128::from(wall.nanoseconds);
    format!("monotonic {}\nwall {wall_ns}\n", monotonic_clock::now())
}
