//! Messages in the words of `wasmcloud:messaging@0.2.0`, which many components import and export:
//! `GET /ask/<subject>/<text>` requests, `POST /tell/<subject>/<text>` publishes, and `GET /noted` lists what
//! was told to `<anything>.note`.
//!
//! A message to `<anything>.ask` is replied to. One to `<anything>.pass` is published once more, to
//! `<anything>.ask`, and whoever has that replies to the first sender.

use wrt_guest::{
    http::respond,
    keyvalue,
    wasip2::{
        self,
        http::types::{IncomingRequest, Method, ResponseOutparam},
    },
};

use bindings::{
    exports::wasmcloud::messaging::handler,
    wasmcloud::messaging::{
        consumer::{publish, request},
        types::BrokerMessage,
    },
};

const TIMEOUT_MS: u32 = 5000;

struct Speaker;

wasip2::http::proxy::export!(Speaker);
bindings::export!(Speaker with_types_in bindings);

impl wasip2::exports::http::incoming_handler::Guest for Speaker {
    fn handle(asked: IncomingRequest, out: ResponseOutparam) {
        let target = asked.path_with_query().unwrap_or_default();
        let parts: Vec<_> = target.trim_start_matches('/').splitn(3, '/').collect();
        let answer = match (asked.method(), parts.as_slice()) {
            (Method::Get, ["ask", subject, text]) => ask(subject, text),
            (Method::Post, ["tell", subject, text]) => tell(subject, text),
            (Method::Get, ["noted"]) => noted(),
            _ => {
                Err("GET /ask/<subject>/<text>, POST /tell/<subject>/<text>, GET /noted".to_owned())
            }
        };
        let (status, text) = match answer {
            Ok(text) => (200, text),
            Err(text) => (503, text),
        };
        respond(out, status, &text);
    }
}

impl handler::Guest for Speaker {
    fn handle_message(message: BrokerMessage) -> Result<(), String> {
        let (head, last) = message.subject.rsplit_once('.').unwrap_or_default();
        match last {
            "ask" => {
                let text = String::from_utf8_lossy(&message.body);
                let to = message
                    .reply_to
                    .as_ref()
                    .ok_or("nobody waits for a reply")?;
                publish(&BrokerMessage {
                    subject: to.clone(),
                    body: format!("{}: {text}", name()).into_bytes(),
                    reply_to: None,
                })
            }
            "pass" => publish(&BrokerMessage {
                subject: format!("{head}.ask"),
                body: message.body.clone(),
                reply_to: message.reply_to.clone(),
            }),
            "note" => note(&String::from_utf8_lossy(&message.body)),
            _ => Err(format!("nobody handles {} here", message.subject)),
        }
    }
}

fn ask(subject: &str, text: &str) -> Result<String, String> {
    let reply = request(subject, text.as_bytes(), TIMEOUT_MS)?;
    Ok(String::from_utf8_lossy(&reply.body).into_owned())
}

/// Whatever is replied to it goes where it is noted.
fn tell(subject: &str, text: &str) -> Result<String, String> {
    let (head, _) = subject.rsplit_once('.').unwrap_or_default();
    publish(&BrokerMessage {
        subject: subject.to_owned(),
        body: text.as_bytes().to_vec(),
        reply_to: Some(format!("{head}.note")),
    })?;
    Ok(format!("told {text}"))
}

fn note(text: &str) -> Result<(), String> {
    let noted = keyvalue::open("noted").and_then(|noted| noted.set(text, b""));
    noted.map_err(|error| error.to_string())
}

fn noted() -> Result<String, String> {
    let texts =
        keyvalue::open("noted").and_then(|noted| noted.keys().collect::<Result<Vec<_>, _>>());
    let mut texts = texts.map_err(|error| error.to_string())?;
    texts.sort_unstable();
    Ok(texts.join("\n"))
}

fn name() -> String {
    std::env::var("NAME").unwrap_or_else(|_| "speaker".to_owned())
}

/// Generated from `wit/`.
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package wrt:example-wasmcloud-messaging;
            world speaker {
                import wasmcloud:messaging/consumer@0.2.0;
                export wasmcloud:messaging/handler@0.2.0;
            }
        ",
        path: "../../wit/deps/wasmcloud-messaging-0.2.0",
        generate_all,
    });
}
