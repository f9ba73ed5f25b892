//! How long a member of a group may be silent, as far as the broker allows.

use std::time::Duration;

use rdkafka::{
    admin::{AdminOptions, ResourceSpecifier},
    error::KafkaResult,
    producer::Producer as _,
};
use tokio::task::spawn_blocking;

use crate::{Kafka, admin::Admin};

/// The broker's setting, and what it is by default.
const SESSION_MIN: &str = "group.min.session.timeout.ms";
const SESSION_MIN_MS: u64 = 6000;
/// What a takeover within five seconds needs.
const SESSION_MS: u64 = 2500;
/// How long a broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

impl Kafka {
    /// After which time without a word a member counts as lost. Where the broker does not say what it allows,
    /// it is asked for what it allows by default.
    pub(super) async fn session_ms(&self) -> u64 {
        let least = match self.session_ms_min().await {
            Ok(Some(least)) => least,
            Ok(None) => SESSION_MIN_MS,
            Err(error) => {
                tracing::info!(%error, "kafka: {SESSION_MIN} is not known");
                SESSION_MIN_MS
            }
        };
        if least > SESSION_MS {
            tracing::warn!(
                "kafka: what a lost node has in hand goes to others after {least} ms: a shorter \
                 {SESSION_MIN} of the brokers makes that less"
            );
        }
        least.max(SESSION_MS)
    }

    async fn session_ms_min(&self) -> KafkaResult<Option<u64>> {
        let (producer, topic) = (self.producer().clone(), self.config().reply_topic.clone());
        let asked = spawn_blocking(move || {
            let metadata = producer
                .client()
                .fetch_metadata(Some(&topic), ANSWER_WITHIN)?;
            Ok(metadata.orig_broker_id())
        });
        let broker = asked
            .await
            .unwrap_or(Err(rdkafka::error::KafkaError::Canceled))?;
        let admin = Admin::of(self.config(), self.context())?;
        let options = AdminOptions::new().request_timeout(Some(ANSWER_WITHIN));
        let asked = [ResourceSpecifier::Broker(broker)];
        let described = admin.describe_configs(&asked, &options).await?;
        let found = described.into_iter().flatten().find_map(|resource| {
            let entry = resource.get(SESSION_MIN)?;
            entry.value.as_ref()?.parse().ok()
        });
        Ok(found)
    }
}
