//! Answers every request with one line, and `/echo` with the request's own body, through wasi:http
//! 0.3: one instance serves many requests at once, and bodies are streams of the component model.

use wrt_guest::wasip3::{
    self,
    http::types::{ErrorCode, Fields, Request, Response},
    spawn_local,
    wit_bindgen::{StreamReader, StreamResult, StreamWriter},
    wit_future, wit_stream,
};

const GREETING: &[u8] = b"Hello from WRT\n";

/// How much of a body the guest holds at once.
const CHUNK_BYTES: usize = 64 * 1024;

struct Hello;

wasip3::http::service::export!(Hello);

impl wasip3::exports::http::handler::Guest for Hello {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        Ok(match target.split('?').next() {
            Some("/echo") => echo(request),
            _ => hello(),
        })
    }
}

fn hello() -> Response {
    let (mut body, contents) = wit_stream::new();
    // Dropped unwritten, it stands for "no trailers".
    let (_, trailers) = wit_future::new(|| Ok(None));
    spawn_local(async move {
        // What is left over was not wanted any more.
        body.write_all(GREETING.to_vec()).await;
    });
    let headers = headers("text/plain; charset=utf-8", Some(GREETING.len()));
    Response::new(headers, Some(contents), trailers).0
}

/// Sends the request's body back while it arrives. Its trailers, or the error that it ends with,
/// become the answer's own.
fn echo(request: Request) -> Response {
    let (_, accepted) = wit_future::new(|| Ok(()));
    let (input, trailers) = Request::consume_body(request, accepted);
    let (output, contents) = wit_stream::new();
    spawn_local(copy(input, output));
    Response::new(
        headers("application/octet-stream", None),
        Some(contents),
        trailers,
    )
    .0
}

async fn copy(mut input: StreamReader<u8>, mut output: StreamWriter<u8>) {
    let mut buffer = Vec::with_capacity(CHUNK_BYTES);
    loop {
        let (status, chunk) = input.read(buffer).await;
        if !matches!(status, StreamResult::Complete(_)) {
            return;
        }
        buffer = output.write_all(chunk).await;
        if !buffer.is_empty() {
            // The reader of the answer is gone, so there is nobody left to read the request for.
            return;
        }
        buffer.reserve(CHUNK_BYTES);
    }
}

fn headers(content_type: &str, length_bytes: Option<usize>) -> Fields {
    let mut entries = vec![("content-type".to_owned(), content_type.as_bytes().to_vec())];
    if let Some(length) = length_bytes {
        entries.push(("content-length".to_owned(), length.to_string().into_bytes()));
    }
    Fields::from_list(&entries).expect("both headers are valid")
}
