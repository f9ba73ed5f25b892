//! The node that has a peer's socket is lost, while components on other nodes send to that peer.

use std::time::{Duration, Instant};

use super::{
    Chat, NODES, PAUSE,
    peer::{HEARD_WITHIN, Peer},
};

/// How soon whoever sends is told what became of it: a node is taken for dead after two seconds, and the rest
/// is for a busy machine.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
/// Longer than that.
pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(10);
const BETWEEN_LINES: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped() -> anyhow::Result<()> {
    Sender::start().await?.endures_a_stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed() -> anyhow::Result<()> {
    Sender::start().await?.endures_a_kill().await.map(drop)
}

fn is_unknown_or_unsent(became: &str) -> bool {
    ["not sent", "maybe sent"].contains(&became)
}

/// A peer at another listener, which sends numbered lines to the one whose node is lost.
pub struct Sender {
    pub chat: Chat,
    /// The one whose node is lost, as components know it.
    to: String,
    /// The same at its own end, if it is not the first of the chat.
    got: Option<Peer>,
    /// What became of each line.
    became: Vec<String>,
    lines_to_all: usize,
}

impl Sender {
    async fn start() -> anyhow::Result<Self> {
        let chat = Chat::start(HANDLER_TIMEOUT).await?;
        chat.peers[0].says("/whoami").await?;
        let to = chat.peers[0].hears_after("* default/").await?;
        Ok(Self::to(chat, format!("default/{to}"), None))
    }

    /// To a peer of the lost node, which is `got` or else the first of the chat.
    pub fn to(chat: Chat, to: String, got: Option<Peer>) -> Self {
        Self {
            chat,
            to,
            got,
            became: Vec::new(),
            lines_to_all: 0,
        }
    }

    pub fn got(&self) -> &Peer {
        self.got.as_ref().unwrap_or(&self.chat.peers[0])
    }

    /// While the node stands still, whoever sends to its peer is told each time, and soon, that it was not sent,
    /// or may have been; never that it is queued, and never that the peer is gone, since it is not. Peers
    /// elsewhere chat on. When the node goes on its peer is there: it gets what is sent from then on, got all
    /// that was queued before, and nothing that was not sent.
    pub async fn endures_a_stop(mut self) -> anyhow::Result<Self> {
        self.reaches_its_peer().await?;
        self.chat.scene.cluster.pause_node("edge")?;
        let paused = Instant::now();
        while paused.elapsed() < PAUSE {
            let became = self.sends().await?;
            anyhow::ensure!(
                is_unknown_or_unsent(&became),
                "{became}: of a node that stands still"
            );
        }
        let to_all = self.sends_to_all().await?;
        anyhow::ensure!(to_all == "1 queued, 0 gone, 1 unanswered", "{to_all}");
        self.chat.scene.cluster.resume_node("edge")?;
        self.reaches_its_peer().await?;
        self.has_told_the_truth().await?;
        let to_all = self.sends_to_all().await?;
        anyhow::ensure!(to_all == "2 queued, 0 gone, 0 unanswered", "{to_all}");
        let peers = self.chat.peers.iter().chain(&self.got);
        let mut ends = peers.filter_map(|peer| peer.heard.lock().end.clone());
        let end = ends.next();
        anyhow::ensure!(end.is_none(), "a peer was closed: {end:?}");
        drop(ends);
        Ok(self)
    }

    /// When it is killed it is the same, until the node has started anew: then the peer is gone.
    pub async fn endures_a_kill(mut self) -> anyhow::Result<Self> {
        self.reaches_its_peer().await?;
        self.chat.scene.cluster.kill_node("edge")?;
        let killed = Instant::now();
        while killed.elapsed() < PAUSE {
            let became = self.sends().await?;
            anyhow::ensure!(
                is_unknown_or_unsent(&became),
                "{became}: of a node that is killed"
            );
        }
        let to_all = self.sends_to_all().await?;
        anyhow::ensure!(to_all == "1 queued, 0 gone, 1 unanswered", "{to_all}");
        self.chat.scene.cluster.start_node("edge")?;
        self.chat.scene.is_ready(&NODES).await?;
        self.sends_until("gone").await?;
        let to_all = self.sends_to_all().await?;
        anyhow::ensure!(to_all == "1 queued, 0 gone, 0 unanswered", "{to_all}");
        self.has_told_the_truth().await?;
        let end = self.chat.peers[1].heard.lock().end.clone();
        anyhow::ensure!(end.is_none(), "the other one is closed: {end:?}");
        Ok(self)
    }

    /// Says something, and waits for what became of it.
    async fn asks(&self, asked: &str, line: &str) -> anyhow::Result<String> {
        let began = Instant::now();
        let sender = &self.chat.peers[1];
        sender.says(asked).await?;
        let became = sender.hears_after(&format!("* {line}: ")).await?;
        let took = began.elapsed();
        anyhow::ensure!(took < TOLD_WITHIN, "{line}: {became}, after {took:?}");
        println!("{line}: {became}, after {took:?}");
        tokio::time::sleep(BETWEEN_LINES).await;
        Ok(became)
    }

    /// Sends one more line; what became of it.
    async fn sends(&mut self) -> anyhow::Result<String> {
        let line = format!("line {}", self.became.len());
        let became = self.asks(&format!("/to {} {line}", self.to), &line).await?;
        self.became.push(became.clone());
        Ok(became)
    }

    pub async fn sends_until(&mut self, expected: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.sends().await? != expected {
            let took = began.elapsed();
            anyhow::ensure!(
                took < HEARD_WITHIN,
                "not {expected} for {took:?}: {:?}",
                self.became
            );
        }
        Ok(())
    }

    pub async fn reaches_its_peer(&mut self) -> anyhow::Result<()> {
        self.sends_until("queued").await?;
        let line = format!("line {}", self.became.len() - 1);
        self.got().hears(&line).await
    }

    async fn sends_to_all(&mut self) -> anyhow::Result<String> {
        self.lines_to_all += 1;
        let line = format!("for all {}", self.lines_to_all);
        self.asks(&format!("/all {line}"), &line).await
    }

    /// The one who was sent to got what was said to be queued, in its order, and nothing that was said not to
    /// have been sent.
    async fn has_told_the_truth(&self) -> anyhow::Result<()> {
        let heard = self.got().heard_of("line");
        anyhow::ensure!(heard.is_sorted_by(|one, next| one < next), "{heard:?}");
        for (number, became) in (0..).zip(&self.became) {
            let is_true = match became.as_str() {
                "queued" => heard.contains(&number),
                "maybe sent" => true,
                _ => !heard.contains(&number),
            };
            anyhow::ensure!(
                is_true,
                "line {number} was {became}, and this was heard: {heard:?}"
            );
        }
        Ok(())
    }
}
