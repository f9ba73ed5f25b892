//! Messages that were given up, kept in a stream of their own.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    header::{HeaderValue, NATS_MESSAGE_ID},
    jetstream::{
        self, ErrorCode,
        context::GetStreamErrorKind,
        message::PublishMessage,
        publish::PublishAck,
        stream::{Config, DiscardPolicy, RawMessageErrorKind, StorageType},
    },
};
use bytes::Bytes;
use wrt_protocol::Name;

use super::attempts::Place;
use crate::{ConnectError, Nats};

/// What a new stream of dead letters may hold: then none is stored, and its message stays where it is.
const STREAM_BYTES_MAX: i64 = 256 * 1024 * 1024;
/// As much of a reason as is kept.
const REASON_BYTES_MAX: usize = 512;
/// How long the acknowledgement is waited for.
const STORED_WITHIN: Duration = Duration::from_secs(5);

/// Where the dead letters of a component go. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct DeadLetters {
    jetstream: jetstream::Context,
    component: Name,
    stream: String,
    subject: String,
}

/// What is said of a dead letter.
#[derive(Debug)]
pub(super) struct Origin<'a> {
    pub(super) place: &'a Place<'a>,
    pub(super) topic: &'a str,
    pub(super) group: &'a str,
    pub(super) attempts: u32,
    pub(super) reason: &'a str,
}

impl Nats {
    /// Those of `component`. The stream is made if it is not there; one that is there stays as it is.
    pub(super) async fn dead_letters(&self, component: &Name) -> Result<DeadLetters, ConnectError> {
        let name = &self.config().dead_letter_stream;
        let failed = |source: async_nats::Error| ConnectError::JetStream {
            what: format!("cannot make the stream {name} for dead letters"),
            source,
        };
        match self.jetstream().get_stream(name).await {
            Ok(_there) => {}
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    let made = self.jetstream().get_or_create_stream(Config {
                        name: name.clone(),
                        description: Some("messages that were given up".to_owned()),
                        subjects: vec![format!("{name}.>")],
                        max_bytes: STREAM_BYTES_MAX,
                        discard: DiscardPolicy::New,
                        storage: StorageType::from(self.config().storage),
                        num_replicas: self.config().replicas,
                        ..Config::default()
                    });
                    made.await.map_err(|error| failed(error.into()))?;
                }
                _ => return Err(failed(error.into())),
            },
        }
        Ok(DeadLetters {
            jetstream: self.jetstream().clone(),
            component: component.clone(),
            stream: name.clone(),
            subject: format!("{name}.{component}"),
        })
    }
}

impl DeadLetters {
    /// Stores a message, with what is said of it; whether it was not there yet. The same one is stored once.
    ///
    /// # Errors
    /// Why it is not stored, or may not be.
    pub(super) async fn store(
        &self,
        headers: Option<&HeaderMap>,
        data: Bytes,
        origin: &Origin<'_>,
    ) -> Result<bool, String> {
        let mut headers = self.headers(headers, origin);
        let stored = async {
            loop {
                let stored = self.publish(headers.clone(), data.clone()).await?;
                if !stored.duplicate || self.is_there(stored.sequence).await? {
                    return Ok(!stored.duplicate);
                }
                // The stream remembers the id of one that was dropped since: this one was given up anew.
                let id = headers.get(NATS_MESSAGE_ID).map_or("", HeaderValue::as_str);
                let id = one_line(&format!("{}.{id}", stored.sequence));
                headers.insert(NATS_MESSAGE_ID, id);
            }
        };
        match tokio::time::timeout(STORED_WITHIN, stored).await {
            Ok(stored) => stored,
            Err(_elapsed) => Err(format!("no answer within {STORED_WITHIN:?}")),
        }
    }

    async fn publish(&self, headers: HeaderMap, data: Bytes) -> Result<PublishAck, String> {
        let message = PublishMessage::build().payload(data).headers(headers);
        let sent = self.jetstream.send_publish(self.subject.clone(), message);
        let sent = sent.await.map_err(|error| told(&error))?;
        sent.await.map_err(|error| told(&error))
    }

    async fn is_there(&self, sequence: u64) -> Result<bool, String> {
        let stream = self.jetstream.get_stream_no_info(&self.stream).await;
        let stream = stream.map_err(|error| told(&error))?;
        match stream.get_raw_message(sequence).await {
            Ok(_letter) => Ok(true),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(false),
            Err(error) => Err(told(&error)),
        }
    }

    fn headers(&self, of_message: Option<&HeaderMap>, origin: &Origin<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in of_message.into_iter().flat_map(HeaderMap::iter) {
            // To NATS they would mean something once more.
            let text: &str = name.as_ref();
            if !text.to_ascii_lowercase().starts_with("nats-") {
                for value in values {
                    headers.append(name.clone(), value.clone());
                }
            }
        }
        let Origin { place, group, .. } = origin;
        let Place {
            stream,
            sequence,
            stored_nanos,
        } = place;
        for (name, text) in [
            ("Wrt-Dead-Reason", one_line(origin.reason)),
            ("Wrt-Dead-Attempts", origin.attempts.to_string().into()),
            ("Wrt-Dead-Component", self.component.to_string().into()),
            ("Wrt-Dead-Topic", one_line(origin.topic)),
            ("Wrt-Dead-Stream", one_line(stream)),
            ("Wrt-Dead-Sequence", sequence.to_string().into()),
        ] {
            headers.insert(name, text);
        }
        let id = one_line(&format!("{sequence}.{stored_nanos}.{group}.{stream}"));
        headers.insert(NATS_MESSAGE_ID, id);
        headers
    }
}

/// What a header can hold of a text.
fn one_line(text: &str) -> HeaderValue {
    let end = text.floor_char_boundary(REASON_BYTES_MAX);
    let line: String = text[..end]
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.parse().unwrap_or_else(|_| HeaderValue::new())
}

/// The client's errors name their reason as their source.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
