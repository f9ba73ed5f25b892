//! A server of websockets, a client that connects to it, and who handles what comes.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use tokio::{net::TcpStream, sync::mpsc, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::handshake::server::{ErrorResponse, Request, Response},
};
use wrt_contract::{CallContext, Gate, GateLimits, Lease, LocalDirectory, Offer};
use wrt_http_client::{ConnectRoute, HttpClientConfig, HyperClient};
use wrt_protocol::{ActorAddress, FaultKind};
use wrt_runtime::{LatticeState, Server as _, Serving, Target};
use wrt_test_kit::{UnreachableCaller, name};
use wrt_websocket::{
    Answer, Closing, Connected, Connecting, Kind, Opening, PeerHandler, PeerHandlerInterface,
    PeerId, PeerOptions, Peers, WebSocketError, conformance::ROUTES,
};

use crate::{
    server::{Server, accept},
    support::{config, until},
};

pub const WITHIN: Duration = Duration::from_secs(10);

/// A client that serves, a server to connect to, and what the handler was told.
pub struct World {
    pub client: Arc<HyperClient>,
    pub serving: Option<Box<dyn Serving>>,
    pub peers: Arc<dyn Peers>,
    pub recorder: Arc<Recorder>,
    pub server: Server,
    accepted: mpsc::Receiver<Accepted>,
}

/// A connection at the server's end: the path and the header that it was asked for with.
pub struct Accepted {
    pub asked: (String, HeaderMap),
    pub socket: WebSocketStream<TcpStream>,
}

/// What a connection to there is asked for with.
pub fn to(url: &str) -> Connecting {
    Connecting {
        link: "out".to_owned(),
        route: "default".to_owned(),
        url: url.to_owned(),
        ..Connecting::default()
    }
}

impl World {
    pub async fn new() -> Self {
        Self::of(config(), PeerOptions::default()).await
    }

    pub async fn of(config: HttpClientConfig, options: PeerOptions) -> Self {
        let client = Arc::new(HyperClient::new(config).await.unwrap());
        let recorder = Arc::<Recorder>::default();
        let _first = recorder.peers.set(client.peers());
        let (sender, accepted) = mpsc::channel(16);
        Self {
            serving: Some(serves(&client, &recorder, options).await),
            peers: client.peers(),
            client,
            recorder,
            server: server(sender).await,
            accepted,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.server.address)
    }

    pub async fn asks(&self, connecting: &Connecting) -> Result<Connected, WebSocketError> {
        let context = CallContext::with_budget(WITHIN);
        self.peers.connect(&context, connecting).await
    }

    /// The next connection that the server has accepted.
    pub async fn accepted(&mut self) -> Accepted {
        let next = timeout(WITHIN, self.accepted.recv()).await;
        next.expect("somebody connects").unwrap()
    }

    /// A connection, from both ends.
    pub async fn connects(&mut self) -> (String, Accepted) {
        let connected = self.asks(&to(&self.url("/"))).await.unwrap();
        (connected.peer, self.accepted().await)
    }

    /// Whether something is queued for a peer.
    pub async fn sends(&self, peer: &str, kind: &Kind, data: impl Into<Bytes>) -> bool {
        let sent = send(&*self.peers, peer, kind, data.into()).await;
        sent.unwrap()
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let serving = self.serving.as_ref().unwrap();
        serving.counters().into_iter().collect()
    }
}

async fn send(
    peers: &dyn Peers,
    peer: &str,
    kind: &Kind,
    data: Bytes,
) -> Result<bool, WebSocketError> {
    let peer: PeerId = peer.parse().unwrap();
    let context = CallContext::with_budget(WITHIN);
    let here = Lease::on_replica(None);
    let sent = peers
        .send(&context, &here, &[peer.number], kind, data)
        .await?;
    Ok(sent == [true])
}

