//! Messages under all that can happen to those who handle them: nodes are killed one after another, the
//! broker is restarted once, and a handler fails for some; `WRT_MESSAGES=100000` makes that a long run. Or
//! there are far more of them at once than can be handled.

mod sender;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::{StreamExt, stream};
use http::Method;
use tokio::{task::block_in_place, time::sleep};
use wrt_chaos_tests::{Scene, guest};

use self::sender::{SENT_AT_ONCE, Sender};
use super::brokers::Broker;

const MESSAGES: u64 = 2000;

/// In turns; each has the component, the subscription and the store.
const HANDLERS: [&str; 3] = ["a", "b", "c"];
const KILLED_EACH: Duration = Duration::from_secs(4);
const STARTED_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// The broker is restarted beside this kill.
const BROKER_AT: usize = 1;
const BROKER_AWAY: Duration = Duration::from_secs(1);

/// Of so many numbers one fails whenever it comes, and one the first time.
const FAILS_EACH: u64 = 100;
/// What a number is in order by: its remainder. So those that fail are of all keys.
const KEYS: u64 = 61;
const IN_HAND_MAX: u64 = 16;
/// Fifty times what three nodes have in hand; 75 MiB.
const BURST: u64 = 2400;
const BURST_BYTES: usize = 32 * 1024;
const BURST_TAKES_MS: u64 = 100;
/// Of a node: what it has in hand, instances for it, and what an allocator keeps.
const GROWN_MIB_MAX: u64 = 32;
/// So long nothing more may be handled while something is to be.
const HANDLED_WITHIN: Duration = Duration::from_secs(60);
/// What handlers have counted is listed so many numbers at a time, however many there are. So long a list may
/// be refused.
const LISTED: u64 = 1000;
const LISTED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOK_EVERY_MOST: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    None,
    Key,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn although_nodes_and_the_broker_are_lost() -> anyhow::Result<()> {
    whatever_is_lost(Broker::Nats, Order::None).await
}

/// And those of a key are handled in the order in which the broker has them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_order_although_nodes_and_the_broker_are_lost() -> anyhow::Result<()> {
    whatever_is_lost(Broker::Nats, Order::Key).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_kafka_although_nodes_and_the_broker_are_lost() -> anyhow::Result<()> {
    whatever_is_lost(Broker::kafka()?, Order::None).await
}

/// And those of a key are handled in the order of their partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_kafka_in_order_although_nodes_and_the_broker_are_lost() -> anyhow::Result<()> {
    whatever_is_lost(Broker::kafka()?, Order::Key).await
}

/// At least once, whatever happens: a message whose sender was told that it is kept is handled, or lies with
/// the dead letters, and there are only those that cannot be handled. What comes again is what was in
/// hand when something was lost.
async fn whatever_is_lost(broker: Broker, order: Order) -> anyhow::Result<()> {
    let messages = std::env::var("WRT_MESSAGES").ok();
    let messages = messages.map_or(Ok(MESSAGES), |text| text.parse())?;
    let scene = Scene::start(&["edge", "a", "b", "c"]).await?;
    let play = Play::begin(scene, broker, order, 0).await?;
    let (sender, is_sent) = (Sender::to(&play).await?, AtomicBool::new(false));
    let send = async {
        let kept = sender.send(messages).await;
        is_sent.store(true, Relaxed);
        kept
    };
    let (kept, losses) = tokio::join!(send, play.harm(&is_sent));
    let losses = losses?;
    println!("{} of {messages} are kept; {losses} losses", kept.len());
    anyhow::ensure!(kept.len() as u64 > messages / 2, "too few are kept");

    let (began, counts) = (Instant::now(), play.all_have_come(&kept).await?);
    println!(
        "all have come {:?} after the last was sent",
        began.elapsed()
    );
    play.dead_letters_are_those_that_fail(&kept).await?;
    let again = |(number, count): (&u64, &u64)| count.saturating_sub(expected(*number));
    let again: u64 = counts.iter().map(again).sum();
    println!("{again} came again");
    let in_hand = IN_HAND_MAX * HANDLERS.len() as u64;
    anyhow::ensure!(again <= in_hand * losses, "{again} came again");
    match order {
        Order::None => Ok(()),
        Order::Key => play.each_key_is_in_order().await,
    }
}

