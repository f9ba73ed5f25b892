//! What a guest holds.

use std::{fmt, sync::Arc};

use wasmtime::component::Resource;
use wrt_host::InstanceState;

use super::HostError;
use crate::{
    Limit, Message, Messaging, MessagingError, MessagingInterface,
    limits::{MESSAGE_BYTES_HELD_MAX, MESSAGE_HANDLES_MAX},
};

/// A link, until the guest disconnects.
pub struct Client(Option<Arc<dyn Messaging>>);

impl Client {
    /// The link of that name, and no other: a message must not go to another broker because of a slip of
    /// the pen. No name is that of the link `default`.
    pub(super) fn of(state: &InstanceState, name: &str) -> Result<Self, MessagingError> {
        let name = if name.is_empty() { "default" } else { name };
        let broker = state.link_named::<MessagingInterface>(name);
        let broker = broker.ok_or_else(|| MessagingError::no_such_link(name))?;
        Ok(Self(Some(broker)))
    }

    pub(super) fn disconnect(&mut self) {
        self.0 = None;
    }

    pub(super) fn broker(&self) -> Result<Arc<dyn Messaging>, MessagingError> {
        let gone = || MessagingError::connection("the client is disconnected");
        self.0.clone().ok_or_else(gone)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client(connected: {})", self.0.is_some())
    }
}

/// Gives the guest a message, if it does not hold too much.
///
/// # Errors
/// A limit of what an instance holds.
pub(super) fn push(
    state: &mut InstanceState,
    message: Message,
) -> Result<Resource<Message>, HostError> {
    let held = held(state);
    Limit::MessageHandles.check(held.messages + 1, MESSAGE_HANDLES_MAX)?;
    Limit::BytesHeld.check(held.bytes + cost(&message), MESSAGE_BYTES_HELD_MAX)?;
    Ok(state.table().push(message)?)
}

/// Lets the guest change a message that it holds, if what it holds does not grow too large. A setter knows
/// no error, so that is a trap.
pub(super) fn change(
    state: &mut InstanceState,
    message: &Resource<Message>,
    change: impl FnOnce(&mut Message),
) -> wasmtime::Result<()> {
    let message = state.table().get_mut(message)?;
    let before = cost(message);
    change(message);
    if cost(message) > before {
        Limit::BytesHeld.check(held(state).bytes, MESSAGE_BYTES_HELD_MAX)?;
    }
    Ok(())
}

struct Held {
    messages: usize,
    bytes: usize,
}

fn held(state: &mut InstanceState) -> Held {
    let entries = state.table().iter_mut();
    let messages = entries.filter_map(|entry| entry.downcast_ref::<Message>());
    let none = Held {
        messages: 0,
        bytes: 0,
    };
    messages.fold(none, |held, message| Held {
        messages: held.messages + 1,
        bytes: held.bytes + cost(message),
    })
}

/// An entry takes room also where it is empty.
fn cost(message: &Message) -> usize {
    message.bytes() + message.metadata.len() * size_of::<(String, String)>()
}
