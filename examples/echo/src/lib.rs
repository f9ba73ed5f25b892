//! Gives each peer back what it sends.
//!
//! With `?refuse=<status>` behind the path a peer is not let in; with `?tell` it is told first what it has
//! asked with. `/close <code> <reason>` closes it so.

use std::slice::from_ref;

use wrt_guest::websocket::{Answer, Closing, Guest, Message, Opening, Peer, close, export, send};

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
        let closing = match &message {
            Message::Text(line) => closing(line),
            Message::Binary(_) => None,
        };
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

/// The closing that a line asks for.
fn closing(line: &str) -> Option<Closing> {
    let (code, reason) = line.strip_prefix("/close ")?.split_once(' ')?;
    Some(Closing {
        code: code.parse().ok()?,
        reason: reason.to_owned(),
    })
}
