//! Answers each request as its path says, step by step, through wasi:http 0.3. The steps are those of
//! `scripted`.

#[path = "../../scripted/src/script.rs"]
mod script;

use wrt_guest::wasip3::{
    self,
    clocks::monotonic_clock,
    http::types::{ErrorCode, Fields, Request, Response},
    spawn_local,
    wit_bindgen::{FutureWriter, StreamResult, StreamWriter},
    wit_future, wit_stream,
};

use script::{PAUSE_NS, Script, Steps, field, head, letters, number, told};

struct Scripted;

wasip3::http::service::export!(Scripted);

/// What comes behind a body.
type End = Result<Option<Fields>, ErrorCode>;
type Trailers = Vec<(String, Vec<u8>)>;

/// How much of a body the guest holds at once.
const CHUNK_BYTES: usize = 64 * 1024;

impl wasip3::exports::http::handler::Guest for Scripted {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let script = Script::parse(&request.get_path_with_query().unwrap_or_default());
        let mut play = Play {
            seen: seen(&request),
            request: Some(request),
            slow: script.is_slow(),
            read: None,
            output: None,
            trailers: Trailers::new(),
        };
        let (before, sends, _) = script.parts();
        play.steps(before).await;
        let (status, fields) = head(before);
        let fields = Fields::from_list(&fields).expect("each field is valid");
        // Dropped unwritten, it stands for "no trailers".
        let (end, trailers) = wit_future::new(|| Ok(None));
        let contents = match sends {
            Some("head") => {
                let (output, contents) = wit_stream::new();
                play.output = Some((output, end));
                spawn_local(async move { play.steps(script.parts().2).await });
                Some(contents)
            }
            Some("error") => {
                let text = "the guest's own words".to_owned();
                return Err(ErrorCode::InternalError(Some(text)));
            }
            _ => None,
        };
        let (response, _sent) = Response::new(fields, contents, trailers);
        response.set_status_code(status).expect("a status is valid");
        Ok(response)
    }
}

/// A request and its answer on the way.
struct Play {
    seen: String,
    request: Option<Request>,
    slow: bool,
    /// What the request's body was found to be.
    read: Option<String>,
    output: Option<(StreamWriter<u8>, FutureWriter<End>)>,
    trailers: Trailers,
}

impl Play {
    /// A step that cannot be taken, because whoever asked has left, ends the answer as it is.
    async fn steps(&mut self, steps: Steps<'_>) {
        for (verb, argument) in steps {
            if self.slow && self.output.is_some() {
                pause().await;
            }
            if self.step(verb, argument).await.is_none() {
                return;
            }
        }
    }

    async fn step(&mut self, verb: &str, argument: &str) -> Option<()> {
        match verb {
            "write" => {
                for (at, piece) in letters(number(argument), self.slow).into_iter().enumerate() {
                    if at > 0 {
                        pause().await;
                    }
                    self.write(piece).await?;
                }
            }
            "echo" | "read" => self.take_body(verb == "echo").await?,
            "tell" => {
                let text = self.read.take().unwrap_or_default();
                self.write(text.into_bytes()).await?;
            }
            "seen" => self.write(self.seen.clone().into_bytes()).await?,
            "trailer" => self.trailers.push(field(argument)),
            "finish" => {
                if let Some((output, end)) = self.output.take() {
                    drop(output);
                    let trailers = std::mem::take(&mut self.trailers);
                    if !trailers.is_empty() {
                        let fields = Fields::from_list(&trailers).expect("each field is valid");
                        let _reader_left = end.write(Ok(Some(fields))).await;
                    }
                }
            }
            "drop" => drop(self.output.take()),
            "forget" => std::mem::forget(self.output.take()),
            "stall" => std::future::pending().await,
            "pause" => monotonic_clock::wait_for(number(argument) * 1_000_000).await,
            "loop" => loop {
                std::hint::black_box(());
            },
            "trap" => panic!("asked to trap"),
            "exit" => std::process::exit(argument.parse().unwrap_or_default()),
            _ => {}
        }
        Some(())
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Option<()> {
        let Some((output, _)) = &mut self.output else {
            return Some(());
        };
        output.write_all(bytes).await.is_empty().then_some(())
    }

    /// Reads the request's body to its end; sends it back meanwhile, if that `is_echo`.
    async fn take_body(&mut self, is_echo: bool) -> Option<()> {
        let request = self.request.take()?;
        let (_, accepted) = wit_future::new(|| Ok(()));
        let (mut input, trailers) = Request::consume_body(request, accepted);
        let (mut bytes, mut buffer) = (0, Vec::with_capacity(CHUNK_BYTES));
        loop {
            let (status, chunk) = input.read(buffer).await;
            bytes += chunk.len() as u64;
            if is_echo && !chunk.is_empty() {
                self.write(chunk).await?;
                buffer = Vec::with_capacity(CHUNK_BYTES);
            } else {
                buffer = chunk;
                buffer.clear();
            }
            if !matches!(status, StreamResult::Complete(_)) {
                break;
            }
        }
        let end = trailers.await;
        match end {
            Ok(trailers) if is_echo => self.trailers = entries(trailers),
            Err(error) if is_echo => {
                let (output, end) = self.output.take()?;
                drop(output);
                let _reader_left = end.write(Err(error)).await;
                return None;
            }
            end => {
                let end = end.map(entries).map_err(|error| format!("{error:?}"));
                self.read = Some(told(bytes, &end));
            }
        }
        Some(())
    }
}

fn entries(trailers: Option<Fields>) -> Trailers {
    trailers.map_or_else(Trailers::new, |fields| fields.copy_all())
}

fn seen(request: &Request) -> String {
    let method = format!("{:?}", request.get_method());
    let target = request.get_path_with_query().unwrap_or_default();
    let authority = request.get_authority().unwrap_or_default();
    let mut fields = request.get_headers().copy_all();
    fields.sort();
    let line = |text: String, (name, value): &(String, Vec<u8>)| {
        format!("{text}{name}: {}\n", String::from_utf8_lossy(value))
    };
    let head = format!("{} {authority} {target}\n", method.to_lowercase());
    fields.iter().fold(head, line)
}

async fn pause() {
    monotonic_clock::wait_for(PAUSE_NS).await;
}
