//! The owner of a subscription in order is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_nats::{
    HeaderMap,
    jetstream::{self, consumer::pull, stream::Config},
};
use futures::StreamExt as _;
use wrt_chaos_tests::{Scene, guest};

const CUSTOMERS: usize = 8;
const PAUSE: Duration = Duration::from_millis(100);
const FAULT_AFTER: Duration = Duration::from_millis(1500);
const AFTERWARDS: Duration = Duration::from_secs(4);
/// What an order takes: so there are some in hand at any time.
const TAKES_MS: u64 = 40;
/// What the owner had is another's within this time.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(5);
const HANDLED_WITHIN: Duration = Duration::from_secs(30);

/// Orders of a customer are handled in their order, although the node that has them in hand is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed() -> anyhow::Result<()> {
    let play = Play::begin().await?;
    let (placed, owner) = play
        .lose_owner(|scene, owner| Ok(scene.cluster.kill_node(owner)?))
        .await?;
    play.all_are_in_order(&placed, &format!("killed {owner}"))
        .await
}

/// The same when it stands still, with some in hand, and goes on when another has gone on with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped() -> anyhow::Result<()> {
    let play = Play::begin().await?;
    let (placed, owner) = play
        .lose_owner(|scene, owner| Ok(scene.cluster.pause_node(owner)?))
        .await?;
    play.all_are_in_order(&placed, &format!("stopped {owner}"))
        .await?;
    play.scene.cluster.resume_node(&owner)?;
    play.scene.is_ready(&["a", "b", "c"]).await?;
    play.all_are_in_order(&placed, &format!("{owner} goes on"))
        .await
}

struct Play {
    scene: Scene,
    jetstream: jetstream::Context,
}

/// What was placed: how many orders of each customer, and when the owner was lost.
struct Placed {
    of_each: usize,
    lost_at: Instant,
    taken_over_after: Duration,
}

impl Play {
    async fn begin() -> anyhow::Result<Self> {
        let scene = Scene::start(&["a", "b", "c"]).await?;
        let client = async_nats::connect(scene.cluster.nats().url()).await?;
        let jetstream = jetstream::new(client);
        for (name, subject) in [("ORDERS", "orders.>"), ("HANDLED", "handled.>")] {
            let stream = Config {
                name: name.to_owned(),
                subjects: vec![subject.to_owned()],
                ..Config::default()
            };
            jetstream.create_stream(stream).await?;
        }
        let folder = tempfile::tempdir()?;
        let manifest = folder.path().join("orders.toml");
        std::fs::write(&manifest, manifest_of(&scene)?)?;
        let manifest = manifest.display().to_string();
        tokio::task::block_in_place(|| scene.cluster.wrt(&["up", &manifest]))?;
        Ok(Self { scene, jetstream })
    }

