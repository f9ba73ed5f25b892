//! What a guest holds.

use std::{fmt, sync::Arc};

use wasmtime::component::Resource;
use wrt_host::InstanceState;

use crate::{
    Limit, Message, Messaging, MessagingError, MessagingInterface, limits::MESSAGE_HANDLES_MAX,
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

/// Gives the guest a message, if it does not hold too many: a constructor knows no error, so it is a
/// trap.
pub(super) fn push(
    state: &mut InstanceState,
    message: Message,
) -> wasmtime::Result<Resource<Message>> {
    let held = state.table().iter_mut();
    let held = held.filter(|entry| entry.is::<Message>()).count();
    Limit::MessageHandles.check(held + 1, MESSAGE_HANDLES_MAX)?;
    Ok(state.table().push(message)?)
}
