//! Orders of customers, which are handled in the order of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_nats::{HeaderMap, jetstream};
use futures::StreamExt as _;
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use tokio::{task::block_in_place, time::sleep};
use wrt_chaos_tests::{Scene, guest};

use super::super::brokers::{self, Broker};

pub const CUSTOMERS: usize = 8;
const PLACED: &str = "orders.placed";
const HANDLED: &str = "handled.mail";
const HANDLED_WITHIN: Duration = Duration::from_secs(30);

/// Where the handler runs, and what an order takes there.
pub struct Layout {
    pub nodes: &'static [&'static str],
    pub mail_on: &'static [&'static str],
    pub takes_ms: u64,
}

impl Layout {
    pub fn takes(&self) -> Duration {
        Duration::from_millis(self.takes_ms)
    }
}

/// An app that handles orders; its subscription runs on `a` and `b`.
pub struct Play {
    pub scene: Scene,
    broker: Broker,
    sender: Sender,
}

enum Sender {
    Nats(Box<jetstream::Context>),
    Kafka(FutureProducer),
}

impl Play {
    pub async fn begin(broker: Broker, layout: &Layout) -> anyhow::Result<Self> {
        let scene = Scene::start(layout.nodes).await?;
        let bus = broker.keeping(&scene, &[PLACED, HANDLED]).await?;
        broker.in_one_row(HANDLED).await?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("orders.toml");
        std::fs::write(&path, manifest(&scene, &bus, layout)?)?;
        let path = path.display().to_string();
        block_in_place(|| scene.cluster.wrt(&["up", &path]))?;
        let sender = match &broker {
            Broker::Nats => Sender::Nats(Box::new(brokers::jetstream(&scene).await?)),
            Broker::Kafka(kafka) => {
                let mut settings = ClientConfig::new();
                settings.set("bootstrap.servers", kafka.url());
                Sender::Kafka(settings.create()?)
            }
        };
        Ok(Self {
            scene,
            broker,
            sender,
        })
    }

    /// Places the order with that number of each customer.
    pub async fn place(&self, number: usize) -> anyhow::Result<()> {
        for customer in 0..CUSTOMERS {
            let customer = format!("c{customer}");
            let order = format!("{customer}-{number}");
            match &self.sender {
                Sender::Nats(jetstream) => {
                    let mut headers = HeaderMap::new();
                    headers.insert("key", customer);
                    let placed = jetstream.publish_with_headers(PLACED, headers, order.into());
                    placed.await?.await?;
                }
                Sender::Kafka(producer) => {
                    let record = FutureRecord::to(PLACED).key(&customer).payload(&order);
                    let placed = producer.send_result(record).map_err(|(error, _)| error)?;
                    placed.await?.map_err(|(error, _)| error)?;
                }
            }
        }
        Ok(())
    }

    /// The node that owns the subscription, or the most of it.
    pub async fn owner(&self) -> anyhow::Result<String> {
        match &self.sender {
            Sender::Nats(jetstream) => owner_of_lease(jetstream).await,
            Sender::Kafka(_) => self.owner_of_most(),
        }
    }

    /// By what each has had of it so far: who owns a partition has all of that.
    fn owner_of_most(&self) -> anyhow::Result<String> {
        let status = block_in_place(|| self.scene.cluster.status())?;
        let handled = |node: &&str| status.replica(node, "bus").map_or(0, |it| it.handled);
        let most = ["a", "b"].into_iter().max_by_key(handled);
        Ok(most.context("a node")?.to_owned())
    }

    /// All that was handled, in its order.
    pub async fn handled(&self) -> anyhow::Result<Vec<String>> {
        let handled = self.broker.all_of(&self.scene, HANDLED).await?;
        Ok(handled.into_iter().map(|(_, order)| order).collect())
    }

    /// The same, as soon as there is so much.
    pub async fn has_handled(&self, count: usize) -> anyhow::Result<Vec<String>> {
        let until = Instant::now() + HANDLED_WITHIN;
        loop {
            let handled = self.handled().await?;
            if handled.len() >= count {
                return Ok(handled);
            }
            anyhow::ensure!(Instant::now() < until, "{} of {count}", handled.len());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether the first orders of each customer are handled, so many of each.
    pub async fn all_are_handled(&self, of_each: usize) -> anyhow::Result<bool> {
        let handled: BTreeSet<_> = self.handled().await?.into_iter().collect();
        let mut all = (0..CUSTOMERS).flat_map(|c| (0..of_each).map(move |n| format!("c{c}-{n}")));
        Ok(all.all(|order| handled.contains(&order)))
    }

    /// Each order is handled, so many of each customer, and those of a customer were so for the first time in
    /// their order.
    pub async fn all_are_in_order(&self, of_each: usize, what: &str) -> anyhow::Result<()> {
        let until = Instant::now() + HANDLED_WITHIN;
        let all = CUSTOMERS * of_each;
        let handled = loop {
            let handled = self.handled().await?;
            let distinct: BTreeSet<_> = handled.iter().collect();
            if distinct.len() == all {
                break handled;
            }
            let count = distinct.len();
            anyhow::ensure!(Instant::now() < until, "{what}: {count} of {all}");
            sleep(Duration::from_millis(100)).await;
        };
        let mut next = BTreeMap::<&str, usize>::new();
        for order in &handled {
            let (customer, number) = order.split_once('-').context("an order")?;
            let (next, number) = (next.entry(customer).or_default(), number.parse::<usize>()?);
            anyhow::ensure!(number <= *next, "{what}: {order} came before number {next}");
            *next = (*next).max(number + 1);
        }
        let twice = handled.len() - all;
        println!("{what}: {all} orders are handled in order, {twice} of them twice");
        Ok(())
    }
}

/// The node that owns the subscription, as the lease says.
async fn owner_of_lease(jetstream: &jetstream::Context) -> anyhow::Result<String> {
    let leases = jetstream.get_key_value("wrt-default-leases").await?;
    let mut keys = leases.keys().await?;
    let key = keys.next().await.context("no lease")??;
    let record = leases.get(key).await?.context("no lease")?;
    let record: serde_json::Value = serde_json::from_slice(&record)?;
    let holder = record["holder"].as_str().context("nobody has it")?;
    let (node, _) = holder.rsplit_once('-').context("a holder")?;
    Ok(node.to_owned())
}

fn manifest(scene: &Scene, bus: &str, layout: &Layout) -> anyhow::Result<String> {
    let Layout {
        mail_on, takes_ms, ..
    } = layout;
    let source = guest("messaging")?;
    Ok(format!(
        "[app]\nname = \"orders\"\n\n\
         [component.mail]\nsource = {source:?}\nnodes = {mail_on:?}\n\
         environment = {{ NAME = \"mail\", TAKES_MS = \"{takes_ms}\", TELLS = {HANDLED:?} }}\n\
         links = {{ \"wasi:messaging\" = \"bus\", \"wasi:keyvalue\" = \"store\" }}\n\n\
         [provider.bus]\n{bus}\nnodes = [\"a\", \"b\"]\n\
         calls = [{{ component = \"mail\", topics = [{PLACED:?}], order = \"key\", \
         key = \"key\", pause_ms_min = 200 }}]\n\n\
         [provider.store]\nbackend = \"redis\"\nnodes = [\"c\"]\nconfig = {{ url = {redis:?} }}\n",
        redis = scene.redis_url(),
    ))
}
