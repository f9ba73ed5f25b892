//! Counts how often it gets each message, and fails for some of them: for tests that look for lost ones.
//!
//! A message is a number, and whatever stands behind it. Of every `FAILS_EACH` numbers in its environment, one
//! fails whenever it comes, and one the first time; each takes `TAKES_MS`. `GET /` lists the numbers, each with
//! how often it came. Where there are so many `KEYS`, `GET /places` lists at which place among those of its key
//! (its remainder) each was handled the first time.

use wrt_guest::{
    http::respond,
    keyvalue::{self, Bucket},
    messaging::{self, Error, Message},
    wasip2::{
        self,
        clocks::monotonic_clock::subscribe_duration,
        http::types::{IncomingRequest, ResponseOutparam},
    },
};

struct Tally;

wasip2::http::proxy::export!(Tally);
messaging::export!(Tally);

impl messaging::Guest for Tally {
    fn handle(message: Message) -> Result<(), Error> {
        let text = String::from_utf8_lossy(&message.data()).into_owned();
        let number = text.split_whitespace().next().unwrap_or_default();
        let came = bucket().and_then(|bucket| bucket.increment(number, 1));
        let number: u64 = number.parse().map_err(other)?;
        let came = came.map_err(other)?;
        subscribe_duration(setting("TAKES_MS").unwrap_or(0) * 1_000_000).block();
        match setting("FAILS_EACH").map(|each| (number % each, each / 2)) {
            Some((0, _)) => Err(other("it never succeeds")),
            Some((place, half)) if place == half && came == 1 => Err(other("the first time")),
            _ => match setting("KEYS") {
                Some(keys) => note_place(number, keys).map_err(other),
                None => Ok(()),
            },
        }
    }
}

impl wasip2::exports::http::incoming_handler::Guest for Tally {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let bucket = match request.path_with_query().as_deref() {
            Some("/places") => keyvalue::open("places"),
            _ => bucket(),
        };
        match bucket.and_then(|bucket| list(&bucket)) {
            Ok(lines) => respond(out, 200, &lines),
            Err(error) => respond(out, 503, &error.to_string()),
        }
    }
}

fn bucket() -> Result<Bucket, keyvalue::Error> {
    keyvalue::open("tally")
}

fn note_place(number: u64, keys: u64) -> Result<(), keyvalue::Error> {
    let places = keyvalue::open("places")?;
    let name = number.to_string();
    if places.get(&name)?.is_none() {
        let key = number.checked_rem(keys).unwrap_or_default();
        let place = places.increment(&format!("key-{key}"), 1)?;
        places.set(&name, place.to_string().as_bytes())?;
    }
    Ok(())
}

/// One `number count` a line.
fn list(bucket: &Bucket) -> Result<String, keyvalue::Error> {
    let mut lines = String::new();
    let mut cursor = None;
    loop {
        let page = bucket.page(cursor.as_deref())?;
        for (key, value) in page.keys.iter().zip(bucket.get_many(&page.keys)?) {
            let count = value.unwrap_or_default();
            lines += &format!("{key} {}\n", String::from_utf8_lossy(&count));
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(lines);
        }
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn other(error: impl ToString) -> Error {
    Error::Other(error.to_string())
}
