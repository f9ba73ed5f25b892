//! What the server keeps for a component, dropped.

use std::{collections::BTreeSet, fmt::Display};

use async_nats::jetstream::{
    ErrorCode,
    stream::{ConsumerErrorKind, Stream},
};
use wrt_contract::{CallContext, async_trait};
use wrt_messaging::{DeliveryMode, Subscriber};
use wrt_protocol::Name;
use wrt_runtime::{DeadLetterError, Subscriptions};

use super::{group, position::forget};
use crate::{ConnectError, Nats};

fn failed(what: &str, error: impl Display) -> DeadLetterError {
    DeadLetterError::Service(format!("{what}: nats: {error}"))
}

impl Nats {
    /// The streams that hold a subscription's topics. One that is gone keeps nothing.
    async fn streams_for(
        &self,
        subscriber: &Subscriber,
    ) -> Result<BTreeSet<String>, DeadLetterError> {
        let mut streams = BTreeSet::new();
        for topic in &subscriber.subscription().topics {
            match self.stream_that_holds(topic).await {
                Ok(stream) => drop(streams.insert(stream)),
                Err(ConnectError::NoStream { .. }) => {}
                Err(error) => return Err(failed("its streams are not found", error)),
            }
        }
        Ok(streams)
    }

    async fn drop_consumer(&self, stream: &str, group: &str) -> Result<(), DeadLetterError> {
        let what = "its place is not dropped";
        let handle = self.jetstream().get_stream_no_info(stream).await;
        let handle: Stream<()> = handle.map_err(|error| failed(what, error))?;
        match handle.delete_consumer(group).await {
            Ok(_deleted) => {}
            Err(error) => match error.kind() {
                ConsumerErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND => {}
                _ => return Err(failed(what, error)),
            },
        }
        let forgotten = forget(self, stream, group).await;
        forgotten.map_err(|error| failed(what, error))
    }

    /// Drops what a stream has under a filter; one that is not there has nothing.
    async fn drop_messages(&self, stream: &str, filter: &str) -> Result<(), DeadLetterError> {
        let Ok(stream) = self.jetstream().get_stream(stream).await else {
            return Ok(());
        };
        let purged = stream.purge().filter(filter).await;
        purged
            .map(drop)
            .map_err(|error| failed(&format!("{filter} is not purged"), error))
    }
}

#[async_trait]
impl Subscriptions for Nats {
    async fn end(&self, _: &CallContext, component: &str) -> Result<(), DeadLetterError> {
        self.subscribers().of(component)?.end().await;
        Ok(())
    }

    async fn purge(&self, _: &CallContext, component: &str) -> Result<(), DeadLetterError> {
        let subscriber = self.subscribers().of(component)?;
        let name = Name::new(component).ok();
        let Some((app, name)) = self.app().zip(name.as_ref()) else {
            return Ok(());
        };
        if subscriber.subscription().delivery != DeliveryMode::AtLeastOnce {
            return Ok(());
        }
        let group = group(app, name);
        for stream in self.streams_for(&subscriber).await? {
            self.drop_consumer(&stream, &group).await?;
        }
        let attempts = self.own_bucket_name("attempts");
        let filter = format!("$KV.{attempts}.{group}.>");
        self.drop_messages(&format!("KV_{attempts}"), &filter)
            .await?;
        let letters = &self.config().dead_letter_stream;
        self.drop_messages(letters, &format!("{letters}.{component}"))
            .await
    }
}
