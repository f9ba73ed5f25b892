//! Answers each request as its path says, step by step, through wasi:http 0.2. The README lists the
//! steps; `scripted-p3` takes the same ones.

mod script;

use std::io::{self, Write as _};

use wrt_guest::wasip2::{
    self,
    clocks::monotonic_clock,
    http::types::{
        ErrorCode, Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse,
        ResponseOutparam,
    },
    io::streams::{OutputStream, StreamError},
};

use script::{PAUSE_NS, Script, Steps, field, head, letters, number, told};

struct Scripted;

wasip2::http::proxy::export!(Scripted);

type Trailers = Vec<(String, Vec<u8>)>;

/// How much of a body is read at once.
const CHUNK_BYTES: u64 = 64 * 1024;

impl wasip2::exports::http::incoming_handler::Guest for Scripted {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let script = Script::parse(&request.path_with_query().unwrap_or_default());
        let (before, sends, behind) = script.parts();
        let mut play = Play {
            request,
            slow: script.is_slow(),
            read: None,
            output: None,
            trailers: Trailers::new(),
        };
        play.steps(before);
        let (status, fields) = head(before);
        let fields = Fields::from_list(&fields).expect("each field is valid");
        let response = OutgoingResponse::new(fields);
        response.set_status_code(status).expect("a status is valid");
        match sends {
            Some("head") => {
                let body = response.body().expect("nobody has taken it");
                ResponseOutparam::set(out, Ok(response));
                let stream = body.write().expect("nobody has taken it");
                play.output = Some((stream, body));
                play.steps(behind);
            }
            Some("bare") => ResponseOutparam::set(out, Ok(response)),
            Some("error") => {
                let text = "the guest's own words".to_owned();
                ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(text))));
            }
            _ => {}
        }
    }
}

/// A request and its answer on the way.
struct Play {
    request: IncomingRequest,
    slow: bool,
    /// What the request's body was found to be.
    read: Option<String>,
    output: Option<(OutputStream, OutgoingBody)>,
    trailers: Trailers,
}

impl Play {
    /// A step that cannot be taken, because whoever asked has left, ends the answer as it is.
    fn steps(&mut self, steps: Steps<'_>) {
        for (verb, argument) in steps {
            if self.slow && self.output.is_some() {
                pause();
            }
            if self.step(verb, argument).is_err() {
                return;
            }
        }
    }

    fn step(&mut self, verb: &str, argument: &str) -> io::Result<()> {
        match verb {
            "write" => letters(number(argument), self.slow)
                .iter()
                .enumerate()
                .try_for_each(|(at, piece)| {
                    if at > 0 {
                        pause();
                    }
                    self.write(piece)
                })?,
            "echo" => self.echo()?,
            "read" => {
                let mut bytes = 0;
                let end = read_body(&self.request, |piece| {
                    bytes += piece.len() as u64;
                    Ok(())
                });
                self.read = Some(told(bytes, &end));
            }
            "tell" => {
                let text = self.read.take().unwrap_or_default();
                self.write(text.as_bytes())?;
            }
            "seen" => {
                let text = self.seen();
                self.write(text.as_bytes())?;
            }
            "trailer" => self.trailers.push(field(argument)),
            "finish" => {
                if let Some((stream, body)) = self.output.take() {
                    drop(stream);
                    let trailers = std::mem::take(&mut self.trailers);
                    let trailers = (!trailers.is_empty())
                        .then(|| Fields::from_list(&trailers).expect("each field is valid"));
                    let _reader_left = OutgoingBody::finish(body, trailers);
                }
            }
            "drop" => drop(self.output.take()),
            "forget" => std::mem::forget(self.output.take()),
            "pause" => monotonic_clock::subscribe_duration(number(argument) * 1_000_000).block(),
            "loop" => loop {
                std::hint::black_box(());
            },
            "trap" => panic!("asked to trap"),
            "exit" => std::process::exit(argument.parse().unwrap_or_default()),
            _ => {}
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((stream, _)) = &mut self.output else {
            return Ok(());
        };
        stream.write_all(bytes)?;
        io::Write::flush(stream)
    }

    fn echo(&mut self) -> io::Result<()> {
        let Some((stream, _)) = &mut self.output else {
            return Ok(());
        };
        let end = read_body(&self.request, |piece| {
            stream.write_all(piece)?;
            io::Write::flush(stream)
        });
        self.trailers = end.map_err(io::Error::other)?;
        Ok(())
    }

    fn seen(&self) -> String {
        let method = format!("{:?}", self.request.method());
        let target = self.request.path_with_query().unwrap_or_default();
        let authority = self.request.authority().unwrap_or_default();
        let mut fields = self.request.headers().entries();
        fields.sort();
        let line = |text: String, (name, value): &(String, Vec<u8>)| {
            format!("{text}{name}: {}\n", String::from_utf8_lossy(value))
        };
        let head = format!("{} {authority} {target}\n", method.to_lowercase());
        fields.iter().fold(head, line)
    }
}

fn pause() {
    monotonic_clock::subscribe_duration(PAUSE_NS).block();
}

/// Reads the request's body to its end; answers its trailers, or in the host's words why it broke off.
fn read_body(
    request: &IncomingRequest,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<Trailers, String> {
    let body = request.consume().expect("nobody has taken it");
    let input = body.stream().expect("nobody has taken it");
    loop {
        match input.blocking_read(CHUNK_BYTES) {
            Ok(piece) => each(&piece).map_err(|error| error.to_string())?,
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
    drop(input);
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    match trailers.get() {
        Some(Ok(Ok(trailers))) => Ok(trailers.map_or_else(Trailers::new, |it| it.entries())),
        other => Err(format!("{other:?}")),
    }
}
