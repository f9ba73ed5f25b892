//! A chat: a page over HTTP, and its websocket. What a peer says goes to all of the route, on all nodes.
//!
//! The component keeps nothing for a peer, so each call may come to another instance, on another node. A
//! line that begins with a slash is for the component: `/whoami` answers the one who asks, `/to <peer> <line>`
//! goes to that peer alone and `/all <line>` to all, and whoever says it is told what became of it; `/wait <ms>`
//! takes so long, `/trap` ends the instance, `/leave` closes the peer, `/join <url>` connects to another chat, so that
//! what is said there is told here. Of which route its peers are is said by
//! `ROUTE` in its environment.

use wrt_guest::{
    http::respond_with,
    wasip2::{
        self,
        clocks::monotonic_clock::subscribe_duration,
        http::types::{IncomingRequest, ResponseOutparam},
    },
    websocket::{
        self, Answer, Closing, Connecting, Error, Message, Opening, Outcome, Peer, Reached, close,
        connect, send, send_to_all,
    },
};

/// The links of `app.toml`: to the server, and to who connects to other chats.
const LINK: &str = "default";
const OUTSIDE: &str = "outside";
/// The other chats, by the name that `app.toml` has for them.
const OTHERS: &str = "others";
const PROTOCOL: &str = "chat";
const PAGE: &str = include_str!("page.html");

struct Chat;

wasip2::http::proxy::export!(Chat);
websocket::export!(Chat);

impl wasip2::exports::http::incoming_handler::Guest for Chat {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        respond_with(out, 200, "text/html; charset=utf-8", PAGE);
    }
}

impl websocket::Guest for Chat {
    /// Whoever offers no subprotocol, or that of the chat, may come in.
    fn open(opening: Opening) -> Answer {
        let speaks = opening.protocols.iter().any(|it| it == PROTOCOL);
        if !opening.protocols.is_empty() && !speaks {
            return Answer::Refuse(400);
        }
        let _is_there = send(&[opening.peer], &text("* welcome"));
        Answer::Accept(speaks.then(|| PROTOCOL.to_owned()))
    }

    fn receive(peer: Peer, message: Message) {
        let line = match &message {
            Message::Text(line) => line.as_str(),
            // A picture, for one: for all, as it is.
            Message::Binary(_) => return tell_all(&message),
        };
        match line.split_once(' ').unwrap_or((line, "")) {
            ("/whoami", _) => {
                let line = text(&format!("* {peer}"));
                let _is_there = send(&[peer], &line);
            }
            ("/to", rest) => {
                let (to, line) = rest.split_once(' ').unwrap_or((rest, ""));
                let became = send(&[to.to_owned()], &text(line));
                tell_what_became(peer, line, became.map(|became| in_words(became[0])));
            }
            ("/all", line) => {
                let reached = send_to_all(LINK, &route(), &text(line));
                let became = reached.map(|reached| {
                    let Reached {
                        queued,
                        gone,
                        unanswered,
                    } = reached;
                    format!("{queued} queued, {gone} gone, {unanswered} unanswered")
                });
                tell_what_became(peer, line, became);
            }
            ("/wait", millis) => {
                let millis: u64 = millis.parse().unwrap_or(0);
                subscribe_duration(millis.saturating_mul(1_000_000)).block();
            }
            ("/trap", _) => panic!("on purpose"),
            ("/leave", _) => {
                let closing = Closing {
                    code: 1000,
                    reason: "bye".to_owned(),
                };
                let _is_there = close(&[peer], &closing);
            }
            ("/join", url) => {
                let line = text(&format!("* {}", joined(url)));
                let _is_there = send(&[peer], &line);
            }
            _ => tell_all(&message),
        }
    }

    fn close(_: Peer, closing: Closing) {
        tell_all(&text(&format!("* somebody left ({})", closing.code)));
    }
}

fn text(line: &str) -> Message {
    Message::Text(line.to_owned())
}

fn route() -> String {
    std::env::var("ROUTE").unwrap_or_else(|_| "/chat".to_owned())
}

/// Connects to another chat; what became of it.
fn joined(url: &str) -> String {
    let connecting = Connecting {
        link: OUTSIDE.to_owned(),
        route: OTHERS.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        protocols: Vec::new(),
    };
    match connect(&connecting) {
        Ok(connected) => format!("joined {}", connected.peer),
        Err(error) => format!("not joined: {error:?}"),
    }
}

fn in_words(outcome: Outcome) -> String {
    let words = match outcome {
        Outcome::Queued => "queued",
        Outcome::Gone => "gone",
        Outcome::NotSent => "not sent",
        Outcome::MaybeSent => "maybe sent",
    };
    words.to_owned()
}

fn tell_what_became(peer: Peer, line: &str, became: Result<String, Error>) {
    let became = became.unwrap_or_else(|error| format!("{error:?}"));
    let _is_there = send(&[peer], &text(&format!("* {line}: {became}")));
}

/// A peer for whom there was no room is closed by its server; nothing is left to be done here.
fn tell_all(message: &Message) {
    if let Err(error) = send_to_all(LINK, &route(), message) {
        eprintln!("nobody was told: {error:?}");
    }
}
