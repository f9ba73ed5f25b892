//! What an operator does with dead letters. The stream has them for all replicas.

use async_nats::{
    HeaderMap,
    header::HeaderValue,
    jetstream::{
        message::StreamMessage,
        stream::{RawMessageErrorKind, Stream},
    },
};
use wrt_contract::{CallContext, async_trait};
use wrt_messaging::{Message, opened};
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_runtime::{
    DeadLetter, DeadLetterError, DeadLetterPage, DeadLetters, OpenedLetter, PAGE_LETTERS_MAX, short,
};

use super::wire::message_of;
use crate::{Nats, attempt::said};

/// Each letter comes with its data: a page ends when so much of it has come.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Nats {
    async fn letters(&self) -> Result<Stream<()>, DeadLetterError> {
        let stream = &self.config().dead_letter_stream;
        let stream = self.jetstream().get_stream_no_info(stream).await;
        stream.map_err(|error| DeadLetterError::Service(format!("nats: {error}")))
    }

    fn subject_of_letters(&self, component: &str) -> String {
        format!("{}.{component}", self.config().dead_letter_stream)
    }

    /// The first letter of a component that has this number or a higher one.
    async fn letter_from(
        &self,
        component: &str,
        sequence: u64,
    ) -> Result<Option<StreamMessage>, DeadLetterError> {
        let (stream, subject) = (self.letters().await?, self.subject_of_letters(component));
        let found = stream
            .get_first_raw_message_by_subject(subject, sequence)
            .await;
        match found {
            Ok(letter) => Ok(Some(letter)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => {
                let detail = format!("nats: {}", said(&error));
                let fault = Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail);
                Err(fault.into())
            }
        }
    }

    async fn letter(&self, component: &str, id: &str) -> Result<StreamMessage, DeadLetterError> {
        let no_such = || DeadLetterError::NoSuchLetter(short(id).to_owned());
        let sequence: u64 = id.parse().map_err(|_not_a_number| no_such())?;
        let letter = self.letter_from(component, sequence).await?;
        letter
            .filter(|letter| letter.sequence == sequence)
            .ok_or_else(no_such)
    }

    async fn remove_letter(&self, sequence: u64) -> Result<(), DeadLetterError> {
        let removed = self.letters().await?.delete_message(sequence).await;
        removed.map(drop).map_err(|error| {
            let text = format!("the letter {sequence} is not removed: nats: {error}");
            DeadLetterError::Service(text)
        })
    }
}

#[async_trait]
impl DeadLetters for Nats {
    async fn list(
        &self,
        _: &CallContext,
        component: &str,
        after: Option<String>,
    ) -> Result<DeadLetterPage, DeadLetterError> {
        self.subscribers().of(component)?;
        let after: u64 = after.and_then(|id| id.parse().ok()).unwrap_or(0);
        let (mut page, mut bytes) = (DeadLetterPage::default(), 0);
        let mut from = after.saturating_add(1);
        while let Some(letter) = self.letter_from(component, from).await? {
            if page.letters.len() == PAGE_LETTERS_MAX || bytes > PAGE_BYTES_MAX {
                page.next = page.letters.last().map(|letter| letter.id.clone());
                break;
            }
            bytes += letter.payload.len();
            from = letter.sequence.saturating_add(1);
            page.letters.push(said_of(&letter));
        }
        Ok(page)
    }

    async fn open(
        &self,
        _: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<OpenedLetter, DeadLetterError> {
        let letter = self.letter(component, id).await?;
        Ok(opened(said_of(&letter), &message_in(&letter)?))
    }

    async fn replay(
        &self,
        _: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<(), DeadLetterError> {
        let subscriber = self.subscribers().of(component)?;
        let letter = self.letter(component, id).await?;
        subscriber.replay(message_in(&letter)?).await?;
        self.remove_letter(letter.sequence).await
    }

    async fn discard(
        &self,
        _: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<(), DeadLetterError> {
        let letter = self.letter(component, id).await?;
        self.remove_letter(letter.sequence).await?;
        self.deliveries().dropped();
        Ok(())
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", HeaderValue::as_str)
}

fn said_of(letter: &StreamMessage) -> DeadLetter {
    let of = |name| short(header(&letter.headers, name)).to_owned();
    DeadLetter {
        id: letter.sequence.to_string(),
        subject: of("Wrt-Dead-Topic"),
        reason: of("Wrt-Dead-Reason"),
        attempts: of("Wrt-Dead-Attempts").parse().unwrap_or(0),
        origin: format!(
            "message {} of the stream {}",
            of("Wrt-Dead-Sequence"),
            of("Wrt-Dead-Stream")
        ),
        bytes: letter.payload.len() as u64,
    }
}

/// The message as its handler got it.
fn message_in(letter: &StreamMessage) -> Result<Message, DeadLetterError> {
    let topic = header(&letter.headers, "Wrt-Dead-Topic");
    let message = message_of(topic, Some(&letter.headers), letter.payload.clone(), None);
    message.ok_or_else(|| DeadLetterError::Service(format!("{:?} is no topic", short(topic))))
}