    /// Places orders of each customer, one after the other, while the owner is lost.
    async fn lose_owner(
        &self,
        harm: impl Fn(&Scene, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<(Placed, String)> {
        let (mut of_each, mut lost, mut taken_over) = (0, None::<(Instant, String, usize)>, None);
        // The first order is handled when somebody owns the subscription.
        self.place(of_each).await?;
        of_each += 1;
        self.handled(CUSTOMERS).await?;
        let began = Instant::now();
        while began.elapsed() < FAULT_AFTER + AFTERWARDS {
            self.place(of_each).await?;
            of_each += 1;
            if let Some((at, _, before)) = &lost {
                if taken_over.is_none() && self.count().await? > *before {
                    taken_over = Some(at.elapsed());
                }
            } else if began.elapsed() >= FAULT_AFTER {
                let owner = self.owner().await?;
                harm(&self.scene, &owner)?;
                let at = Instant::now();
                // What it had told already is on its way.
                tokio::time::sleep(Duration::from_millis(100)).await;
                lost = Some((at, owner, self.count().await?));
            }
            tokio::time::sleep(PAUSE).await;
        }
        let (lost_at, owner, _) = lost.context("the fault")?;
        let taken_over_after = taken_over.context("nobody has taken over")?;
        println!("{owner} is lost: the next owner handles after {taken_over_after:?}");
        anyhow::ensure!(taken_over_after < TAKEN_OVER_WITHIN, "{taken_over_after:?}");
        let placed = Placed {
            of_each,
            lost_at,
            taken_over_after,
        };
        Ok((placed, owner))
    }

    async fn place(&self, number: usize) -> anyhow::Result<()> {
        for customer in 0..CUSTOMERS {
            let mut headers = HeaderMap::new();
            headers.insert("customer", format!("c{customer}"));
            let order = format!("c{customer}-{number}");
            let placed =
                self.jetstream
                    .publish_with_headers("orders.placed", headers, order.into());
            placed.await?.await?;
        }
        Ok(())
    }

    /// The node that owns the subscription, as the lease says.
    async fn owner(&self) -> anyhow::Result<String> {
        let leases = self.jetstream.get_key_value("wrt-default-leases").await?;
        let mut keys = leases.keys().await?;
        let key = keys.next().await.context("no lease")??;
        let record = leases.get(key).await?.context("no lease")?;
        let record: serde_json::Value = serde_json::from_slice(&record)?;
        let holder = record["holder"].as_str().context("nobody has it")?;
        let (node, _) = holder.rsplit_once('-').context("a holder")?;
        Ok(node.to_owned())
    }

    async fn count(&self) -> anyhow::Result<usize> {
        let mut stream = self.jetstream.get_stream("HANDLED").await?;
        Ok(usize::try_from(stream.info().await?.state.messages)?)
    }

    /// All that was handled, in its order, as soon as there is so much.
    async fn handled(&self, count: usize) -> anyhow::Result<Vec<String>> {
        let until = Instant::now() + HANDLED_WITHIN;
        while self.count().await? < count {
            anyhow::ensure!(Instant::now() < until, "{} of {count}", self.count().await?);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let stream = self.jetstream.get_stream("HANDLED").await?;
        let reader = stream.create_consumer(pull::Config::default()).await?;
        let all = self.count().await?;
        let batch = reader.fetch().max_messages(all).messages().await?;
        let handled = batch.map(|message| {
            let message = message.map_err(anyhow::Error::from_boxed)?;
            Ok(String::from_utf8(message.payload.to_vec())?)
        });
        handled.collect::<Vec<_>>().await.into_iter().collect()
    }

    /// Each order is handled, and those of a customer were so for the first time in their order.
    async fn all_are_in_order(&self, placed: &Placed, what: &str) -> anyhow::Result<()> {
        let until = placed.lost_at + placed.taken_over_after + HANDLED_WITHIN;
        let all = CUSTOMERS * placed.of_each;
        let handled = loop {
            let handled = self.handled(0).await?;
            let distinct: BTreeSet<_> = handled.iter().collect();
            if distinct.len() == all {
                break handled;
            }
            anyhow::ensure!(
                Instant::now() < until,
                "{what}: {} of {all}",
                distinct.len()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
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

fn manifest_of(scene: &Scene) -> anyhow::Result<String> {
    let (source, nats) = (guest("messaging")?, scene.cluster.nats().url());
    Ok(format!(
        "[app]\nname = \"orders\"\n\n\
         [component.mail]\nsource = {source:?}\nnodes = [\"a\", \"b\"]\n\
         environment = {{ NAME = \"mail\", TAKES_MS = \"{TAKES_MS}\", TELLS = \"handled.mail\" }}\n\
         links = {{ \"wasi:messaging\" = \"bus\", \"wasi:keyvalue\" = \"store\" }}\n\n\
         [provider.bus]\nbackend = \"nats\"\nnodes = [\"a\", \"b\"]\nconfig = {{ url = {nats:?} }}\n\
         calls = [{{ component = \"mail\", topics = [\"orders.*\"], order = \"key\", \
         key = \"customer\", pause_ms_min = 200 }}]\n\n\
         [provider.store]\nbackend = \"redis\"\nnodes = [\"c\"]\nconfig = {{ url = {redis:?} }}\n",
        redis = scene.redis_url(),
    ))
}
