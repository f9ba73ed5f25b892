//! A message as NATS carries it: content type and metadata are headers. Names that NATS or this provider
//! read by themselves travel under a prefix, so that nobody acts upon what a guest has written.

use async_nats::{
    HeaderMap,
    header::{HeaderName, HeaderValue, NATS_MESSAGE_ID},
};
use bytes::Bytes;
use wrt_messaging::{Message, MessagingError, ReplyTo, Topic};
use wrt_protocol::subject;

const CONTENT_TYPE: &str = "Content-Type";
/// In front of names of metadata that mean something to NATS or to this provider.
const METADATA: &str = "Wrt-Metadata-";
/// Where a request's sender waits. A stream forgets the subject for replies.
pub(super) const REPLY_TO: &str = "Wrt-Reply-To";
/// Says that a message is a reply, and no acknowledgement of a stream.
pub(super) const IS_REPLY: &str = "Wrt-Reply";

/// The headers of a message.
pub(super) fn headers_of(message: &Message) -> Result<HeaderMap, MessagingError> {
    let mut headers = HeaderMap::new();
    let value = |text: &str| {
        let value = text.parse::<HeaderValue>();
        value.map_err(|error| MessagingError::other(error.to_string()))
    };
    if let Some(to) = &message.reply_to {
        check_address(to)?;
        headers.insert(REPLY_TO, value(&to.address)?);
    }
    if let Some(content_type) = &message.content_type {
        headers.insert(CONTENT_TYPE, value(content_type)?);
    }
    for (key, text) in &message.metadata {
        let name = match has_a_meaning(key) {
            true => format!("{METADATA}{key}"),
            false => key.clone(),
        };
        let name = name.parse::<HeaderName>();
        let name = name.map_err(|error| MessagingError::other(error.to_string()))?;
        headers.append(name, value(text)?);
    }
    Ok(headers)
}

/// Whoever sends a message chooses where a reply to it goes: not to have others do what it may not.
pub(super) fn check_address(to: &ReplyTo) -> Result<(), MessagingError> {
    let address = &to.address;
    if Topic::new(address).is_ok() && (to.is_inbox() || !subject::is_reserved(address)) {
        return Ok(());
    }
    Err(MessagingError::permission_denied(format!(
        "{address:?} is no address for replies"
    )))
}

/// A message that came in; none of a subject that is no topic here.
pub(super) fn message_of(
    subject: &str,
    headers: Option<&HeaderMap>,
    data: Bytes,
    reply: Option<&str>,
) -> Option<Message> {
    let mut message = Message::new(data);
    message.topic = Some(Topic::new(subject).ok()?);
    read_headers(&mut message, headers);
    if let (None, Some(address)) = (&message.reply_to, reply) {
        message.reply_to = Some(reply_to(address));
    }
    Some(message)
}

/// Whether whoever has sent a message waits for what a stream says to it, and for nothing else. To reply to
/// such a one would be to speak for the stream.
pub(super) fn is_for_a_stream(headers: Option<&HeaderMap>) -> bool {
    headers.is_some_and(|headers| {
        headers.get(NATS_MESSAGE_ID).is_some() && headers.get(REPLY_TO).is_none()
    })
}

/// A reply that came in.
pub(super) fn reply_of(headers: Option<&HeaderMap>, data: Bytes) -> Message {
    let mut message = Message::new(data);
    read_headers(&mut message, headers);
    message
}

fn reply_to(address: &str) -> ReplyTo {
    ReplyTo {
        address: address.to_owned(),
        link: String::new(),
    }
}

fn read_headers(message: &mut Message, headers: Option<&HeaderMap>) {
    let told = headers.and_then(|headers| headers.get(REPLY_TO));
    message.reply_to = told.map(|address| reply_to(address.as_str()));
    for (name, values) in headers.into_iter().flat_map(HeaderMap::iter) {
        let name: &str = name.as_ref();
        let key = match name.strip_prefix(METADATA) {
            Some(key) => key,
            None if name.eq_ignore_ascii_case(CONTENT_TYPE) => {
                let first = values.first();
                message.content_type = first.map(|value| value.as_str().to_owned());
                continue;
            }
            None if has_a_meaning(name) => continue,
            None => name,
        };
        let entries = values
            .iter()
            .map(|value| (key.to_owned(), value.as_str().to_owned()));
        message.metadata.extend(entries);
    }
}

fn has_a_meaning(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("nats-") || name.starts_with("wrt-") || name == "content-type"
}

/// What headers take on the wire.
pub(super) fn bytes_of(headers: &HeaderMap) -> usize {
    const FRAME: usize = 16;
    let of_values = |(name, values): (&HeaderName, &Vec<HeaderValue>)| {
        let name: &str = name.as_ref();
        let of_one = |value: &HeaderValue| name.len() + value.as_str().len() + 4;
        values.iter().map(of_one).sum::<usize>()
    };
    FRAME + headers.iter().map(of_values).sum::<usize>()
}
