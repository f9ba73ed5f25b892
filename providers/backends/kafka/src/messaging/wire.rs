//! A message as Kafka carries it: content type and metadata are headers. Names that this provider reads by
//! itself travel under a prefix, so that nobody acts upon what a guest has written.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use rdkafka::message::{Header, Headers, Message as _, OwnedHeaders, OwnedMessage};
use wrt_messaging::{INBOX, Message, ReplyTo, Topic};

/// The entry of metadata that is a record's key. It is a header as well, so that it comes as it was sent.
pub(super) const KEY: &str = "key";
/// As in CloudEvents' binding for Kafka.
const CONTENT_TYPE: &str = "content-type";
/// In front of names of metadata that mean something to this provider.
const METADATA: &str = "Wrt-Metadata-";
/// The topic where a request's sender waits, and by which word it knows a reply. A reply whose own sender
/// waits has two words: the last one is that which it is known by.
pub(super) const REPLY_TO: &str = "Wrt-Reply-To";
pub(super) const CORRELATION: &str = "Wrt-Correlation-Id";
/// Between the two where they are one address. No topic has it.
const AND: char = '#';

/// Bytes that a record takes beside its parts, and each of its headers.
const FRAME_BYTES: usize = 32;

/// The key of a message's record.
pub(super) fn key_of(message: &Message) -> Option<&str> {
    let mut entries = message.metadata.iter();
    let entry = entries.find(|(name, _)| name == KEY);
    entry.map(|(_, value)| value.as_str())
}

/// The key of a record, as it stands for an order.
pub(super) fn record_key_of(record: &OwnedMessage) -> Option<String> {
    let key = record.key()?;
    Some(String::from_utf8_lossy(key).into_owned())
}

/// The headers of a message.
pub(super) fn headers_of(message: &Message) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(message.metadata.len() + 3);
    if let Some(to) = &message.reply_to {
        headers = answered_at(headers, to);
    }
    if let Some(content_type) = &message.content_type {
        headers = header(headers, CONTENT_TYPE, content_type);
    }
    for (name, value) in &message.metadata {
        headers = match has_a_meaning(name) {
            true => header(headers, &format!("{METADATA}{name}"), value),
            false => header(headers, name, value),
        };
    }
    headers
}

/// Where a reply goes: the word is that of one who waits for it at that topic.
fn answered_at(headers: OwnedHeaders, to: &ReplyTo) -> OwnedHeaders {
    match parts_of(&to.address) {
        Some((topic, word)) => header(header(headers, REPLY_TO, topic), CORRELATION, word),
        None => header(headers, REPLY_TO, &to.address),
    }
}

/// The same with one more.
pub(super) fn header(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    let value = Some(value.as_bytes());
    headers.insert(Header { key, value })
}

/// What a record takes on the wire, at most.
pub(super) fn bytes_beside_data(headers: &OwnedHeaders, message: &Message) -> usize {
    let of_one = |header: Header<'_, &[u8]>| header.key.len() + header.value.map_or(0, <[u8]>::len);
    let of_headers = headers.iter().map(|header| of_one(header) + FRAME_BYTES);
    2 * FRAME_BYTES + key_of(message).map_or(0, str::len) + of_headers.sum::<usize>()
}

/// A message that came in; none of a topic that is none here.
pub(super) fn message_of(record: &OwnedMessage) -> Option<Message> {
    let mut message = reply_of(record);
    message.topic = Some(Topic::new(record.topic()).ok()?);
    Some(message)
}

/// A reply that came in.
pub(super) fn reply_of(record: &OwnedMessage) -> Message {
    let mut message = Message::new(Bytes::copy_from_slice(record.payload().unwrap_or_default()));
    message.reply_to = text_of(record, REPLY_TO).map(|topic| ReplyTo {
        address: match text_of(record, CORRELATION) {
            Some(word) => format!("{INBOX}{topic}{AND}{word}"),
            None => topic.to_owned(),
        },
        link: String::new(),
    });
    for header in record.headers().into_iter().flat_map(each) {
        // What is no text comes from another program, and is none of a guest's metadata.
        let Some(Ok(value)) = header.value.map(std::str::from_utf8) else {
            continue;
        };
        let name = match header.key.strip_prefix(METADATA) {
            Some(name) => name,
            None if header.key.eq_ignore_ascii_case(CONTENT_TYPE) => {
                message.content_type = Some(value.to_owned());
                continue;
            }
            None if has_a_meaning(header.key) => continue,
            None => header.key,
        };
        message.metadata.push((name.to_owned(), value.to_owned()));
    }
    let key = record.key().map(std::str::from_utf8);
    if let (None, Some(Ok(key))) = (key_of(&message), key) {
        message.metadata.push((KEY.to_owned(), key.to_owned()));
    }
    message
}

/// The topic and the word of an address where somebody waits for a reply.
pub(super) fn parts_of(address: &str) -> Option<(&str, &str)> {
    address.strip_prefix(INBOX)?.split_once(AND)
}

/// The text of a header.
pub(super) fn text_of<'a>(record: &'a OwnedMessage, name: &str) -> Option<&'a str> {
    let mut headers = each(record.headers()?);
    let header = headers.find(|header| header.key == name)?;
    std::str::from_utf8(header.value?).ok()
}

/// The text of the last header of that name.
pub(super) fn last_text_of<'a>(record: &'a OwnedMessage, name: &str) -> Option<&'a str> {
    let headers = each(record.headers()?);
    let header = headers.filter(|header| header.key == name).last()?;
    std::str::from_utf8(header.value?).ok()
}

/// The headers whose names are text. Reading another one panics in there, and anybody may have sent it.
fn each(headers: &OwnedHeaders) -> impl Iterator<Item = Header<'_, &[u8]>> {
    let read = |at| catch_unwind(AssertUnwindSafe(|| headers.try_get(at)));
    (0..headers.count()).filter_map(move |at| read(at).ok().flatten())
}

fn has_a_meaning(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("wrt-") || name == CONTENT_TYPE
}
