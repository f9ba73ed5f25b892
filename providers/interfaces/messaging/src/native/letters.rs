//! Dead letters, as far as they are the same for all providers.

use std::{collections::BTreeMap, fmt};

use parking_lot::Mutex;
use wrt_protocol::Name;
use wrt_runtime::{DeadLetter, DeadLetterError, OpenedLetter, SHOWN_BYTES_MAX};

use crate::{Message, MessagingError, Subscriber, is_attempt};

/// The components that a provider hands messages to, as those know them who replay a dead letter.
#[derive(Default)]
pub struct Subscribers(Mutex<BTreeMap<Name, Subscriber>>);

impl Subscribers {
    /// These, in place of those before.
    pub fn set(&self, subscribers: impl IntoIterator<Item = (Name, Subscriber)>) {
        *self.0.lock() = subscribers.into_iter().collect();
    }

    /// The one of that name.
    ///
    /// # Errors
    /// [`DeadLetterError::NoSuchComponent`].
    pub fn of(&self, component: &str) -> Result<Subscriber, DeadLetterError> {
        let subscriber = self.0.lock().get(component).cloned();
        subscriber.ok_or_else(|| DeadLetterError::NoSuchComponent(component.to_owned()))
    }
}

impl fmt::Debug for Subscribers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.lock().keys()).finish()
    }
}

impl Subscriber {
    /// Hands a dead letter to its component once more.
    ///
    /// # Errors
    /// [`DeadLetterError::NotHandled`].
    ///
    /// # Cancel safety
    /// Dropping the future stops the handler.
    pub async fn replay(&self, mut message: Message) -> Result<(), DeadLetterError> {
        // Its sender has waited for a reply long ago.
        message.reply_to = None;
        match self.hand_over(&mut message).await {
            Ok(()) => {
                self.counter().handled();
                Ok(())
            }
            Err(error) => {
                if is_attempt(&error) {
                    self.counter().failed();
                }
                Err(match error {
                    MessagingError::Fault(fault) => DeadLetterError::Fault(fault),
                    error => DeadLetterError::NotHandled(error.to_string()),
                })
            }
        }
    }
}

/// A dead letter as it is shown.
#[must_use]
pub fn opened(letter: DeadLetter, message: &Message) -> OpenedLetter {
    let content_type = message.content_type.iter();
    let content_type = content_type.map(|text| ("content-type".to_owned(), text.clone()));
    let shown = message.data.len().min(SHOWN_BYTES_MAX);
    OpenedLetter {
        letter,
        metadata: content_type.chain(message.metadata.clone()).collect(),
        data: message.data[..shown].to_vec(),
    }
}
