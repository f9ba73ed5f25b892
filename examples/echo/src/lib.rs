//! Gives each peer back what it sends.
//!
//! With `?refuse=<status>` behind the path a peer is not let in; with `?tell` it is told first what it has
//! asked with. `/close <code> <reason>` closes it so, and `/connect <url> <subprotocols>` connects to another
//! server, which is a peer like all others from then on.

use std::slice::from_ref;

use wrt_guest::websocket::{
    Answer, Closing, Connecting, Guest, Message, Opening, Peer, close, connect, export, send,
};

/// The component's link to who opens connections.
const OUTSIDE: &str = "outside";

struct Echo;

export!(Echo);

impl Guest for Echo {
    fn open(opening: Opening) -> Answer {
        let query = opening.path_with_query.split_once('?');
        let wish = query.map_or("", |(_, query)| query);
        if let Some(status) = wish.strip_prefix("refuse=") {
            return Answer::Refuse(status.parse().unwrap_or(0));
        }
        if wish == "tell" {
            let _is_there = send(from_ref(&opening.peer), &Message::Text(told(&opening)));
        }
        Answer::Accept(opening.protocols.into_iter().next())
    }

    fn receive(peer: Peer, message: Message) {
        let line = match &message {
            Message::Text(line) => line.as_str(),
            Message::Binary(_) => "",
        };
        if let Some(wish) = line.strip_prefix("/connect ") {
            let _is_there = send(&[peer], &Message::Text(connected(wish)));
            return;
        }
        let closing = closing(line);
        // One that is gone has no use for it.
        let _is_there = match closing {
            Some(closing) => close(&[peer], &closing),
            None => send(&[peer], &message),
        };
    }

    fn close(_: Peer, _: Closing) {}
}

/// What a peer has asked with, in lines.
fn told(opening: &Opening) -> String {
    let fields = opening.headers.iter();
    let fields = fields.filter(|(name, _)| name.starts_with("x-"));
    let fields = fields.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)));
    let mut lines = vec![
        format!("path {}", opening.path_with_query),
        format!("protocols {}", opening.protocols.join(", ")),
    ];
    lines.extend(fields);
    lines.join("\n")
}

/// Connects to a URL, with the subprotocols behind it; what became of that.
fn connected(wish: &str) -> String {
    let mut words = wish.split(' ').map(str::to_owned);
    let connecting = Connecting {
        link: OUTSIDE.to_owned(),
        route: "default".to_owned(),
        url: words.next().unwrap_or_default(),
        headers: vec![("x-by".to_owned(), b"echo".to_vec())],
        protocols: words.collect(),
    };
    match connect(&connecting) {
        Ok(connected) => {
            let protocol = connected
                .protocol
                .unwrap_or_else(|| "no subprotocol".to_owned());
            format!("connected to {}, {protocol}", connected.peer)
        }
        Err(error) => format!("not connected: {error:?}"),
    }
}

/// The closing that a line asks for.
fn closing(line: &str) -> Option<Closing> {
    let (code, reason) = line.strip_prefix("/close ")?.split_once(' ')?;
    Some(Closing {
        code: code.parse().ok()?,
        reason: reason.to_owned(),
    })
}
