//! A peer that the component has connected to, while the node that has opened its connection is lost. To who sends
//! it is all as with a peer that has come in; beyond that, the server at the other end.

use std::time::Duration;

use anyhow::Context as _;
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::accept_async;

use super::{
    Chat, HANDLER_TIMEOUT,
    listener::{HANDLER_TIMEOUT as LONG_TIMEOUT, Sender},
    peer::{HEARD_WITHIN, Peer},
};

/// The server that is connected to hears the end of a connection whose node is killed, and is connected to again
/// when the component says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed() -> anyhow::Result<()> {
    let other = Other::start().await?;
    let chat = Chat::start(LONG_TIMEOUT).await?;
    let (id, got) = other.is_joined(&chat).await?;
    let sender = Sender::to(chat, id, Some(got)).endures_a_kill().await?;
    let end = sender.got().heard.lock().end.clone();
    end.context("the server knows that the connection is gone")?;
    let (id, got) = other.is_joined(&sender.chat).await?;
    got.says("* hello again").await?;
    sender.chat.peers[1].hears("* hello again").await?;
    Sender::to(sender.chat, id, Some(got))
        .reaches_its_peer()
        .await
}

/// A connection outlives a pause of its node, both ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped() -> anyhow::Result<()> {
    let other = Other::start().await?;
    let chat = Chat::start(LONG_TIMEOUT).await?;
    let (id, got) = other.is_joined(&chat).await?;
    let sender = Sender::to(chat, id, Some(got)).endures_a_stop().await?;
    sender.got().says("* still there").await?;
    for peer in &sender.chat.peers {
        peer.hears("* still there").await?;
    }
    Ok(())
}

/// What the server says comes to the component, each line once and in its order, but for the one that was in hand
/// when a node of the component was killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn its_handler_killed() -> anyhow::Result<()> {
    let other = Other::start().await?;
    let chat = Chat::start(HANDLER_TIMEOUT).await?;
    let (_, mut got) = other.is_joined(&chat).await?;
    got.speaks();
    tokio::time::sleep(super::BEFORE).await;
    chat.scene.cluster.kill_node("a")?;
    tokio::time::sleep(super::AFTERWARDS).await;
    got.is_over
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let said = got.last_line().await?;
    anyhow::ensure!(said > 50, "it has said {said} lines");
    for peer in &chat.peers {
        peer.hears(&format!("outside {}", said - 1)).await?;
        let heard = peer.heard_of("outside");
        anyhow::ensure!(heard.is_sorted_by(|one, next| one < next), "{heard:?}");
        let lost = said - heard.len() as u64;
        println!("heard all but {lost} of {said} lines");
        anyhow::ensure!(lost <= 1, "{heard:?}");
    }
    let end = got.heard.lock().end.clone();
    anyhow::ensure!(end.is_none(), "it was closed: {end:?}");
    Ok(())
}

/// A node that stops closes what it has opened, and tells the component; those who have come in stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn drained() -> anyhow::Result<()> {
    let other = Other::start().await?;
    let chat = Chat::start(HANDLER_TIMEOUT).await?;
    let (_, got) = other.is_joined(&chat).await?;
    let cluster = &chat.scene.cluster;
    cluster.terminate_node("edge", HEARD_WITHIN).await?;
    got.hears_end("1012").await?;
    // Both peers of that node: the one that had come in, and the one that was connected to.
    let ends = || {
        let heard = chat.peers[1].heard.lock();
        let ends = heard.lines.iter();
        ends.filter(|line| *line == "* somebody left (1012)")
            .count()
    };
    let told = async {
        while ends() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(HEARD_WITHIN, told)
        .await
        .with_context(|| format!("told of {} ends", ends()))
}

/// Another chat, for our own to join.
struct Other(TcpListener);

impl Other {
    async fn start() -> anyhow::Result<Self> {
        Ok(Self(TcpListener::bind("127.0.0.1:0").await?))
    }

    /// Has a peer say that the chat joins it: what the component knows the connection by, and its other end.
    async fn is_joined(&self, chat: &Chat) -> anyhow::Result<(String, Peer)> {
        let asking = &chat.peers[1];
        asking.heard.lock().lines.clear();
        let url = format!("ws://{}/", self.0.local_addr()?);
        asking.says(&format!("/join {url}")).await?;
        let accepted = async {
            let (stream, _) = self.0.accept().await?;
            anyhow::Ok(accept_async(stream).await?)
        };
        let socket = timeout(HEARD_WITHIN, accepted).await??;
        let id = asking.hears_after("* joined ").await?;
        anyhow::ensure!(id.starts_with("outside/edge/"), "{id}");
        Ok((id, Peer::of("outside", socket)))
    }
}
