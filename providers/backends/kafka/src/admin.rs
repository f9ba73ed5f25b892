//! A client for what administrators do.

use std::{ops::Deref, thread};

use rdkafka::{admin::AdminClient, error::KafkaResult};

use crate::{KafkaConfig, context::Context};

/// A client for what administrators do. One that is dropped joins a thread: no task of the node does.
pub(crate) struct Admin(Option<AdminClient<Context>>);

impl Admin {
    /// One of the same brokers, which tells the same context.
    ///
    /// # Errors
    /// Settings that no client can be made of.
    pub(crate) fn of(config: &KafkaConfig, context: &Context) -> KafkaResult<Self> {
        let made = config.client().create_with_context(context.clone())?;
        Ok(Self(Some(made)))
    }
}

impl Deref for Admin {
    type Target = AdminClient<Context>;

    fn deref(&self) -> &Self::Target {
        let client = self.0.as_ref();
        client.expect("it is taken when this is dropped")
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        let client = self.0.take();
        let _joins = thread::spawn(move || drop(client));
    }
}
