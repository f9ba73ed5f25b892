//! A peer of the chat, at its own end.

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

/// Each peer says so often a line that all of them get.
const PACE: Duration = Duration::from_millis(50);
/// Within this it hears what it waits for. Most of it is for a busy machine.
pub const HEARD_WITHIN: Duration = Duration::from_secs(30);

/// One that says numbered lines until it is told to stop, and notes what it hears.
pub struct Peer {
    name: &'static str,
    pub heard: Arc<Mutex<Heard>>,
    pub is_over: Arc<AtomicBool>,
    says: Mutex<Option<Says>>,
    /// Dropped, it would be a peer that has left.
    says_on: Mutex<Option<Say>>,
    _hears: AbortOnDrop,
}

type Say = SplitSink<WebSocketStream<TcpStream>, Message>;
/// How many lines, and with what.
type Says = JoinHandle<anyhow::Result<(u64, Say)>>;

#[derive(Debug, Default)]
pub struct Heard {
    pub lines: Vec<String>,
    pub end: Option<String>,
}

impl Peer {
    pub async fn connect(name: &'static str, address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let (socket, _) = client_async(format!("ws://{address}/chat"), stream).await?;
        Ok(Self::of(name, socket))
    }

    /// The one who has connected to us.
    pub fn of(name: &'static str, socket: WebSocketStream<TcpStream>) -> Self {
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
        Self {
            heard,
            is_over: Arc::default(),
            name,
            says: Mutex::default(),
            says_on: Mutex::new(Some(say)),
            _hears: AbortOnDrop(hears),
        }
    }

    pub fn speaks(&mut self) {
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
    pub async fn last_line(&self) -> anyhow::Result<u64> {
        let says = self.says.lock().take().context("it was asked before")?;
        let (count, say) = says.await??;
        *self.says_on.lock() = Some(say);
        Ok(count)
    }

    pub fn heard_of(&self, name: &str) -> Vec<u64> {
        let heard = self.heard.lock();
        let of_it = heard.lines.iter().filter_map(|line| line.split_once(' '));
        let of_it = of_it.filter(|(of, _)| *of == name);
        of_it
            .filter_map(|(_, number)| number.parse().ok())
            .collect()
    }

    /// Says one line.
    pub async fn says(&self, line: &str) -> anyhow::Result<()> {
        let mut say = self.says_on.lock().take().context("it speaks already")?;
        say.send(Message::text(line)).await?;
        *self.says_on.lock() = Some(say);
        Ok(())
    }

    /// What follows `start` in the first line that begins so.
    pub async fn hears_after(&self, start: &str) -> anyhow::Result<String> {
        let mut found = None;
        self.until(start, |heard| {
            let mut rest = heard
                .lines
                .iter()
                .filter_map(|line| line.strip_prefix(start));
            found = rest.next().map(str::to_owned);
            found.is_some()
        })
        .await?;
        found.context("it was heard")
    }

    pub async fn hears(&self, line: &str) -> anyhow::Result<()> {
        self.until(line, |heard| heard.lines.iter().any(|it| it == line))
            .await
    }

    pub async fn hears_end(&self, code: &str) -> anyhow::Result<()> {
        self.until(code, |heard| heard.end.as_deref() == Some(code))
            .await
    }

    async fn until(&self, what: &str, mut is_so: impl FnMut(&Heard) -> bool) -> anyhow::Result<()> {
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
