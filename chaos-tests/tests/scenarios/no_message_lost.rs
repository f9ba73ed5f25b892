//! Messages under all that can happen to those who handle them: nodes are killed one after another, the
//! broker is restarted once, and a handler fails for some; `WRT_MESSAGES=100000` makes that a long run. Or
//! there are far more of them at once than can be handled.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_nats::jetstream::{self, stream::Config};
use futures::{StreamExt, stream};
use http::Method;
use tokio::{task::block_in_place, time::sleep};
use wrt_chaos_tests::{Scene, guest};

const MESSAGES: u64 = 2400;
const PER_SECOND: u32 = 200;
/// A sender waits so long for the word that its message is kept. What it does not get is no promise.
const KEPT_WITHIN: Duration = Duration::from_secs(5);
const SENT_AT_ONCE: usize = 64;

/// In turns; each has the component, the subscription and the store.
const HANDLERS: [&str; 3] = ["a", "b", "c"];
const KILLED_EACH: Duration = Duration::from_secs(4);
const STARTED_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// The broker is restarted beside this kill.
const BROKER_AT: usize = 1;
const BROKER_AWAY: Duration = Duration::from_secs(1);

/// Of so many numbers one fails whenever it comes, and one the first time.
const FAILS_EACH: u64 = 100;
const IN_HAND_MAX: u64 = 16;
/// Fifty times what three nodes have in hand; 75 MiB.
const BURST: u64 = 2400;
const BURST_BYTES: usize = 32 * 1024;
const BURST_TAKES_MS: u64 = 100;
/// Of a node: what it has in hand, instances for it, and what an allocator keeps.
const GROWN_MIB_MAX: u64 = 32;
const HANDLED_WITHIN: Duration = Duration::from_secs(60);

/// At least once, whatever happens: a message whose sender was told that it is kept is handled, or lies with
/// the dead letters, and there are only those that cannot be handled. What comes again is what was in
/// hand when something was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn although_nodes_and_the_broker_are_lost() -> anyhow::Result<()> {
    let messages = std::env::var("WRT_MESSAGES").ok();
    let messages = messages.map_or(Ok(MESSAGES), |text| text.parse())?;
    let scene = Scene::start(&["edge", "a", "b", "c"]).await?;
    let jetstream = with_stream(&scene).await?;
    let address = deploy(&scene, 0)?;

    let is_sent = AtomicBool::new(false);
    let send = async {
        let kept = send(&jetstream, messages).await;
        is_sent.store(true, Relaxed);
        kept
    };
    let (kept, losses) = tokio::join!(send, harm(&scene, &is_sent));
    let losses = losses?;
    println!("{} of {messages} are kept; {losses} losses", kept.len());
    anyhow::ensure!(kept.len() as u64 > messages / 2, "too few are kept");

    let (began, counts) = (
        Instant::now(),
        all_have_come(&scene, &address, &kept).await?,
    );
    let again: u64 = counts
        .iter()
        .map(|(number, count)| count.saturating_sub(expected(*number)))
        .sum();
    println!(
        "all have come {:?} after the last was sent; {again} came again",
        began.elapsed()
    );
    let in_hand = IN_HAND_MAX * HANDLERS.len() as u64;
    anyhow::ensure!(again <= in_hand * losses, "{again} came again");
    dead_letters_are_those_that_fail(&jetstream, &kept).await
}

