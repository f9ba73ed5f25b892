//! How what waits to go out on the lane of the calls is packed.
//!
//! A message costs the server and both clients more than the bytes in it, so what has gathered by the
//! time that its turn comes goes out together: requests to one subject, and replies to one caller. With
//! one call at a time there is nothing to gather, and the messages are plain ones.

use std::{mem, sync::Arc};

use async_nats::Subject;
use tokio::task::yield_now;
use wrt_protocol::{
    limits::{PACK_BYTES_MAX, PACK_ENTRIES_MAX, PACK_ENTRY_BYTES_MAX},
    pack::{self, PackEntry},
};

use super::{
    connection::Connection,
    outbox::{Outbox, OutgoingMessage},
    reply_to::ReplyTo,
};

/// Packs that are filled at a time: operations that are called, or callers that are answered.
const PACKS_OPEN_MAX: usize = 32;

/// Sends what is put in, for as long as the transport lives.
pub(super) async fn send_outbox(connection: Arc<Connection>, outbox: Arc<Outbox>) {
    let mut in_company = false;
    loop {
        outbox.added().await;
        if in_company || !connection.replies.is_calm() {
            // Whoever was woken together with the first gets to put its own in. After a message that
            // was alone, the next is likely to be too, and goes at once.
            yield_now().await;
        }
        in_company = send_all_waiting(&connection, &outbox).await;
    }
}

/// Sends in its place while [`send_outbox`] waits for a thread that is blocked.
pub(super) async fn send_when_told(connection: Arc<Connection>, outbox: Arc<Outbox>) {
    loop {
        outbox.told().await;
        send_all_waiting(&connection, &outbox).await;
    }
}

/// Whether some of it had company.
async fn send_all_waiting(connection: &Connection, outbox: &Outbox) -> bool {
    let mut in_company = false;
    while let Some(taken) = outbox.take() {
        let count = taken.len();
        in_company |= count > 1;
        let mut packer = Packer {
            connection,
            open: Vec::new(),
        };
        for outgoing in taken {
            packer.add(outgoing).await;
        }
        packer.send_all().await;
        outbox.sent(count);
    }
    in_company
}

/// Requests to one subject, or replies to one inbox.
struct Pack {
    is_request: bool,
    to: Subject,
    entries: Vec<PackEntry>,
    bytes: usize,
}

struct Packer<'a> {
    connection: &'a Connection,
    open: Vec<Pack>,
}

impl Packer<'_> {
    async fn add(&mut self, outgoing: OutgoingMessage) {
        let (is_request, to, entry) = match outgoing {
            OutgoingMessage::Request(to, entry) => (true, to, entry),
            OutgoingMessage::Reply(to, entry) => (false, to, entry),
            whole @ (OutgoingMessage::Requests(..) | OutgoingMessage::Plain(..)) => {
                self.send_all().await;
                return self.hand_over(whole).await;
            }
        };
        let bytes = entry.payload.len();
        if bytes > PACK_ENTRY_BYTES_MAX {
            // Concurrent calls have no order among themselves, and neither have replies.
            return self.send_one(is_request, to, entry).await;
        }
        let same = |pack: &Pack| pack.is_request == is_request && pack.to == to;
        let at = self.open.iter().position(same);
        if let Some(at) = at {
            let pack = &mut self.open[at];
            if pack.entries.len() < PACK_ENTRIES_MAX && pack.bytes + bytes <= PACK_BYTES_MAX {
                pack.entries.push(entry);
                pack.bytes += bytes;
                return;
            }
            let full = self.open.swap_remove(at);
            self.send(full).await;
        } else if self.open.len() >= PACKS_OPEN_MAX {
            self.send_all().await;
        }
        self.open.push(Pack {
            is_request,
            to,
            entries: vec![entry],
            bytes,
        });
    }

    async fn send_all(&mut self) {
        for pack in mem::take(&mut self.open) {
            self.send(pack).await;
        }
    }

    async fn send(&self, pack: Pack) {
        let Pack {
            is_request,
            to,
            mut entries,
            ..
        } = pack;
        let replies = &self.connection.replies;
        let number = match is_request {
            true => replies.pack(&mut entries),
            false => None,
        };
        let packed = match &*entries {
            [] => return,
            [_] => None,
            // A payload limit below that of a pack is an operator's choice.
            _ => pack::encode(&entries)
                .ok()
                .filter(|packed| packed.len() <= self.connection.client.max_payload()),
        };
        match (packed, number) {
            (None, _) => {
                for entry in entries {
                    self.send_one(is_request, to.clone(), entry).await;
                }
            }
            (Some(packed), Some(number)) => {
                self.hand_over(OutgoingMessage::Requests(to, number, packed))
                    .await;
            }
            (Some(packed), None) => {
                let to = ReplyTo::Packed.subject(&to);
                self.hand_over(OutgoingMessage::Plain(to.into(), packed))
                    .await;
            }
        }
    }

    async fn send_one(&self, is_request: bool, to: Subject, entry: PackEntry) {
        let outgoing = match is_request {
            true => OutgoingMessage::Request(to, entry),
            false => OutgoingMessage::Reply(to, entry),
        };
        self.hand_over(outgoing).await;
    }

    async fn hand_over(&self, outgoing: OutgoingMessage) {
        if let Err(error) = self.connection.send(outgoing).await {
            // Whoever waits for a reply learns it when the connection is taken down, or from its own
            // deadline.
            tracing::debug!(%error, "a message was not sent");
        }
    }
}