/// What handlers of 100 ms need five seconds for, sent at once, waits with the broker: a node has no more of
/// it than is in hand, and all of it is handled.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_burst() -> anyhow::Result<()> {
    let scene = Scene::start(&["edge", "a", "b", "c"]).await?;
    let play = Play::begin(scene, Broker::Nats, Order::None, BURST_TAKES_MS).await?;
    let scene = &play.scene;
    let resident = || -> anyhow::Result<Vec<u64>> {
        let of = |node: &&str| Ok(scene.cluster.node_rss_bytes(node)?);
        HANDLERS.iter().map(of).collect()
    };
    let before = resident()?;
    let padding = "x".repeat(BURST_BYTES);
    let (sender, padding) = (&Sender::to(&play).await?, &padding);
    let sent = stream::iter(0..BURST).map(|number| async move {
        let kept = sender.is_kept(number, format!("{number} {padding}")).await;
        kept.then_some(number)
    });
    let kept: BTreeSet<_> = sent
        .buffer_unordered(SENT_AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    anyhow::ensure!(kept.len() as u64 == BURST, "not all are kept");
    let sent = Instant::now();
    let (mut most, handled) = (before.clone(), AtomicBool::new(false));
    let watch = async {
        while !handled.load(Relaxed) {
            for (most, now) in most.iter_mut().zip(resident()?) {
                *most = now.max(*most);
            }
            sleep(Duration::from_millis(100)).await;
        }
        anyhow::Ok(())
    };
    let come = async {
        let come = play.all_have_come(&kept).await;
        handled.store(true, Relaxed);
        come
    };
    let (watched, come) = tokio::join!(watch, come);
    watched?;
    come?;
    let grown: Vec<_> = most
        .iter()
        .zip(&before)
        .map(|(most, before)| most.saturating_sub(*before) >> 20)
        .collect();
    println!(
        "{BURST} at once: all have come after {:?}; nodes grew by {grown:?} MiB",
        sent.elapsed()
    );
    let whole = (BURST * BURST_BYTES as u64) >> 20;
    anyhow::ensure!(
        grown.iter().all(|grown| *grown < GROWN_MIB_MAX),
        "of {whole} MiB: {grown:?}"
    );
    Ok(())
}

/// An app that counts what it gets, on a broker.
struct Play {
    scene: Scene,
    broker: Broker,
    /// Where it is said what was counted.
    address: String,
}

impl Play {
    async fn begin(
        scene: Scene,
        broker: Broker,
        order: Order,
        takes_ms: u64,
    ) -> anyhow::Result<Self> {
        let address = scene.cluster.free_address()?;
        let bus = broker.keeping(&scene, &[sender::TOPIC]).await?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("tally.toml");
        let manifest = manifest(&scene, &bus, &address, order, takes_ms)?;
        std::fs::write(&path, manifest)?;
        block_in_place(|| scene.cluster.wrt(&["up", &path.display().to_string()]))?;
        Ok(Self {
            scene,
            broker,
            address,
        })
    }

    /// Kills one node after another until all is sent, and restarts the broker once; answers how often
    /// something was lost. At its end all are there.
    async fn harm(&self, is_sent: &AtomicBool) -> anyhow::Result<u64> {
        let cluster = &self.scene.cluster;
        let mut losses = 0;
        for (at, node) in HANDLERS.into_iter().cycle().enumerate() {
            sleep(KILLED_EACH).await;
            if is_sent.load(Relaxed) {
                break;
            }
            cluster.kill_node(node)?;
            losses += 1;
            if at == BROKER_AT {
                self.broker.kill(&self.scene)?;
                sleep(BROKER_AWAY).await;
                self.broker.restart(&self.scene)?;
                losses += 1;
            }
            sleep(STARTED_AGAIN_AFTER).await;
            cluster.start_node(node)?;
        }
        Ok(losses)
    }

