//! Export glue: a component that handles messages, in the words of either package.

use std::sync::Arc;

use wasmtime::component::InstancePre;
use wrt_contract::{CallContext, async_trait};
use wrt_host::{InstanceState, Instances, Lent, guest_exit, guest_fault};

use super::{
    HostError, bindings::exports::wasi::messaging::incoming_handler::GuestIndices, handles,
    wasmcloud,
};
use crate::{Message, MessageHandler, MessagingError};

/// The exports by which a component handles messages.
pub(super) const EXPORTS: &[&str] = &[WASI, wasmcloud::HANDLER];
const WASI: &str = "wasi:messaging/incoming-handler@0.2.0-draft";

/// A component as a handler: an instance for each message, which may have handled another one before.
pub struct MessageComponent {
    instances: Arc<dyn Instances>,
    export: Arc<Export>,
}

/// By which of them.
enum Export {
    Wasi(GuestIndices),
    Wasmcloud(wasmcloud::GuestIndices),
}

impl Export {
    /// That of wasi:messaging, where a component has both.
    fn of(pre: &InstancePre<InstanceState>) -> wasmtime::Result<Option<Self>> {
        let component = pre.component().component_type();
        let has = |wanted: &str| {
            let mut exports = component.exports(pre.engine());
            exports.any(|(name, _)| name == wanted)
        };
        Ok(if has(WASI) {
            Some(Self::Wasi(GuestIndices::new(pre)?))
        } else if has(wasmcloud::HANDLER) {
            Some(Self::Wasmcloud(wasmcloud::GuestIndices::new(pre)?))
        } else {
            None
        })
    }

    /// Hands a message to an instance; what the guest says of it.
    async fn call(
        &self,
        lent: &mut Lent,
        pre: &InstancePre<InstanceState>,
        message: Message,
    ) -> wasmtime::Result<Result<(), MessagingError>> {
        let instance = lent.instance(pre).await?;
        match self {
            Self::Wasi(export) => {
                let guest = export.load(&mut *lent, &instance)?;
                let message = handles::push(lent.data_mut(), message);
                let message = message.map_err(HostError::into_trap)?;
                let answer = guest.call_handle(&mut *lent, message).await?;
                Ok(answer.map_err(MessagingError::from))
            }
            Self::Wasmcloud(export) => {
                let guest = export.load(&mut *lent, &instance)?;
                let message = wasmcloud::taken_in_hand(lent.data_mut(), message);
                let answer = guest.call_handle_message(&mut *lent, &message).await?;
                Ok(answer.map_err(MessagingError::other))
            }
        }
    }
}

impl MessageComponent {
    /// The component behind `instances`; `None` if it handles no messages.
    ///
    /// # Errors
    /// An export with the right name and other types.
    pub fn new(instances: Arc<dyn Instances>) -> wasmtime::Result<Option<Self>> {
        let export = Export::of(instances.instance_pre())?;
        Ok(export.map(|export| Self {
            instances,
            export: Arc::new(export),
        }))
    }
}

/// How a guest ended: what it said, or why it is gone.
enum Failure {
    Told(MessagingError),
    Ended(wasmtime::Error),
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Self::Ended(error)
    }
}

#[async_trait]
impl MessageHandler for MessageComponent {
    async fn handle(&self, context: &CallContext, message: &Message) -> Result<(), MessagingError> {
        let (pre, export) = (
            self.instances.instance_pre().clone(),
            Arc::clone(&self.export),
        );
        let message = message.clone();
        let prepared = self.instances.prepare(context);
        let called = prepared.call(move |mut lent| async move {
            let answer = export.call(&mut lent, &pre, message).await?;
            lent.keep();
            answer.map_err(Failure::Told)
        });
        called.await.map_err(|failure| match failure {
            Failure::Told(error) => error,
            Failure::Ended(error) => {
                let actor = self.instances.actor();
                if guest_exit(&error) != Some(0) {
                    tracing::warn!(%actor, ?error, "a component that handles messages failed");
                }
                MessagingError::Fault(guest_fault(&error))
            }
        })
    }
}
