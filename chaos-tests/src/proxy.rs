//! A cable between a node and the bus, that can be cut, and be long or narrow.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::Instant,
};

/// Bytes that are under way in each direction of a connection: a slow one takes so many in each delay.
const BUFFER_BYTES: usize = 64 * 1024;

/// What goes over a narrow cable at a time, before it is the turn of another connection.
const PIECE_BYTES: usize = 8 * 1024;

/// How late a piece may be sent without that being lost for the next one: timers are not exact.
const SLACK: Duration = Duration::from_millis(5);

/// How long and how narrow a cable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Line {
    delay: Duration,
    /// In each direction, for all connections together; none is no limit.
    bytes_per_second: Option<u32>,
}

/// When a direction of the cable is free for another piece.
type FreeAt = Arc<Mutex<Instant>>;

/// What the cable does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It forwards.
    Whole(Line),
    /// Connections stay open and nothing moves: what a dead switch on the way looks like.
    Stalled,
    /// Connections are reset, and new ones too: what a dead server looks like.
    Cut,
}

/// Forwards TCP connections to one port, until it is told not to. Ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    listening: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Proxy {
    /// Listens on a free loopback port, in front of `port`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(State::Whole(Line::default())));
        let listening = tokio::spawn(listen(listener, port, Arc::clone(&state))).abort_handle();
        Ok(Self {
            address,
            state,
            listening,
        })
    }

    /// The URL of a NATS server behind it.
    pub fn nats_url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Ends every connection, and each new one at once.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Forwards nothing more. Connections stay open, and new ones open too.
    pub fn stall(&self) {
        self.state.send_replace(State::Stalled);
    }

    /// Forwards again, what was held up first.
    pub fn heal(&self) {
        self.slow_down(Duration::ZERO);
    }

    /// Forwards each piece after `delay`, in each direction.
    pub fn slow_down(&self, delay: Duration) {
        self.forwards(Line {
            delay,
            bytes_per_second: None,
        });
    }

    /// The same, and no more than so many bytes a second in each direction, of all connections together,
    /// which take turns.
    pub fn narrow(&self, delay: Duration, bytes_per_second: u32) {
        self.forwards(Line {
            delay,
            bytes_per_second: Some(bytes_per_second),
        });
    }

    fn forwards(&self, line: Line) {
        self.state.send_replace(State::Whole(line));
    }
}

async fn listen(listener: TcpListener, port: u16, state: Arc<watch::Sender<State>>) {
    let mut cables = JoinSet::new();
    let (there, back) = (free_now(), free_now());
    loop {
        while cables.try_join_next().is_some() {}
        // Out of descriptors, for instance: the client sees a connection that does not open.
        let Ok((near, _)) = listener.accept().await else {
            continue;
        };
        let state = state.subscribe();
        let (there, back) = (Arc::clone(&there), Arc::clone(&back));
        // A connection that is reset shows at both ends as what it is.
        cables.spawn(async move { drop(cable(near, port, state, there, back).await) });
    }
}

fn free_now() -> FreeAt {
    Arc::new(Mutex::new(Instant::now()))
}

async fn cable(
    near: TcpStream,
    port: u16,
    mut state: watch::Receiver<State>,
    there: FreeAt,
    back: FreeAt,
) -> io::Result<()> {
    let is_cut = |state: &State| *state == State::Cut;
    let mut held = state.clone();
    // Dropping both ends is the cut; the linger makes it a reset and not an end.
    near.set_zero_linger()?;
    let work = async {
        whole(&mut held).await?;
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        tokio::select! {
            ended = forward(near_in, far_out, held.clone(), there) => ended,
            ended = forward(far_in, near_out, held.clone(), back) => ended,
        }
    };
    tokio::select! {
        biased;
        _ = state.wait_for(is_cut) => Ok(()),
        ended = work => ended,
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    free_at: FreeAt,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        // What has been read while the cable was stalled waits here, and the sender behind it.
        let line = whole(&mut state).await?;
        tokio::time::sleep(line.delay).await;
        for piece in buffer[..count].chunks(PIECE_BYTES) {
            let line = whole(&mut state).await?;
            if let Some(bytes_per_second) = line.bytes_per_second {
                let takes = Duration::from_secs(1) * u32::try_from(piece.len()).unwrap_or(u32::MAX)
                    / bytes_per_second;
                tokio::time::sleep_until(takes_up(&free_at, takes)).await;
            }
            to.write_all(piece).await?;
        }
    }
}

