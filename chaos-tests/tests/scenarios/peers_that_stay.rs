//! Peers of websockets, while the node of the component that answers them is lost; or the one that has their
//! sockets, of those that have come in as of those that the component has connected to.

mod connected;
mod listener;
mod peer;

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use wrt_chaos_tests::{Scene, guest};

use self::peer::{HEARD_WITHIN, Peer};

const NODES: [&str; 4] = ["edge", "far", "a", "b"];
const LISTENERS: [&str; 2] = ["edge", "far"];
const BEFORE: Duration = Duration::from_millis(1500);
const AFTERWARDS: Duration = Duration::from_secs(4);
/// Longer than a handler may take: what a node had begun when it was stopped, it does not end.
const PAUSE: Duration = Duration::from_secs(5);
const HANDLER_TIMEOUT: Duration = Duration::from_secs(2);

/// Every line that a peer has said before and after comes to each peer, once and in its order, but for the
/// one that was in hand when the node was killed; and no peer is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed() -> anyhow::Result<()> {
    let chat = Chat::of_speakers().await?;
    let lines = chat
        .said_during(|scene| Ok(scene.cluster.kill_node("a")?))
        .await?;
    chat.each_heard(&lines, 1).await?;
    chat.ends_with_1012("edge", 0).await
}

/// The same when it stands still, and goes on later.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped() -> anyhow::Result<()> {
    let chat = Chat::of_speakers().await?;
    let paused = Instant::now() + BEFORE;
    let lines = chat
        .said_during(|scene| Ok(scene.cluster.pause_node("a")?))
        .await?;
    tokio::time::sleep_until((paused + PAUSE).into()).await;
    chat.scene.cluster.resume_node("a")?;
    chat.scene.is_ready(&NODES).await?;
    chat.each_heard(&lines, 1).await
}

/// When the component is deployed anew, nothing is lost at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deployed_anew() -> anyhow::Result<()> {
    let chat = Chat::of_speakers().await?;
    let lines = chat
        .said_during(|scene| deploy(scene, "second", HANDLER_TIMEOUT))
        .await?;
    chat.each_heard(&lines, 0).await
}

/// A chat with a peer at each of two listeners of one provider; the component is on two other nodes.
struct Chat {
    scene: Scene,
    peers: Vec<Peer>,
}

fn deploy(scene: &Scene, revision: &str, handler_timeout: Duration) -> anyhow::Result<()> {
    let source = guest("websocket")?;
    let manifest = format!(
        "[app]\nname = \"chat\"\n\n\
         [component.chat]\nsource = {source:?}\nnodes = [\"a\", \"b\"]\n\
         environment = {{ REVISION = {revision:?} }}\n\
         links = {{ \"wrt:websocket\" = {{ default = \"web\", outside = \"outside\" }} }}\n\n\
         [provider.web]\nbackend = \"http-server\"\nnodes = {LISTENERS:?}\n\
         config = {{ address = \"127.0.0.1:0\" }}\n\
         calls = [{{ component = \"chat\", path = \"/chat\", \
         websocket = {{ handler_timeout_ms = {timeout} }} }}]\n\n\
         [provider.outside]\nbackend = \"http-client\"\nnodes = [\"edge\"]\n\
         config = {{ allow = [\"127.0.0.1:*\"] }}\n\
         calls = [{{ component = \"chat\", route = \"others\", \
         websocket = {{ handler_timeout_ms = {timeout} }} }}]\n",
        timeout = handler_timeout.as_millis(),
    );
    let path = scene.cluster.folder().join("chat.toml");
    std::fs::write(&path, manifest)?;
    let path = path.display().to_string();
    tokio::task::block_in_place(|| scene.cluster.wrt(&["up", &path]))?;
    Ok(())
}

impl Chat {
    async fn start(handler_timeout: Duration) -> anyhow::Result<Self> {
        let scene = Scene::start(&NODES).await?;
        deploy(&scene, "first", handler_timeout)?;
        let status = scene.is_ready(&NODES).await?;
        let mut peers = Vec::new();
        for node in LISTENERS {
            let replica = status.replica(node, "provider/chat/web");
            let address = replica.and_then(|replica| replica.address.clone());
            peers.push(Peer::connect(node, &address.context("it listens")?).await?);
        }
        Ok(Self { scene, peers })
    }

    /// The same, and all of them speak. Each hears all that is said.
    async fn of_speakers() -> anyhow::Result<Self> {
        let mut chat = Self::start(HANDLER_TIMEOUT).await?;
        chat.peers.iter_mut().for_each(Peer::speaks);
        Ok(chat)
    }

    /// Does some harm while everybody speaks; how many lines each has said.
    async fn said_during(
        &self,
        harm: impl Fn(&Scene) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<u64>> {
        tokio::time::sleep(BEFORE).await;
        harm(&self.scene)?;
        tokio::time::sleep(AFTERWARDS).await;
        let mut said = Vec::new();
        for peer in &self.peers {
            peer.is_over.store(true, Relaxed);
        }
        for peer in &self.peers {
            said.push(peer.last_line().await?);
        }
        Ok(said)
    }

    /// Waits until each peer has heard the last line of each; and of `said` lines each in its order, and all
    /// but `lost_max`.
    async fn each_heard(&self, said: &[u64], lost_max: u64) -> anyhow::Result<()> {
        for (of, count) in LISTENERS.iter().zip(said) {
            anyhow::ensure!(*count > 50, "{of} has said {count} lines");
            for (at, peer) in LISTENERS.iter().zip(&self.peers) {
                let last = format!("{of} {}", count - 1);
                peer.hears(&last)
                    .await
                    .with_context(|| format!("{at} of {of}"))?;
                let heard = peer.heard_of(of);
                let in_order = heard.is_sorted_by(|one, next| one < next);
                anyhow::ensure!(in_order, "{at} has heard of {of}: {heard:?}");
                let lost = count - heard.len() as u64;
                println!("{at} has heard of {of} all but {lost} of {count} lines");
                anyhow::ensure!(lost <= lost_max, "{at} has heard of {of}: {heard:?}");
            }
        }
        Ok(())
    }

    /// The end of a listener's node is told to its peers, and by the component to the others.
    async fn ends_with_1012(&self, node: &str, peer: usize) -> anyhow::Result<()> {
        self.scene
            .cluster
            .terminate_node(node, HEARD_WITHIN)
            .await?;
        self.peers[peer].hears_end("1012").await?;
        let other = &self.peers[1 - peer];
        other.hears("* somebody left (1012)").await?;
        let end = other.heard.lock().end.clone();
        anyhow::ensure!(end.is_none(), "the other one is closed: {end:?}");
        Ok(())
    }
}
