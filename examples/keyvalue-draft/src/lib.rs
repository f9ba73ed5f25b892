//! A counter through the older wasi:keyvalue 0.2.0-draft, which many components still import:
//! `POST /<key>` adds one (atomics), `GET /<key>` reads (batch), `GET /` lists the keys (store).

use wrt_guest::{
    http::respond,
    wasip2::{
        self,
        http::types::{IncomingRequest, Method, ResponseOutparam},
    },
};

use bindings::wasi::keyvalue::store::{self, Bucket, Error};
use bindings::wasi::keyvalue::{atomics, batch};

/// A store whose cursor never ends is a bug of that store, and no reason to run for ever.
const PAGES_MAX: usize = 1000;

struct Draft;

wasip2::http::proxy::export!(Draft);

impl wasip2::exports::http::incoming_handler::Guest for Draft {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let key = target.trim_start_matches('/');
        let answer = match (request.method(), key) {
            (Method::Get, "") => list(),
            (Method::Get, key) => read(key),
            (_, key) => increment(key),
        };
        let (status, text) = match answer {
            Ok(text) => (200, text),
            Err(error) => (503, error.to_string()),
        };
        respond(out, status, &text);
    }
}

fn increment(key: &str) -> Result<String, Error> {
    let bucket = bucket()?;
    Ok(atomics::increment(&bucket, key, 1)?.to_string())
}

fn read(key: &str) -> Result<String, Error> {
    let bucket = bucket()?;
    let found = batch::get_many(&bucket, &[key.to_owned()])?;
    Ok(match found.into_iter().flatten().next() {
        Some((_, value)) => String::from_utf8_lossy(&value).into_owned(),
        None => "0".to_owned(),
    })
}

fn list() -> Result<String, Error> {
    let bucket = bucket()?;
    let mut lines = String::new();
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let page = bucket.list_keys(cursor)?;
        for key in page.keys {
            lines.push_str(&key);
            lines.push('\n');
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(lines);
        }
    }
    Err(Error::Other(format!(
        "no end of keys after {PAGES_MAX} pages"
    )))
}

fn bucket() -> Result<Bucket, Error> {
    match std::env::var("DRAFT_BUCKET") {
        Ok(name) => store::open(&name),
        Err(_) => store::open("default"),
    }
}

/// Generated from `wit/`.
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package wrt:example-keyvalue-draft;
            world draft {
                include wasi:keyvalue/imports@0.2.0-draft;
            }
        ",
        path: "../../wit/deps/keyvalue-0.2.0-draft",
        generate_all,
    });
}
