//! Asks another server the same: method, path and body go to the host in `UPSTREAM`, and its answer
//! comes back. Through wasi:http 0.3, whose client the manifest's link `wasi:http` serves.

use wrt_guest::wasip3::{
    self,
    http::{
        client,
        types::{ErrorCode, Fields, Request, Response, Scheme},
    },
    wit_future,
};

struct Fetch;

wasip3::http::service::export!(Fetch);

impl wasip3::exports::http::handler::Guest for Fetch {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let answer = client::send(ask(request)?).await?;
        let status = answer.get_status_code();
        let (_, accepted) = wit_future::new(|| Ok(()));
        let (body, trailers) = Response::consume_body(answer, accepted);
        let (response, _sent) = Response::new(Fields::new(), Some(body), trailers);
        response
            .set_status_code(status)
            .expect("it was a status before");
        Ok(response)
    }
}

/// The same request for the upstream. Its body is handed on as it is.
fn ask(request: Request) -> Result<Request, ErrorCode> {
    let upstream = std::env::var("UPSTREAM").map_err(|_unset| ErrorCode::ConfigurationError)?;
    let (scheme, authority) = match upstream.split_once("://") {
        Some(("https", authority)) => (Scheme::Https, authority),
        Some(("http", authority)) => (Scheme::Http, authority),
        _ => return Err(ErrorCode::ConfigurationError),
    };
    let method = request.get_method();
    let path = request.get_path_with_query();
    let (_, accepted) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, accepted);
    let (asked, _sent) = Request::new(Fields::new(), Some(body), trailers, None);
    let is_set = asked.set_method(&method).is_ok()
        && asked.set_scheme(Some(&scheme)).is_ok()
        && asked.set_authority(Some(authority)).is_ok()
        && asked.set_path_with_query(path.as_deref()).is_ok();
    if is_set {
        Ok(asked)
    } else {
        Err(ErrorCode::HttpRequestUriInvalid)
    }
}
