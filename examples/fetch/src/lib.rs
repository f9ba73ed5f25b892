//! Asks another server the same: method, path and body go to the host in `UPSTREAM`, and its answer
//! comes back. Through wasi:http 0.2, whose outgoing-handler the manifest's link `wasi:http` serves.

mod copy;

use wrt_guest::{
    http::respond,
    wasip2::{
        self,
        http::{
            outgoing_handler,
            types::{
                ErrorCode, Fields, IncomingRequest, IncomingResponse, Method, OutgoingBody,
                OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme,
            },
        },
    },
};

struct Fetch;

wasip2::http::proxy::export!(Fetch);

impl wasip2::exports::http::incoming_handler::Guest for Fetch {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match ask(&request) {
            Ok(answer) => pass_on(&answer, out),
            Err(error) => respond(out, 502, &format!("{error:?}\n")),
        }
    }
}

/// Sends the request on, its body piece by piece, and waits for the head of the answer.
fn ask(request: &IncomingRequest) -> Result<IncomingResponse, ErrorCode> {
    let upstream = std::env::var("UPSTREAM").map_err(|_unset| ErrorCode::ConfigurationError)?;
    let (scheme, authority) = match upstream.split_once("://") {
        Some(("https", authority)) => (Scheme::Https, authority),
        Some(("http", authority)) => (Scheme::Http, authority),
        _ => return Err(ErrorCode::ConfigurationError),
    };
    let asked = OutgoingRequest::new(Fields::new());
    let is_set = asked.set_method(&request.method()).is_ok()
        && asked.set_scheme(Some(&scheme)).is_ok()
        && asked.set_authority(Some(authority)).is_ok()
        && asked
            .set_path_with_query(request.path_with_query().as_deref())
            .is_ok();
    if !is_set {
        return Err(ErrorCode::HttpRequestUriInvalid);
    }
    let has_body = !matches!(request.method(), Method::Get | Method::Head);
    let body = asked.body().expect("nobody has taken the body yet");
    let answer = outgoing_handler::handle(asked, None)?;
    if has_body {
        let input = request.consume().expect("nobody has taken the body yet");
        // A body that broke off is left unfinished, so that the upstream does not take it for whole.
        if copy::all(input, &body).is_ok() {
            OutgoingBody::finish(body, None)?;
        }
    } else {
        OutgoingBody::finish(body, None)?;
    }
    answer.subscribe().block();
    answer
        .get()
        .expect("it was waited for")
        .expect("it is taken once")
}

fn pass_on(answer: &IncomingResponse, out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    response
        .set_status_code(answer.status())
        .expect("it was a status before");
    let body = response.body().expect("nobody has taken the body yet");
    ResponseOutparam::set(out, Ok(response));
    let input = answer.consume().expect("nobody has taken the body yet");
    if copy::all(input, &body).is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}