    /// What is said of the numbers of a list. A list that is refused is asked for again: that says nothing of
    /// messages.
    async fn list(&self, what: &str, number: u64) -> anyhow::Result<BTreeMap<u64, u64>> {
        let url = format!("http://{}/{what}/{number}", self.address);
        let began = Instant::now();
        loop {
            let answer = self.scene.client.send(Method::GET, &url).await;
            if answer.is_success() {
                let line = |line: &str| {
                    let (number, count) = line.split_once(' ')?;
                    Some((number.parse().ok()?, count.parse().ok()?))
                };
                let text = answer.text();
                let numbers = text.lines().map(|text| line(text).context("no number"));
                return numbers.collect();
            }
            anyhow::ensure!(began.elapsed() < LISTED_WITHIN, "{url}: {answer:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// What is said of all these numbers.
    async fn lists(
        &self,
        what: &str,
        numbers: impl IntoIterator<Item = &u64>,
    ) -> anyhow::Result<BTreeMap<u64, u64>> {
        let lists: BTreeSet<_> = numbers.into_iter().map(|it| it - it % LISTED).collect();
        let mut said = BTreeMap::new();
        for list in lists {
            said.extend(self.list(what, list).await?);
        }
        Ok(said)
    }

    /// Waits until each number has come as often as it must; how often each did.
    async fn all_have_come(&self, kept: &BTreeSet<u64>) -> anyhow::Result<BTreeMap<u64, u64>> {
        let (mut since, mut missing) = (Instant::now(), BTreeMap::<u64, u64>::new());
        missing.extend(kept.iter().map(|number| (*number, 0)));
        while !missing.is_empty() {
            anyhow::ensure!(
                since.elapsed() < HANDLED_WITHIN,
                "kept, and not handled: {} of them, the first {:?}",
                missing.len(),
                missing.iter().take(20).collect::<Vec<_>>(),
            );
            let (looked, before) = (Instant::now(), missing.len());
            let counts = self.lists("counts", missing.keys()).await?;
            missing.retain(|number, count| {
                *count = counts.get(number).copied().unwrap_or_default();
                *count < least(*number)
            });
            if missing.len() < before {
                since = Instant::now();
            }
            // To look takes no more than a part of what handlers need as well.
            sleep((4 * looked.elapsed()).clamp(LOOK_EVERY, LOOK_EVERY_MOST)).await;
        }
        self.lists("counts", kept).await
    }

    async fn dead_letters_are_those_that_fail(&self, kept: &BTreeSet<u64>) -> anyhow::Result<()> {
        let fail = kept.iter().filter(|number| *number % FAILS_EACH == 0);
        let fail: BTreeSet<_> = fail.copied().collect();
        let began = Instant::now();
        loop {
            let letters = self
                .broker
                .dead_letters(&self.scene, "tally", "tally")
                .await;
            let number = |text: &String| text.parse::<u64>().with_context(|| format!("{text:?}"));
            let found: anyhow::Result<BTreeSet<_>> = letters?.iter().map(number).collect();
            let found = found?;
            let others: Vec<_> = found.iter().filter(|n| *n % FAILS_EACH != 0).collect();
            anyhow::ensure!(others.is_empty(), "given up without a need: {others:?}");
            let missing: Vec<_> = fail.difference(&found).collect();
            if missing.is_empty() {
                println!("{} are with the dead letters", found.len());
                return Ok(());
            }
            anyhow::ensure!(
                began.elapsed() < HANDLED_WITHIN,
                "neither handled nor given up: {missing:?}"
            );
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// First successes, compared with what the broker has.
    async fn each_key_is_in_order(&self) -> anyhow::Result<()> {
        let kept = self.broker.all_of(&self.scene, sender::TOPIC).await?;
        let sequences: HashMap<u64, i64> = kept
            .into_iter()
            .filter_map(|(sequence, number)| Some((number.parse().ok()?, sequence)))
            .collect();
        let places = self.lists("places", sequences.keys()).await?;
        let mut keys = BTreeMap::<u64, Vec<(u64, i64, u64)>>::new();
        for (number, place) in &places {
            let sequence = *sequences.get(number).context("a number of the stream")?;
            let of_key = keys.entry(number % KEYS).or_default();
            of_key.push((*place, sequence, *number));
        }
        for handled in keys.values_mut() {
            handled.sort_unstable();
            let late = handled.windows(2).find(|pair| pair[0].1 > pair[1].1);
            anyhow::ensure!(late.is_none(), "place, sequence and number: {late:?}");
        }
        let lengths = keys.values().map(Vec::len);
        println!(
            "{} numbers of {} keys are in order, at most {:?} of a key",
            places.len(),
            keys.len(),
            lengths.max()
        );
        Ok(())
    }
}

fn manifest(
    scene: &Scene,
    bus: &str,
    address: &str,
    order: Order,
    takes_ms: u64,
) -> anyhow::Result<String> {
    let source = guest("tally")?;
    let (in_order, keys) = match order {
        Order::None => ("", String::new()),
        Order::Key => (
            "order = \"key\", key = \"key\", ",
            format!("KEYS = \"{KEYS}\", "),
        ),
    };
    Ok(format!(
        "[app]\nname = \"tally\"\n\n\
         [component.tally]\nsource = {source:?}\nnodes = [\"a\", \"b\", \"c\"]\n\
         environment = {{ {keys}FAILS_EACH = \"{FAILS_EACH}\", TAKES_MS = \"{takes_ms}\" }}\n\
         links = {{ \"wasi:keyvalue\" = \"store\" }}\n\n\
         [provider.bus]\n{bus}\nnodes = [\"a\", \"b\", \"c\"]\n\
         calls = [{{ component = \"tally\", topics = [{topic:?}], in_hand_max = {IN_HAND_MAX}, \
         {in_order}pause_ms_min = 200, pause_ms_max = 1000 }}]\n\n\
         [provider.store]\nbackend = \"redis\"\nnodes = [\"a\", \"b\", \"c\", \"edge\"]\n\
         config = {{ url = {redis:?} }}\n\n\
         [component.reader]\nsource = {source:?}\nnodes = [\"edge\"]\n\
         links = {{ \"wasi:keyvalue\" = \"store\" }}\n\n\
         [provider.web]\nbackend = \"http-server\"\nnodes = [\"edge\"]\n\
         config = {{ address = {address:?} }}\ncalls = [{{ component = \"reader\" }}]\n",
        topic = sender::TOPIC,
        redis = scene.redis_url(),
    ))
}

/// How often a number comes when nothing is lost.
fn expected(number: u64) -> u64 {
    match number % FAILS_EACH {
        // As often as it is tried by default.
        0 => 5,
        place if place == FAILS_EACH / 2 => 2,
        _ => 1,
    }
}

/// How often it must have come. Of one that never succeeds the dead letters tell.
fn least(number: u64) -> u64 {
    match number % FAILS_EACH {
        place if place == FAILS_EACH / 2 => 2,
        _ => 1,
    }
}
