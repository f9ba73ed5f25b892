//! What messages go by: a scenario is one, whatever broker there is.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_nats::jetstream::{self, stream::Config};
use futures::StreamExt as _;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};
use tokio::task::block_in_place;
use wrt_chaos_tests::Scene;
use wrt_test_servers::KafkaServer;

/// How long a broker may take to say what it has.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

pub enum Broker {
    /// The cluster's own server.
    Nats,
    Kafka(Box<KafkaServer>),
}

impl Broker {
    pub fn kafka() -> anyhow::Result<Self> {
        Ok(Self::Kafka(Box::new(block_in_place(KafkaServer::start)?)))
    }

    /// The backend and its settings. It keeps what is sent to `topics`.
    pub async fn keeping(&self, scene: &Scene, topics: &[&str]) -> anyhow::Result<String> {
        match self {
            Self::Nats => {
                let stream = Config {
                    name: "KEPT".to_owned(),
                    subjects: topics.iter().map(ToString::to_string).collect(),
                    ..Config::default()
                };
                jetstream(scene).await?.create_stream(stream).await?;
                let url = scene.cluster.nats().url();
                Ok(format!("backend = \"nats\"\nconfig = {{ url = {url:?} }}"))
            }
            Self::Kafka(kafka) => {
                let brokers = kafka.url();
                Ok(format!(
                    "backend = \"kafka\"\n\
                     config = {{ brokers = {brokers:?}, create_topics = {topics:?} }}"
                ))
            }
        }
    }

    /// Has it keep a topic of [`Broker::keeping`] in one row, whatever its keys are.
    pub async fn in_one_row(&self, topic: &str) -> anyhow::Result<()> {
        let Self::Kafka(kafka) = self else {
            return Ok(());
        };
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", kafka.url());
        let admin: AdminClient<DefaultClientContext> = settings.create()?;
        let topic = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
        let made = admin.create_topics([&topic], &AdminOptions::new()).await?;
        for made in made {
            made.map_err(|(topic, error)| anyhow::anyhow!("{topic}: {error}"))?;
        }
        Ok(())
    }

    pub fn kill(&self, scene: &Scene) -> anyhow::Result<()> {
        Ok(block_in_place(|| match self {
            Self::Nats => scene.cluster.nats().kill(),
            Self::Kafka(kafka) => kafka.kill(),
        })?)
    }

    pub fn restart(&self, scene: &Scene) -> anyhow::Result<()> {
        Ok(block_in_place(|| match self {
            Self::Nats => scene.cluster.nats().restart(),
            Self::Kafka(kafka) => kafka.restart(),
        })?)
    }

    /// All that it has of a topic: places, and data. Of those that have a key in common the places are in
    /// their order.
    pub async fn all_of(&self, scene: &Scene, topic: &str) -> anyhow::Result<Vec<(i64, String)>> {
        match self {
            Self::Nats => {
                let stream = jetstream(scene).await?.get_stream("KEPT").await?;
                all_of(&stream, topic).await
            }
            Self::Kafka(kafka) => block_in_place(|| all_of_topic(&kafka.url(), topic)),
        }
    }

    /// The data of the dead letters of a component.
    pub async fn dead_letters(
        &self,
        scene: &Scene,
        app: &str,
        component: &str,
    ) -> anyhow::Result<BTreeSet<String>> {
        match self {
            Self::Nats => {
                let stream = jetstream(scene).await?;
                let stream = stream.get_stream(format!("dead-letters-{app}")).await?;
                let letters = all_of(&stream, ">").await?;
                Ok(letters.into_iter().map(|(_, data)| data).collect())
            }
            Self::Kafka(kafka) => {
                let topic = format!("dead-letters-{app}.{component}");
                let letters = block_in_place(|| all_of_topic(&kafka.url(), &topic))?;
                Ok(letters.into_iter().map(|(_, data)| data).collect())
            }
        }
    }
}

pub async fn jetstream(scene: &Scene) -> anyhow::Result<jetstream::Context> {
    let client = async_nats::connect(scene.cluster.nats().url()).await?;
    Ok(jetstream::new(client))
}

/// All that a stream has of a topic, by its sequence numbers, in their order.
async fn all_of(
    stream: &jetstream::stream::Stream,
    topic: &str,
) -> anyhow::Result<Vec<(i64, String)>> {
    let reader = jetstream::consumer::pull::Config {
        ack_policy: jetstream::consumer::AckPolicy::None,
        filter_subject: topic.to_owned(),
        ..jetstream::consumer::pull::Config::default()
    };
    let reader = stream.create_consumer(reader).await?;
    let count = usize::try_from(reader.cached_info().num_pending)?;
    let mut found = Vec::with_capacity(count);
    let mut until = Instant::now() + TOLD_WITHIN;
    while found.len() < count {
        anyhow::ensure!(Instant::now() < until, "{} of {count}", found.len());
        let before = found.len();
        let batch = reader.fetch().max_messages(500).messages().await?;
        let messages: Vec<_> = batch.collect().await;
        for message in messages {
            let message = message.map_err(anyhow::Error::from_boxed)?;
            let info = message.info().map_err(anyhow::Error::from_boxed)?;
            let data = String::from_utf8(message.payload.to_vec())?;
            found.push((i64::try_from(info.stream_sequence)?, data));
        }
        if found.len() > before {
            until = Instant::now() + TOLD_WITHIN;
        }
    }
    Ok(found)
}

/// All that a topic has, by the offsets in their partitions.
fn all_of_topic(brokers: &str, topic: &str) -> anyhow::Result<Vec<(i64, String)>> {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", brokers);
    settings.set("group.id", "looks-on");
    let consumer: BaseConsumer = settings.create()?;
    let known = consumer.fetch_metadata(Some(topic), TOLD_WITHIN)?;
    let known = known.topics().first().context("a topic")?;
    let (mut list, mut count) = (TopicPartitionList::new(), 0);
    for partition in known.partitions() {
        let (first, end) = consumer.fetch_watermarks(topic, partition.id(), TOLD_WITHIN)?;
        count += usize::try_from(end - first)?;
        list.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let (mut found, mut until) = (Vec::with_capacity(count), Instant::now() + TOLD_WITHIN);
    while found.len() < count {
        anyhow::ensure!(
            Instant::now() < until,
            "{} of {count} in {topic}",
            found.len()
        );
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let data = message.payload().unwrap_or_default();
            found.push((message.offset(), std::str::from_utf8(data)?.to_owned()));
            until = Instant::now() + TOLD_WITHIN;
        }
    }
    Ok(found)
}
