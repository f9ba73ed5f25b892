//! Sends numbers, and knows which of them the broker has.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use async_nats::{HeaderMap, jetstream};
use futures::{StreamExt as _, stream};
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};

use super::{
    super::brokers::{self, Broker},
    KEYS, Play,
};

pub const TOPIC: &str = "numbers.next";
pub const SENT_AT_ONCE: usize = 64;

const PER_SECOND: u32 = 200;
/// A sender waits so long for the word that its message is kept. What it does not get is no promise.
const KEPT_WITHIN: Duration = Duration::from_secs(5);

pub enum Sender {
    Nats(Box<jetstream::Context>),
    Kafka(FutureProducer),
}

impl Sender {
    pub async fn to(play: &Play) -> anyhow::Result<Self> {
        Ok(match &play.broker {
            Broker::Nats => Self::Nats(Box::new(brokers::jetstream(&play.scene).await?)),
            Broker::Kafka(kafka) => {
                let mut settings = ClientConfig::new();
                settings.set("bootstrap.servers", kafka.url());
                Self::Kafka(settings.create()?)
            }
        })
    }

    /// Sends the numbers from 0 on, each by itself; answers those that are kept.
    pub async fn send(&self, messages: u64) -> BTreeSet<u64> {
        let began = Instant::now();
        let sent = stream::iter(0..messages).map(|number| async move {
            let due = Duration::from_secs(1) * u32::try_from(number).unwrap_or(u32::MAX);
            tokio::time::sleep_until((began + due / PER_SECOND).into()).await;
            let is_kept = self.is_kept(number, number.to_string());
            is_kept.await.then_some(number)
        });
        let kept: Vec<_> = sent.buffer_unordered(SENT_AT_ONCE).collect().await;
        kept.into_iter().flatten().collect()
    }

    /// Whether the broker says in time that it has it.
    pub async fn is_kept(&self, number: u64, message: String) -> bool {
        let key = (number % KEYS).to_string();
        let kept = async {
            match self {
                Self::Nats(jetstream) => {
                    let mut headers = HeaderMap::new();
                    headers.insert("key", key.as_str());
                    let sent = jetstream.publish_with_headers(TOPIC, headers, message.into());
                    sent.await.ok()?.await.ok().map(drop)
                }
                Self::Kafka(producer) => {
                    let record = FutureRecord::to(TOPIC).key(&key).payload(&message);
                    let sent = producer.send_result(record).ok()?.await;
                    sent.ok()?.ok().map(drop)
                }
            }
        };
        matches!(tokio::time::timeout(KEPT_WITHIN, kept).await, Ok(Some(())))
    }
}
