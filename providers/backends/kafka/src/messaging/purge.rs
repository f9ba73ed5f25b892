//! What the brokers keep for a component, dropped.

use std::{fmt::Display, time::Duration};

use rdkafka::{Offset, admin::AdminOptions, error::RDKafkaErrorCode as Code};
use tokio::time::sleep;
use wrt_contract::{CallContext, async_trait};
use wrt_messaging::{DeliveryMode, limits::REPLY_MARGIN};
use wrt_protocol::Name;
use wrt_runtime::{DeadLetterError, Subscriptions};

use super::group;
use crate::{Kafka, admin::Admin};

/// How often it is looked whether a group has members still.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long brokers may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

fn failed(what: &str, error: impl Display) -> DeadLetterError {
    DeadLetterError::Service(format!("{what}: kafka: {error}"))
}

impl Kafka {
    /// Drops the offsets that a group has committed. A replica that was lost is a member until its session is
    /// over: that is waited for.
    async fn drop_group(&self, context: &CallContext, group: &str) -> Result<(), DeadLetterError> {
        let what = format!("the place of the group {group} is not dropped");
        let admin = Admin::of(self.config(), self.context());
        let admin = admin.map_err(|error| failed(&what, error))?;
        let options = AdminOptions::new().request_timeout(Some(ANSWER_WITHIN));
        loop {
            let deleted = admin.delete_groups(&[group], &options).await;
            let deleted = deleted.map_err(|error| failed(&what, error))?;
            let Some(Err((_, code))) = deleted.into_iter().next() else {
                return Ok(());
            };
            let may_pass = matches!(
                code,
                Code::NonEmptyGroup | Code::CoordinatorLoadInProgress | Code::NotCoordinator
            );
            match code {
                Code::GroupIdNotFound => return Ok(()),
                _ if may_pass && context.remaining() > ANSWER_WITHIN + REPLY_MARGIN => {
                    sleep(LOOK_EVERY).await;
                }
                _ => return Err(failed(&what, code)),
            }
        }
    }

    /// Drops all dead letters of a component. Their topic stays, as it was set up.
    async fn drop_letters(&self, component: &Name) -> Result<(), DeadLetterError> {
        let topic = self.topic_of_letters(component.as_str());
        let what = format!("the dead letters of the topic {topic} are not dropped");
        // It may have been deleted.
        self.topics().forget(&topic);
        let count = self.topics().partitions_of(&topic, ANSWER_WITHIN).await;
        let count = count.map_err(|error| failed(&what, error))?;
        let all = (0..count).map(|partition| (partition, Offset::End));
        let deleted = self.delete_records(&topic, all.collect()).await;
        deleted.map_err(|error| failed(&what, error))
    }
}

#[async_trait]
impl Subscriptions for Kafka {
    async fn end(&self, _: &CallContext, component: &str) -> Result<(), DeadLetterError> {
        self.subscribers().of(component)?.end().await;
        Ok(())
    }

    async fn purge(&self, context: &CallContext, component: &str) -> Result<(), DeadLetterError> {
        let subscriber = self.subscribers().of(component)?;
        let name = Name::new(component).ok();
        let Some((app, name)) = self.app().zip(name.as_ref()) else {
            return Ok(());
        };
        let delivery = subscriber.subscription().delivery;
        if delivery != DeliveryMode::Broadcast {
            self.drop_group(context, &group(app, name)).await?;
        }
        if delivery == DeliveryMode::AtLeastOnce {
            self.drop_letters(name).await?;
        }
        Ok(())
    }
}
