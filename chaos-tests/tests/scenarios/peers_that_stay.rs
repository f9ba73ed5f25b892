//! Peers of websockets, while the node of the component that answers them is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::{SinkExt, StreamExt, stream::SplitSink};
use parking_lot::Mutex;
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use wrt_chaos_tests::{Scene, guest};

const LISTENERS: [&str; 2] = ["edge", "far"];
/// Each peer says so often a line that all of them get.
const PACE: Duration = Duration::from_millis(50);
const BEFORE: Duration = Duration::from_millis(1500);
const AFTERWARDS: Duration = Duration::from_secs(4);
/// Longer than a handler may take: what a node had begun when it was stopped, it does not end.
const PAUSE: Duration = Duration::from_secs(5);
const HANDLER_TIMEOUT: Duration = Duration::from_secs(2);
/// The rest is for a busy machine.
const HEARD_WITHIN: Duration = Duration::from_secs(30);

/// Every line that a peer has said before and after comes to each peer, once and in its order, but for the
/// one that was in hand when the node was killed; and no peer is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed() -> anyhow::Result<()> {
    let chat = Chat::start().await?;
    let lines = chat
        .said_during(|scene| Ok(scene.cluster.kill_node("a")?))
        .await?;
    chat.each_heard(&lines, 1).await?;
    chat.ends_with_1012("edge", 0).await
}

/// The same when it stands still, and goes on later.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped() -> anyhow::Result<()> {
    let chat = Chat::start().await?;
    let paused = Instant::now() + BEFORE;
    let lines = chat
        .said_during(|scene| Ok(scene.cluster.pause_node("a")?))
        .await?;
    tokio::time::sleep_until((paused + PAUSE).into()).await;
    chat.scene.cluster.resume_node("a")?;
    chat.scene.is_ready(&["edge", "far", "a", "b"]).await?;
    chat.each_heard(&lines, 1).await
}

/// When the component is deployed anew, nothing is lost at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deployed_anew() -> anyhow::Result<()> {
    let chat = Chat::start().await?;
    let lines = chat.said_during(|scene| deploy(scene, "second")).await?;
    chat.each_heard(&lines, 0).await
}

/// A chat with a peer at each of two listeners of one provider; the component is on two other nodes.
struct Chat {
    scene: Scene,
    peers: Vec<Peer>,
}

/// One that says numbered lines until it is told to stop, and notes what it hears.
struct Peer {
    name: &'static str,
    heard: Arc<Mutex<Heard>>,
    is_over: Arc<AtomicBool>,
    says: Mutex<Option<Says>>,
    /// Dropped, it would be a peer that has left.
    says_on: Mutex<Option<Say>>,
    _hears: AbortOnDrop,
}

type Say = SplitSink<WebSocketStream<TcpStream>, Message>;
/// How many lines, and with what.
type Says = JoinHandle<anyhow::Result<(u64, Say)>>;

#[derive(Debug, Default)]
struct Heard {
    lines: Vec<String>,
    end: Option<String>,
}

fn deploy(scene: &Scene, revision: &str) -> anyhow::Result<()> {
    let source = guest("websocket")?;
    let manifest = format!(
        "[app]\nname = \"chat\"\n\n\
         [component.chat]\nsource = {source:?}\nnodes = [\"a\", \"b\"]\n\
         environment = {{ REVISION = {revision:?} }}\n\
         links = {{ \"wrt:websocket\" = \"web\" }}\n\n\
         [provider.web]\nbackend = \"http-server\"\nnodes = {LISTENERS:?}\n\
         config = {{ address = \"127.0.0.1:0\" }}\n\
         calls = [{{ component = \"chat\", path = \"/chat\", \
         websocket = {{ handler_timeout_ms = {timeout} }} }}]\n",
        timeout = HANDLER_TIMEOUT.as_millis(),
    );
    let path = scene.cluster.folder().join("chat.toml");
    std::fs::write(&path, manifest)?;
    let path = path.display().to_string();
    tokio::task::block_in_place(|| scene.cluster.wrt(&["up", &path]))?;
    Ok(())
}

impl Chat {
    async fn start() -> anyhow::Result<Self> {
        let scene = Scene::start(&["edge", "far", "a", "b"]).await?;
        deploy(&scene, "first")?;
        let mut peers = Vec::new();
        for node in LISTENERS {
            let status = scene.is_ready(&["edge", "far", "a", "b"]).await?;
            let replica = status.replica(node, "provider/chat/web");
            let address = replica.and_then(|replica| replica.address.clone());
            peers.push(Peer::connect(node, &address.context("it listens")?).await?);
        }
        // Each hears all that is said.
        for peer in &mut peers {
            peer.speaks();
        }
        Ok(Self { scene, peers })
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

impl Peer {
    async fn connect(name: &'static str, address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let (socket, _) = client_async(format!("ws://{address}/chat"), stream).await?;
        let (say, mut hear) = socket.split();
        let heard = Arc::<Mutex<Heard>>::default();
        let notes = Arc::clone(&heard);
        let hears = tokio::spawn(async move {
            loop {
                let next = hear.next().await;
                let mut heard = notes.lock();
                match next {
                    Some(Ok(Message::Text(line))) => heard.lines.push(line.to_string()),
                    Some(Ok(Message::Close(frame))) => {
                        let code = frame.map(|frame| u16::from(frame.code).to_string());
                        heard.end = code.or_else(|| Some("no code".to_owned()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        heard.end.get_or_insert(error.to_string());
                    }
                    None => return,
                }
            }
        });
        Ok(Self {
            heard,
            is_over: Arc::default(),
            name,
            says: Mutex::default(),
            says_on: Mutex::new(Some(say)),
            _hears: AbortOnDrop(hears),
        })
    }

    fn speaks(&mut self) {
        let Some(mut say) = self.says_on.lock().take() else {
            return;
        };
        let (name, is_told) = (self.name, Arc::clone(&self.is_over));
        let says = tokio::spawn(async move {
            let mut count = 0;
            while !is_told.load(Relaxed) {
                say.send(Message::text(format!("{name} {count}"))).await?;
                count += 1;
                tokio::time::sleep(PACE).await;
            }
            Ok((count, say))
        });
        *self.says.lock() = Some(says);
    }

    /// How many lines it has said, now that it says no more. It stays.
    async fn last_line(&self) -> anyhow::Result<u64> {
        let says = self.says.lock().take().context("it was asked before")?;
        let (count, say) = says.await??;
        *self.says_on.lock() = Some(say);
        Ok(count)
    }

    fn heard_of(&self, name: &str) -> Vec<u64> {
        let heard = self.heard.lock();
        let of_it = heard.lines.iter().filter_map(|line| line.split_once(' '));
        let of_it = of_it.filter(|(of, _)| *of == name);
        of_it
            .filter_map(|(_, number)| number.parse().ok())
            .collect()
    }

    async fn hears(&self, line: &str) -> anyhow::Result<()> {
        self.until(line, |heard| heard.lines.iter().any(|it| it == line))
            .await
    }

    async fn hears_end(&self, code: &str) -> anyhow::Result<()> {
        self.until(code, |heard| heard.end.as_deref() == Some(code))
            .await
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Heard) -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !is_so(&self.heard.lock()) {
            let late = began.elapsed() > HEARD_WITHIN;
            anyhow::ensure!(!late, "{what:?} was not heard: {:?}", self.heard.lock());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
