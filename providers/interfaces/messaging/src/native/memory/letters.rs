//! Dead letters in memory: each replica of the provider has its own.

use std::collections::VecDeque;

use parking_lot::Mutex;
use wrt_contract::{CallContext, async_trait};
use wrt_protocol::{IdempotencyKey, Name};
use wrt_runtime::{
    DeadLetter, DeadLetterError, DeadLetterPage, DeadLetters, OpenedLetter, PAGE_LETTERS_MAX,
    Subscriptions, short,
};

use super::{MemoryConfig, MessagingDefault};
use crate::{Message, limits::TOPIC_BYTES_MAX, opened};

/// The dead letters of a broker, the oldest first.
#[derive(Debug)]
pub(super) struct Letters {
    /// Before the number of each: other replicas number theirs too.
    prefix: String,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    letters: VecDeque<Letter>,
    count: u64,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Letter {
    component: Name,
    said: DeadLetter,
    message: Message,
}

impl Default for Letters {
    fn default() -> Self {
        let prefix = format!("{:.8}", IdempotencyKey::mint().to_string());
        Self {
            prefix,
            kept: Mutex::default(),
        }
    }
}

impl Letters {
    /// Keeps a message, if there is room.
    pub(super) fn keep(
        &self,
        component: &Name,
        message: Message,
        attempts: u32,
        reason: &str,
        config: &MemoryConfig,
    ) -> bool {
        let bytes = cost(&message);
        let mut kept = self.kept.lock();
        let is_full = kept.letters.len() >= config.dead_letters_max
            || kept.bytes.saturating_add(bytes) > config.dead_letters_bytes_max;
        if is_full {
            return false;
        }
        kept.count += 1;
        kept.bytes += bytes;
        let topic = message.topic.as_ref().map(ToString::to_string);
        let said = DeadLetter {
            id: format!("{}-{}", self.prefix, kept.count),
            subject: topic.unwrap_or_default(),
            reason: short(reason).to_owned(),
            attempts,
            origin: "memory".to_owned(),
            bytes: message.data.len() as u64,
        };
        kept.letters.push_back(Letter {
            component: component.clone(),
            said,
            message,
        });
        true
    }

    fn find(&self, component: &str, id: &str) -> Result<Letter, DeadLetterError> {
        let kept = self.kept.lock();
        let at = kept.position(component, id)?;
        Ok(kept.letters[at].clone())
    }

    fn take(&self, component: &str, id: &str) -> Result<(), DeadLetterError> {
        let mut kept = self.kept.lock();
        let at = kept.position(component, id)?;
        if let Some(letter) = kept.letters.remove(at) {
            kept.bytes -= cost(&letter.message);
        }
        Ok(())
    }
}

impl Kept {
    fn position(&self, component: &str, id: &str) -> Result<usize, DeadLetterError> {
        let is_it = |letter: &Letter| letter.is_of(component) && letter.said.id == id;
        let at = self.letters.iter().position(is_it);
        at.ok_or_else(|| DeadLetterError::NoSuchLetter(short(id).to_owned()))
    }
}

impl Letter {
    fn is_of(&self, component: &str) -> bool {
        self.component.as_str() == component
    }
}

fn cost(message: &Message) -> usize {
    message.bytes() + TOPIC_BYTES_MAX
}

#[async_trait]
impl DeadLetters for MessagingDefault {
    async fn list(
        &self,
        _: &CallContext,
        component: &str,
        after: Option<String>,
    ) -> Result<DeadLetterPage, DeadLetterError> {
        self.broker.subscribers.of(component)?;
        let kept = self.broker.letters.kept.lock();
        let mut letters = kept.letters.iter();
        // One that is gone meanwhile does not end the list: its number says where it was.
        if let Some(after) = after.as_deref().and_then(number) {
            letters = kept.letters.range(
                kept.letters
                    .partition_point(|it| number(&it.said.id) <= Some(after))..,
            );
        }
        let mut of_component = letters.filter(|letter| letter.is_of(component));
        let page: Vec<_> = of_component.by_ref().take(PAGE_LETTERS_MAX).collect();
        let next = of_component.next().and(page.last());
        Ok(DeadLetterPage {
            next: next.map(|letter| letter.said.id.clone()),
            letters: page.iter().map(|letter| letter.said.clone()).collect(),
        })
    }

    async fn open(
        &self,
        _: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<OpenedLetter, DeadLetterError> {
        let letter = self.broker.letters.find(component, id)?;
        Ok(opened(letter.said, &letter.message))
    }

    async fn replay(
        &self,
        _: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<(), DeadLetterError> {
        let subscriber = self.broker.subscribers.of(component)?;
        let letter = self.broker.letters.find(component, id)?;
        subscriber.replay(letter.message).await?;
        // Somebody else may have dropped it meanwhile.
        let _gone = self.broker.letters.take(component, id);
        Ok(())
    }

    async fn discard(
        &self,
        _: &CallContext,
        component: &str,
        id: &str,
    ) -> Result<(), DeadLetterError> {
        self.broker.letters.take(component, id)?;
        self.broker.counter.dropped();
        Ok(())
    }
}

/// What waits is handled before a subscription ends: what is kept of it then is its dead letters.
#[async_trait]
impl Subscriptions for MessagingDefault {
    async fn end(&self, _: &CallContext, component: &str) -> Result<(), DeadLetterError> {
        self.broker.subscribers.of(component)?.end().await;
        Ok(())
    }

    async fn purge(&self, _: &CallContext, component: &str) -> Result<(), DeadLetterError> {
        let mut kept = self.broker.letters.kept.lock();
        kept.letters.retain(|letter| !letter.is_of(component));
        kept.bytes = kept.letters.iter().map(|it| cost(&it.message)).sum();
        Ok(())
    }
}

/// What stands behind the prefix of an id.
fn number(id: &str) -> Option<u64> {
    id.rsplit_once('-')?.1.parse().ok()
}
