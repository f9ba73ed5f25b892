//! Accounts over HTTP, kept by whatever database the manifest links to: `PUT /<name>/<amount>` opens one,
//! `GET /<name>` tells what is in it, `POST /<from>/<to>/<amount>` moves something, all of it or nothing, and
//! `GET /` tells all of them.
//!
//! What fails is an answer: it says whether something may have happened.

mod accounts;

use wrt_guest::{
    http::respond,
    wasip2::{
        self,
        http::types::{IncomingRequest, Method, ResponseOutparam},
    },
};

use accounts::Failure;

struct Accounts;

wasip2::http::proxy::export!(Accounts);

impl wasip2::exports::http::incoming_handler::Guest for Accounts {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match answer(&request) {
            Ok(text) => respond(out, 200, &text),
            Err(failure) => respond(out, failure.status(), &failure.to_string()),
        }
    }
}

fn answer(request: &IncomingRequest) -> Result<String, Failure> {
    let path = request.path_with_query().unwrap_or_default();
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let amount = |text: &str| {
        let sum = text.parse().ok().filter(|sum: &i64| *sum >= 0);
        sum.ok_or(Failure::NotAnAmount)
    };
    match (request.method(), &parts[..]) {
        (Method::Put, [name, sum]) => accounts::open(name, amount(sum)?),
        (Method::Get, [name]) => accounts::balance(name),
        (Method::Post, [from, to, sum]) => accounts::transfer(from, to, amount(sum)?),
        (Method::Get, []) => accounts::all(),
        _ => Err(Failure::NoSuchRequest),
    }
}
