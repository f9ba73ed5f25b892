//! Export glue: a component that handles messages.

use std::sync::Arc;

use wrt_contract::{CallContext, async_trait};
use wrt_host::{Instances, guest_exit, guest_fault};

use super::{
    HostError, bindings::exports::wasi::messaging::incoming_handler::GuestIndices, handles,
};
use crate::{Message, MessageHandler, MessagingError};

/// The export by which a component handles messages.
pub(super) const EXPORT: &str = "wasi:messaging/incoming-handler@0.2.0-draft";

/// A component as a handler: an instance for each message, which may have handled another one before.
pub struct MessageComponent {
    instances: Arc<dyn Instances>,
    export: Arc<GuestIndices>,
}

impl MessageComponent {
    /// The component behind `instances`; `None` if it handles no messages.
    ///
    /// # Errors
    /// An export with the right name and other types.
    pub fn new(instances: Arc<dyn Instances>) -> wasmtime::Result<Option<Self>> {
        let pre = instances.instance_pre();
        let component = pre.component().component_type();
        if !component
            .exports(pre.engine())
            .any(|(name, _)| name == EXPORT)
        {
            return Ok(None);
        }
        let export = Arc::new(GuestIndices::new(pre)?);
        Ok(Some(Self { instances, export }))
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
        let called = prepared.call(|mut lent| async move {
            let instance = lent.instance(&pre).await?;
            let guest = export.load(&mut lent, &instance)?;
            let message = handles::push(lent.data_mut(), message);
            let message = message.map_err(HostError::into_trap)?;
            let answer = guest.call_handle(&mut lent, message).await?;
            lent.keep();
            answer.map_err(|error| Failure::Told(error.into()))
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
