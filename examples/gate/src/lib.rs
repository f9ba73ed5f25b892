//! A gate in front of another component: requests without the token are refused, and the others go on
//! to whoever the manifest links as `wasi:http/handler`. Bodies pass as they are, in both directions.

mod next;

use wrt_guest::wasip3::{
    self,
    http::types::{ErrorCode, Fields, Request, Response},
    spawn_local, wit_future, wit_stream,
};

/// The variable that has the token. Without it, nobody gets in.
const TOKEN_VARIABLE: &str = "TOKEN";

/// What the component behind sees of the gate.
const ADMITTED_BY: &str = "x-admitted-by";

struct Gate;

wasip3::http::service::export!(Gate);

impl wasip3::exports::http::handler::Guest for Gate {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        if !has_token(&request.get_headers()) {
            return Ok(say(401, "no token, or a wrong one\n".to_owned()));
        }
        let answer = next::handle(admitted(request)).await;
        Ok(answer.unwrap_or_else(|error| say(502, format!("{error:?}\n"))))
    }
}

fn has_token(headers: &Fields) -> bool {
    let Ok(token) = std::env::var(TOKEN_VARIABLE) else {
        return false;
    };
    let expected = format!("Bearer {token}").into_bytes();
    headers.get("authorization") == [expected]
}

/// The same request for the component behind: the token stays here.
fn admitted(request: Request) -> Request {
    let headers = request.get_headers().clone();
    let changed = headers.delete("authorization").is_ok()
        && headers.set(ADMITTED_BY, &[b"gate".to_vec()]).is_ok();
    assert!(changed, "a copy can be changed");
    let (method, scheme) = (request.get_method(), request.get_scheme());
    let (authority, path) = (request.get_authority(), request.get_path_with_query());
    let (_, accepted) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, accepted);
    let (passed, _sent) = Request::new(headers, Some(body), trailers, None);
    let is_set = passed.set_method(&method).is_ok()
        && passed.set_scheme(scheme.as_ref()).is_ok()
        && passed.set_authority(authority.as_deref()).is_ok()
        && passed.set_path_with_query(path.as_deref()).is_ok();
    assert!(is_set, "they were a request's before");
    passed
}

/// An answer of the gate's own.
fn say(status: u16, text: String) -> Response {
    let (mut body, contents) = wit_stream::new();
    // Dropped unwritten, it stands for "no trailers".
    let (_, trailers) = wit_future::new(|| Ok(None));
    spawn_local(async move {
        // What is left over was not wanted any more.
        body.write_all(text.into_bytes()).await;
    });
    let (response, _sent) = Response::new(Fields::new(), Some(contents), trailers);
    response
        .set_status_code(status)
        .expect("401 and 502 are statuses");
    response
}
