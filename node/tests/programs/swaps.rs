//! Requests that go on while the component that answers them is swapped.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::{StreamExt as _, channel::mpsc, stream};
use http::Request;
use http_body_util::{BodyExt, Empty, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Bytes, Frame},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, runtime::Runtime, task::JoinSet, time};

use super::client::Version;

const WITHIN: Duration = Duration::from_secs(60);

/// A body of so many pieces takes longer than a swap.
const PIECES: usize = 10;
const PIECE: &[u8] = &[b'x'; 10_000];
const PIECE_PAUSE: Duration = Duration::from_millis(20);

type Body = BoxBody<Bytes, Infallible>;

/// A connection that is kept.
enum Connection {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Connection {
    async fn open(version: Version, address: &str) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        match version {
            Version::Http1 => {
                let (sender, connection) = http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                Self::Http1(sender)
            }
            Version::Http2 => {
                let handshake = http2::handshake(TokioExecutor::new(), io);
                let (sender, connection) = handshake.await.unwrap();
                tokio::spawn(connection);
                Self::Http2(sender)
            }
        }
    }

    /// One request; its whole answer, which is a good one.
    async fn ask(&mut self, address: &str, method: &str, path: &str, body: Body) -> Bytes {
        let request = Request::builder().method(method);
        let response = match self {
            Self::Http1(sender) => {
                let request = request.uri(path).header("host", address).body(body);
                sender.ready().await.unwrap();
                sender.send_request(request.unwrap()).await
            }
            Self::Http2(sender) => {
                let request = request.uri(format!("http://{address}{path}")).body(body);
                sender.send_request(request.unwrap()).await
            }
        };
        let response = response.expect("an answer");
        let status = response.status();
        let whole = response.into_body().collect().await;
        let bytes = whole.expect("all of it").to_bytes();
        assert_eq!(status, 200, "{method} {path}: {bytes:?}");
        bytes
    }
}

/// Clients that ask without a pause, over both versions of HTTP, with and without bodies, on kept connections and on
/// new ones.
pub struct Clients {
    runtime: Runtime,
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stops: AtomicBool,
    answered: [AtomicU32; 6],
    heard: Mutex<BTreeSet<String>>,
}

impl Clients {
    pub fn start(address: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let shared = Arc::<Shared>::default();
        let mut tasks = JoinSet::new();
        for kind in 0..shared.answered.len() {
            let (address, shared) = (address.to_owned(), Arc::clone(&shared));
            tasks.spawn_on(client(kind, address, shared), runtime.handle());
        }
        Self {
            runtime,
            tasks,
            shared,
        }
    }

    /// How many requests of each kind were answered.
    pub fn answered(&self) -> Vec<u32> {
        let answered = self.shared.answered.iter();
        answered.map(|count| count.load(Relaxed)).collect()
    }

    pub fn have_gone_on_since(&self, before: &[u32]) -> bool {
        self.answered()
            .iter()
            .zip(before)
            .all(|(now, before)| now > before)
    }

    /// Stops them; none may have failed. What they were told.
    pub fn stop(mut self) -> BTreeSet<String> {
        self.shared.stops.store(true, Relaxed);
        self.runtime.block_on(async {
            while let Some(ended) = time::timeout(WITHIN, self.tasks.join_next()).await.unwrap() {
                ended.expect("no request has failed");
            }
        });
        self.shared.heard.lock().unwrap().clone()
    }
}

async fn client(kind: usize, address: String, shared: Arc<Shared>) {
    let version = [Version::Http1, Version::Http2][kind % 2];
    let (streams, is_new_each_time) = (kind / 2 == 1, kind / 2 == 2);
    let mut kept = Connection::open(version, &address).await;
    while !shared.stops.load(Relaxed) {
        if is_new_each_time {
            kept = Connection::open(version, &address).await;
        }
        if streams {
            let answer = kept.ask(&address, "POST", "/echo", slow_body());
            let echo = time::timeout(WITHIN, answer).await.expect("in time");
            assert_eq!(echo, PIECE.repeat(PIECES));
        } else {
            let answer = kept.ask(&address, "GET", "/", Empty::new().boxed());
            let text = time::timeout(WITHIN, answer).await.expect("in time");
            let text = String::from_utf8(text.to_vec()).unwrap();
            let word = text.trim().strip_prefix("Hello from ").expect("a greeting");
            shared.heard.lock().unwrap().insert(word.to_owned());
        }
        shared.answered[kind].fetch_add(1, Relaxed);
    }
}

fn slow_body() -> Body {
    let pieces = stream::iter(0..PIECES).then(|_| async {
        time::sleep(PIECE_PAUSE).await;
        Ok(Frame::data(Bytes::from_static(PIECE)))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}

/// A request whose body has begun, and does not end by itself.
pub struct Begun {
    runtime: Runtime,
    body: mpsc::Sender<Result<Frame<Bytes>, Infallible>>,
    answer: tokio::task::JoinHandle<Bytes>,
}

impl Begun {
    pub fn start(address: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let (mut body, pieces) = mpsc::channel(1);
        body.try_send(piece()).unwrap();
        let address = address.to_owned();
        let (arrived, arrives) = tokio::sync::oneshot::channel();
        let answer = runtime.spawn(async move {
            let mut connection = Connection::open(Version::Http1, &address).await;
            let Connection::Http1(sender) = &mut connection else {
                unreachable!("it was asked for");
            };
            let request = Request::post("/echo").header("host", &address);
            let request = request
                .body(BodyExt::boxed(StreamBody::new(pieces)))
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            let mut answer = response.into_body();
            let first = answer.frame().await.unwrap().unwrap().into_data().unwrap();
            arrived.send(()).unwrap();
            let rest = answer.collect().await.expect("all of it").to_bytes();
            [first, rest].concat().into()
        });
        // The component has it in hand: it has sent some of it back.
        runtime.block_on(arrives).unwrap();
        Self {
            runtime,
            body,
            answer,
        }
    }

    pub fn finish(mut self) {
        self.body.try_send(piece()).unwrap();
        self.body.close_channel();
        let answer = self.answer;
        let answer = self
            .runtime
            .block_on(async { time::timeout(WITHIN, answer).await });
        assert_eq!(answer.unwrap().unwrap(), PIECE.repeat(2));
    }
}

fn piece() -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(Bytes::from_static(PIECE)))
}
