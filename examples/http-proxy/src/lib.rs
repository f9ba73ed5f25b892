//! A proxy that keeps what it has fetched: requests go to the host in `UPSTREAM`, and what a `GET` is
//! answered with is kept in the store that the manifest links. `x-cache` says where an answer is from.

mod kept;
mod pass;
mod rules;

use wrt_guest::{
    http::respond,
    keyvalue::{self, Bucket},
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

use kept::Kept;
use pass::Copied;
use rules::{Asked, seconds_now};

struct Proxy;

wasip2::http::proxy::export!(Proxy);

impl wasip2::exports::http::incoming_handler::Guest for Proxy {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let is_get = matches!(request.method(), Method::Get);
        let asked = rules::of_request(is_get, &path, &request.headers().entries());
        let (cache, word) = match asked {
            Asked::NotKept => (None, "bypass"),
            Asked::Kept | Asked::New => match keyvalue::open("default") {
                Ok(bucket) => (Some(bucket), "miss"),
                Err(error) => {
                    eprintln!("the cache cannot be opened: {error}");
                    (None, "bypass")
                }
            },
        };
        if let (Some(bucket), Asked::Kept) = (&cache, asked)
            && let Some(kept) = look_up(bucket, &path)
        {
            return answer_with(&kept, out);
        }
        match ask(&request, &path) {
            Ok(answer) => pass_on(
                &answer,
                out,
                word,
                cache.as_ref().map(|it| (it, path.as_str())),
            ),
            Err(error) => respond(out, 502, &format!("{error:?}\n")),
        }
    }
}

/// What is kept of a path, if it is still fresh. A cache that fails is one that has nothing.
fn look_up(bucket: &Bucket, path: &str) -> Option<Kept> {
    match bucket.get(path) {
        Ok(bytes) => Kept::read(&bytes?).filter(|kept| kept.fresh_until > seconds_now()),
        Err(error) => {
            eprintln!("the cache cannot be read: {error}");
            None
        }
    }
}

fn answer_with(kept: &Kept, out: ResponseOutparam) {
    let age = seconds_now().saturating_sub(kept.since).to_string();
    let mut fields = vec![
        ("x-cache".to_owned(), b"hit".to_vec()),
        ("age".to_owned(), age.into_bytes()),
        (
            "content-length".to_owned(),
            kept.body.len().to_string().into_bytes(),
        ),
    ];
    if !kept.content_type.is_empty() {
        fields.push(("content-type".to_owned(), kept.content_type.clone()));
    }
    let response =
        OutgoingResponse::new(Fields::from_list(&fields).unwrap_or_else(|_refused| Fields::new()));
    let body = response.body().expect("nobody has taken the body yet");
    ResponseOutparam::set(out, Ok(response));
    if pass::bytes(&kept.body, &body).is_ok() {
        let _client_left = OutgoingBody::finish(body, None);
    }
}

/// Sends the request on, its body piece by piece, and waits for the head of the answer.
fn ask(request: &IncomingRequest, path: &str) -> Result<IncomingResponse, ErrorCode> {
    let upstream = std::env::var("UPSTREAM").map_err(|_unset| ErrorCode::ConfigurationError)?;
    let (scheme, authority) = match upstream.split_once("://") {
        Some(("https", authority)) => (Scheme::Https, authority),
        Some(("http", authority)) => (Scheme::Http, authority),
        _ => return Err(ErrorCode::ConfigurationError),
    };
    let fields = rules::passed_on(request.headers().entries());
    let fields = Fields::from_list(&fields).map_err(|_bad| ErrorCode::HttpProtocolError)?;
    let asked = OutgoingRequest::new(fields);
    let is_set = asked.set_method(&request.method()).is_ok()
        && asked.set_scheme(Some(&scheme)).is_ok()
        && asked.set_authority(Some(authority)).is_ok()
        && asked.set_path_with_query(Some(path)).is_ok();
    if !is_set {
        return Err(ErrorCode::HttpRequestUriInvalid);
    }
    let has_body = !matches!(request.method(), Method::Get | Method::Head);
    let body = asked.body().expect("nobody has taken the body yet");
    let answer = outgoing_handler::handle(asked, None)?;
    if has_body {
        let input = request.consume().expect("nobody has taken the body yet");
        // A body that broke off is left unfinished, so that the upstream does not take it for whole.
        if pass::all(input, &body, 0).is_ok() {
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

/// Hands the answer on as it comes, and keeps it when it was whole.
fn pass_on(
    answer: &IncomingResponse,
    out: ResponseOutparam,
    word: &str,
    cache: Option<(&Bucket, &str)>,
) {
    let fields = answer.headers().entries();
    let fresh_for = match answer.status() {
        200 => rules::fresh_for(&fields),
        _ => None,
    };
    let cache = cache.zip(fresh_for);
    let kept_bytes_max = if cache.is_some() { kept::BYTES_MAX } else { 0 };
    let content_type = rules::field(&fields, "content-type").to_vec();
    let mut fields = rules::passed_on(fields);
    fields.push(("x-cache".to_owned(), word.as_bytes().to_vec()));
    let response =
        OutgoingResponse::new(Fields::from_list(&fields).unwrap_or_else(|_refused| Fields::new()));
    response
        .set_status_code(answer.status())
        .expect("it was a status before");
    let body = response.body().expect("nobody has taken the body yet");
    ResponseOutparam::set(out, Ok(response));
    let input = answer.consume().expect("nobody has taken the body yet");
    let Ok(copied) = pass::all(input, &body, kept_bytes_max) else {
        return;
    };
    let _client_left = OutgoingBody::finish(body, None);
    if let (Some(((bucket, path), fresh_for)), Copied::Whole(body)) = (cache, copied) {
        let since = seconds_now();
        let kept = Kept {
            since,
            fresh_until: since.saturating_add(fresh_for),
            content_type,
            body,
        };
        if let Err(error) = bucket.set(path, &kept.to_bytes()) {
            eprintln!("the answer is not kept: {error}");
        }
    }
}