/// Takes a direction up for so long as soon as it is free, and answers when that is over.
fn takes_up(free_at: &FreeAt, how_long: Duration) -> Instant {
    let mut free_at = free_at.lock();
    let now = Instant::now();
    *free_at = (*free_at).max(now.checked_sub(SLACK).unwrap_or(now)) + how_long;
    *free_at
}

/// How long and narrow the cable is, once it is whole.
async fn whole(state: &mut watch::Receiver<State>) -> io::Result<Line> {
    let whole = state.wait_for(|state| matches!(state, State::Whole(_)));
    match *whole.await.map_err(io::Error::other)? {
        State::Whole(line) => Ok(line),
        State::Stalled | State::Cut => unreachable!("it was waited for"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// A server that sends everything back, and a cable to it.
    async fn echo_behind_proxy() -> (Proxy, JoinSet<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                open.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    drop(tokio::io::copy(&mut from, &mut to).await);
                });
            }
        });
        (Proxy::start(port).await.unwrap(), server)
    }

    async fn there_and_back(stream: &mut TcpStream) -> io::Result<u8> {
        stream.write_all(b"x").await?;
        tokio::time::timeout(SOON, stream.read_u8()).await?
    }

    #[tokio::test]
    async fn a_cut_ends_connections_old_and_new_until_it_is_healed() {
        let (proxy, _server) = echo_behind_proxy().await;
        let mut before = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(there_and_back(&mut before).await.unwrap(), b'x');
        proxy.cut();
        let reset = tokio::time::timeout(SOON, before.read_u8()).await.unwrap();
        assert!(reset.is_err());
        let mut during = TcpStream::connect(proxy.address).await.unwrap();
        assert!(there_and_back(&mut during).await.is_err());
        proxy.heal();
        let mut after = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(there_and_back(&mut after).await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn a_slow_one_takes_its_time_in_both_directions() {
        let (proxy, _server) = echo_behind_proxy().await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let delay = Duration::from_millis(30);
        proxy.slow_down(delay);
        let began = Instant::now();
        assert_eq!(there_and_back(&mut stream).await.unwrap(), b'x');
        assert!(began.elapsed() >= delay * 2, "{:?}", began.elapsed());
    }

    /// Two connections have it together.
    #[tokio::test]
    async fn a_narrow_one_is_shared() {
        const BYTES: usize = 200_000;
        let (proxy, _server) = echo_behind_proxy().await;
        proxy.narrow(Duration::ZERO, 1_000_000);
        let began = Instant::now();
        let exchange = async || {
            let stream = TcpStream::connect(proxy.address).await.unwrap();
            let (mut from, mut to) = stream.into_split();
            let sent = tokio::spawn(async move { to.write_all(&[7; BYTES]).await.map(|()| to) });
            let mut back = vec![0; BYTES];
            from.read_exact(&mut back).await.unwrap();
            sent.await.unwrap().unwrap();
            (back == [7; BYTES], began.elapsed())
        };
        let (one, other) = tokio::join!(exchange(), exchange());
        assert!(one.0 && other.0);
        let took = [one.1, other.1];
        assert!(
            took.iter().all(|it| *it >= Duration::from_millis(300)),
            "{took:?}"
        );
        assert!(
            took.iter().max() >= Some(&Duration::from_millis(390)),
            "{took:?}"
        );
    }

    #[tokio::test]
    async fn a_stall_holds_bytes_up_and_loses_none() {
        let (proxy, _server) = echo_behind_proxy().await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(there_and_back(&mut stream).await.unwrap(), b'x');
        proxy.stall();
        stream.write_all(b"y").await.unwrap();
        let nothing = tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        proxy.heal();
        let held_up = tokio::time::timeout(SOON, stream.read_u8()).await.unwrap();
        assert_eq!(held_up.unwrap(), b'y');
    }
}
