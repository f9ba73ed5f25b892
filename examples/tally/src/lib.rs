//! Counts how often it gets each message, of a topic or of a peer, and fails for some of them: for tests that look
//! for lost ones.
//!
//! A message is a number, and whatever stands behind it. Of every `FAILS_EACH` numbers in its environment, one
//! fails whenever it comes, and one the first time; each takes `TAKES_MS`. `GET /counts/<number>` lists a thousand
//! numbers from that one on, each with how often it came, if it has. Where there are so many `KEYS`,
//! `GET /places/<number>` lists at which place among those of its key (its remainder) each was handled the first
//! time.

use wrt_guest::{
    http::respond,
    keyvalue::{self, Bucket},
    messaging::{self, Error, Message},
    wasip2::{
        self,
        clocks::monotonic_clock::subscribe_duration,
        http::types::{IncomingRequest, ResponseOutparam},
    },
    websocket::{self, Answer, Closing, Opening, Peer},
};

struct Tally;

/// Numbers of a list: however many there are, it takes no longer.
const LISTED: u64 = 1000;

wasip2::http::proxy::export!(Tally);
messaging::export!(Tally);
websocket::export!(Tally);

impl messaging::Guest for Tally {
    fn handle(message: Message) -> Result<(), Error> {
        tally(&message.data())
    }
}

impl websocket::Guest for Tally {
    fn open(_: Opening) -> Answer {
        Answer::Accept(None)
    }

    fn receive(_: Peer, message: websocket::Message) {
        let data = match message {
            websocket::Message::Text(text) => text.into_bytes(),
            websocket::Message::Binary(data) => data,
        };
        // A peer is told nothing: what came is in the counts.
        if let Err(error) = tally(&data) {
            eprintln!("not counted: {error:?}");
        }
    }

    fn close(_: Peer, _: Closing) {}
}

fn tally(data: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(data);
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

impl wasip2::exports::http::incoming_handler::Guest for Tally {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let asked = path.trim_start_matches('/').split_once('/');
        let from = asked.and_then(|(_, from)| from.parse().ok());
        let bucket = match (asked, from) {
            (Some(("counts", _)), Some(_)) => bucket(),
            (Some(("places", _)), Some(_)) => keyvalue::open("places"),
            _ => return respond(out, 404, "GET /counts/<number>, GET /places/<number>"),
        };
        match bucket.and_then(|bucket| list(&bucket, from.unwrap_or(0))) {
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
fn list(bucket: &Bucket, from: u64) -> Result<String, keyvalue::Error> {
    let numbers = from..from.saturating_add(LISTED);
    let keys: Vec<_> = numbers.map(|number| number.to_string()).collect();
    let mut lines = String::new();
    for (key, value) in keys.iter().zip(bucket.get_many(&keys)?) {
        if let Some(count) = value {
            lines += &format!("{key} {}\n", String::from_utf8_lossy(&count));
        }
    }
    Ok(lines)
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn other(error: impl ToString) -> Error {
    Error::Other(error.to_string())
}