/// Starts the client to serve; `recorder` is told of all that comes.
async fn serves(
    client: &Arc<HyperClient>,
    recorder: &Arc<Recorder>,
    options: PeerOptions,
) -> Box<dyn Serving> {
    let (app, component) = (name("test"), name("recorder"));
    let address = ActorAddress::component(app.clone(), component.clone());
    let directory = Arc::<LocalDirectory>::default();
    let gate = Gate::new(GateLimits::default());
    Offer::new::<PeerHandlerInterface>(recorder.clone(), &gate).install(&directory, &address);
    let nobody_else = Arc::new(UnreachableCaller(FaultKind::Unavailable));
    let state = LatticeState::new(app, directory, nobody_else);
    let routes = ROUTES.into_iter().chain(["default"]);
    let targets = routes.map(|route| Target {
        component: component.clone(),
        selection: ConnectRoute {
            route: route.to_owned(),
            websocket: options.clone(),
        },
    });
    let serving = Arc::clone(client).serve(&state, targets.collect()).await;
    serving.unwrap()
}

/// Does as the query of a request says: `status=403`, `protocol=b`, `extension=x`.
async fn server(accepted: mpsc::Sender<Accepted>) -> Server {
    accept(move |stream| {
        let accepted = accepted.clone();
        async move {
            let mut asked = (String::new(), HeaderMap::new());
            #[expect(clippy::result_large_err, reason = "the library wants it so")]
            let answer = |request: &Request, mut response: Response| {
                asked = (request.uri().to_string(), request.headers().clone());
                let query = request.uri().query().unwrap_or_default();
                let (wish, value) = query.split_once('=').unwrap_or_default();
                let field = |name: HeaderName| (name, HeaderValue::from_str(value).unwrap());
                let field = match wish {
                    "status" => {
                        let mut refusal = ErrorResponse::new(Some("no".to_owned()));
                        *refusal.status_mut() = value.parse::<StatusCode>().unwrap();
                        return Err(refusal);
                    }
                    "protocol" => Some(field(header::SEC_WEBSOCKET_PROTOCOL)),
                    "extension" => Some(field(header::SEC_WEBSOCKET_EXTENSIONS)),
                    _ => None,
                };
                response.headers_mut().extend(field);
                Ok(response)
            };
            if let Ok(socket) = accept_hdr_async(stream, answer).await {
                let _nobody_looks = accepted.send(Accepted { asked, socket }).await;
            }
        }
        .boxed()
    })
    .await
}

/// Answers as a message says, and remembers what it was told.
#[derive(Default)]
pub struct Recorder {
    told: Mutex<Vec<(String, String)>>,
    peers: OnceLock<Arc<dyn Peers>>,
}

impl Recorder {
    fn tell(&self, peer: &str, what: String) {
        self.told.lock().push((peer.to_owned(), what));
    }

    pub async fn waits_for(&self, what: &str) {
        until(what, || {
            self.told.lock().iter().any(|(_, told)| told == what)
        })
        .await;
    }

    /// Of whom it was told, each time.
    pub fn peers(&self) -> Vec<String> {
        let told = self.told.lock();
        told.iter().map(|(peer, _)| peer.clone()).collect()
    }
}

#[async_trait]
impl PeerHandler for Recorder {
    async fn open(&self, _: &CallContext, opening: &Opening) -> Result<Answer, WebSocketError> {
        panic!("nobody is asked for those who were connected to: {opening:?}");
    }

    async fn receive(
        &self,
        _: &CallContext,
        peer: &str,
        is_text: bool,
        data: Bytes,
    ) -> Result<(), WebSocketError> {
        if !is_text {
            self.tell(peer, format!("{} bytes", data.len()));
            return Ok(());
        }
        let text = String::from_utf8_lossy(&data).into_owned();
        self.tell(peer, format!("text {text}"));
        if text == "slow" {
            tokio::time::sleep(Duration::from_millis(300)).await;
        } else if text.starts_with("echo") {
            let peers = self.peers.get().unwrap();
            assert!(send(&**peers, peer, &Kind::Text, data).await?);
        }
        Ok(())
    }

    async fn close(
        &self,
        _: &CallContext,
        peer: &str,
        closing: &Closing,
    ) -> Result<(), WebSocketError> {
        self.tell(peer, format!("gone {}", closing.code));
        Ok(())
    }
}