/// What handlers of 100 ms need five seconds for, sent at once, waits with the broker: a node has no more of
/// it than is in hand, and all of it is handled.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_burst() -> anyhow::Result<()> {
    let scene = Scene::start(&["edge", "a", "b", "c"]).await?;
    let jetstream = with_stream(&scene).await?;
    let address = deploy(&scene, BURST_TAKES_MS)?;
    let resident = || -> anyhow::Result<Vec<u64>> {
        let of = |node: &&str| Ok(scene.cluster.node_rss_bytes(node)?);
        HANDLERS.iter().map(of).collect()
    };
    let before = resident()?;
    let padding = "x".repeat(BURST_BYTES);
    let (jetstream, padding) = (&jetstream, &padding);
    let sent = stream::iter(0..BURST).map(|number| async move {
        let kept = is_kept(jetstream, format!("{number} {padding}")).await;
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
        let come = all_have_come(&scene, &address, &kept).await;
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

async fn with_stream(scene: &Scene) -> anyhow::Result<jetstream::Context> {
    let jetstream = jetstream::new(async_nats::connect(scene.cluster.nats().url()).await?);
    let stream = Config {
        name: "NUMBERS".to_owned(),
        subjects: vec!["numbers.>".to_owned()],
        ..Config::default()
    };
    jetstream.create_stream(stream).await?;
    Ok(jetstream)
}

/// Sends the numbers from 0 on, each by itself; answers those that are kept.
async fn send(jetstream: &jetstream::Context, messages: u64) -> BTreeSet<u64> {
    let began = Instant::now();
    let sent = stream::iter(0..messages).map(|number| async move {
        let due = Duration::from_secs(1) * u32::try_from(number).unwrap_or(u32::MAX) / PER_SECOND;
        tokio::time::sleep_until((began + due).into()).await;
        is_kept(jetstream, number.to_string())
            .await
            .then_some(number)
    });
    let kept: Vec<_> = sent.buffer_unordered(SENT_AT_ONCE).collect().await;
    kept.into_iter().flatten().collect()
}

async fn is_kept(jetstream: &jetstream::Context, message: String) -> bool {
    let kept = async {
        let sent = jetstream.publish("numbers.next", message.into()).await;
        sent.ok()?.await.ok()
    };
    matches!(tokio::time::timeout(KEPT_WITHIN, kept).await, Ok(Some(_)))
}

/// Kills one node after another until all is sent, and restarts the broker once; answers how often something
/// was lost. At its end all are there.
async fn harm(scene: &Scene, is_sent: &AtomicBool) -> anyhow::Result<u64> {
    let mut losses = 0;
    for (at, node) in HANDLERS.into_iter().cycle().enumerate() {
        sleep(KILLED_EACH).await;
        if is_sent.load(Relaxed) {
            break;
        }
        scene.cluster.kill_node(node)?;
        losses += 1;
        if at == BROKER_AT {
            block_in_place(|| scene.cluster.nats().kill())?;
            sleep(BROKER_AWAY).await;
            block_in_place(|| scene.cluster.nats().restart())?;
            losses += 1;
        }
        sleep(STARTED_AGAIN_AFTER).await;
        scene.cluster.start_node(node)?;
    }
    Ok(losses)
}

fn deploy(scene: &Scene, takes_ms: u64) -> anyhow::Result<String> {
    let (source, address) = (guest("tally")?, scene.cluster.free_address()?);
    let manifest = format!(
        "[app]\nname = \"tally\"\n\n\
         [component.tally]\nsource = {source:?}\nnodes = [\"a\", \"b\", \"c\"]\n\
         environment = {{ FAILS_EACH = \"{FAILS_EACH}\", TAKES_MS = \"{takes_ms}\" }}\n\
         links = {{ \"wasi:keyvalue\" = \"store\" }}\n\n\
         [provider.bus]\nbackend = \"nats\"\nnodes = [\"a\", \"b\", \"c\"]\n\
         config = {{ url = {nats:?} }}\n\
         calls = [{{ component = \"tally\", topics = [\"numbers.*\"], in_hand_max = {IN_HAND_MAX}, \
         pause_ms_min = 200, pause_ms_max = 1000 }}]\n\n\
         [provider.store]\nbackend = \"redis\"\nnodes = [\"a\", \"b\", \"c\", \"edge\"]\n\
         config = {{ url = {redis:?} }}\n\n\
         [component.reader]\nsource = {source:?}\nnodes = [\"edge\"]\n\
         links = {{ \"wasi:keyvalue\" = \"store\" }}\n\n\
         [provider.web]\nbackend = \"http-server\"\nnodes = [\"edge\"]\n\
         config = {{ address = {address:?} }}\ncalls = [{{ component = \"reader\" }}]\n",
        nats = scene.cluster.nats().url(),
        redis = scene.redis_url(),
    );
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tally.toml");
    std::fs::write(&path, manifest)?;
    block_in_place(|| scene.cluster.wrt(&["up", &path.display().to_string()]))?;
    Ok(address)
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

/// Waits until each number has come as often as it must; how often each did.
async fn all_have_come(
    scene: &Scene,
    address: &str,
    kept: &BTreeSet<u64>,
) -> anyhow::Result<BTreeMap<u64, u64>> {
    let (began, url) = (Instant::now(), format!("http://{address}/"));
    loop {
        let answer = scene.client.send(Method::GET, &url).await;
        let counts = counts(&answer.text()).unwrap_or_default();
        let count = |number: &u64| counts.get(number).copied().unwrap_or_default();
        let missing: Vec<_> = kept
            .iter()
            .filter(|number| count(number) < least(**number))
            .map(|number| (*number, count(number)))
            .collect();
        if answer.is_success() && missing.is_empty() {
            return Ok(counts);
        }
        anyhow::ensure!(
            began.elapsed() < HANDLED_WITHIN,
            "kept, and not handled: {missing:?}; the last answer: {:?}",
            answer.status()
        );
        sleep(Duration::from_millis(200)).await;
    }
}

fn counts(text: &str) -> Option<BTreeMap<u64, u64>> {
    let line = |line: &str| {
        let (number, count) = line.split_once(' ')?;
        Some((number.parse().ok()?, count.parse().ok()?))
    };
    text.lines().map(line).collect()
}

async fn dead_letters_are_those_that_fail(
    jetstream: &jetstream::Context,
    kept: &BTreeSet<u64>,
) -> anyhow::Result<()> {
    let fail: BTreeSet<_> = kept
        .iter()
        .copied()
        .filter(|n| n % FAILS_EACH == 0)
        .collect();
    let began = Instant::now();
    loop {
        let mut letters = jetstream.get_stream("dead-letters-tally").await?;
        let state = letters.info().await?.state.clone();
        let mut found = BTreeSet::new();
        for sequence in state.first_sequence..=state.last_sequence {
            let letter = letters.get_raw_message(sequence).await?;
            let number = std::str::from_utf8(&letter.payload)?;
            found.insert(number.parse().with_context(|| format!("{number:?}"))?);
        }
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
