//! A router as what `wasi:http` 0.3 calls.
//!
//! A component that is linked with code which uses the bindings of 0.3 says that it imports them. So none of this is
//! compiled here: one function is generic, the others `#[inline]`, and all of them become a part of the component
//! that says `export_p3!`.

use wrt_http::wasip3::{
    http::types::{ErrorCode, Fields, Method, Request as Asked, Response as Answered},
    spawn_local,
    wit_bindgen::StreamResult,
    wit_future, wit_stream,
};

use super::{
    Problem, Request, Response, Router,
    export_0_2::{entries, headers, is_announced_too_long},
    router::too_long,
};

/// What is asked for at once of a body.
const CHUNK_BYTES: usize = 64 * 1024;

/// What has the router of a component.
pub trait Routes {
    /// Uses it.
    fn with<R>(uses: impl FnOnce(&Router) -> R) -> R;
}

/// Answers one request.
pub async fn serve_p3<T: Routes>(asked: Asked) -> Result<Answered, ErrorCode> {
    let answer = match head(&asked) {
        Ok(head) => answer::<T>(head, asked).await,
        Err(problem) => problem.into(),
    };
    Ok(answered(answer))
}

async fn answer<T: Routes>(head: Request, asked: Asked) -> Response {
    let method = head.method.clone();
    let refused = T::with(|router| router.find(&head).err().map(Response::from));
    if let Some(refused) = refused {
        return refused.without_body_for(&method);
    }
    let bytes_max = T::with(Router::body_bytes);
    let body = match is_announced_too_long(&head.headers, bytes_max) {
        true => Err(too_long(bytes_max)),
        false => body(asked, bytes_max).await,
    };
    match body {
        Ok(body) => T::with(|router| router.answer(head.with_body(body))),
        Err(problem) => Response::from(problem).without_body_for(&method),
    }
}

#[inline]
fn head(asked: &Asked) -> Result<Request, Problem> {
    let method = match asked.get_method() {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Connect => "CONNECT".to_owned(),
        Method::Options => "OPTIONS".to_owned(),
        Method::Trace => "TRACE".to_owned(),
        Method::Patch => "PATCH".to_owned(),
        Method::Other(name) => name,
    };
    let target = asked.get_path_with_query();
    let mut head = Request::new(&method, target.as_deref().unwrap_or("/"))?;
    head.headers = headers(asked.get_headers().copy_all());
    Ok(head)
}

#[inline]
async fn body(asked: Asked, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let (_, accepted) = wit_future::new(|| Ok(()));
    let (mut input, end) = Asked::consume_body(asked, accepted);
    let mut body = Vec::new();
    loop {
        let (status, chunk) = input.read(Vec::with_capacity(CHUNK_BYTES)).await;
        if body.len() + chunk.len() > bytes_max {
            return Err(too_long(bytes_max));
        }
        body.extend_from_slice(&chunk);
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    drop(input);
    match end.await {
        Ok(_trailers) => Ok(body),
        Err(error) => Err(Problem::bad_request(format!(
            "the body broke off: {error:?}"
        ))),
    }
}

#[inline]
fn answered(answer: Response) -> Answered {
    let (status, fields, body) = match Fields::from_list(&entries(&answer)) {
        Ok(fields) => (answer.status.as_u16(), fields, answer.body),
        Err(error) => {
            eprintln!("a header of the answer is refused: {error:?}");
            (500, Fields::new(), Vec::new())
        }
    };
    let (mut writer, contents) = wit_stream::new();
    // Dropped unwritten, it stands for "no trailers".
    let (_, trailers) = wit_future::new(|| Ok(None));
    spawn_local(async move {
        // What is left over was not wanted any more.
        writer.write_all(body).await;
    });
    let (answered, _sent) = Answered::new(fields, Some(contents), trailers);
    let set = answered.set_status_code(status);
    set.expect("a status has three digits");
    answered
}
