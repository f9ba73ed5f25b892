//! Websockets to the world outside: what is at the other end is a peer of `wrt:websocket`.
//!
//! A peer lives on a task of its own, and goes with the provider. Its connection is one of the client's like any
//! other: in the same places, by the same rules and with the same times. Its place is in use from the first byte
//! that is written until it is dropped, since no answer ever ends its request.

mod request;
mod route;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::header;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncWriteExt, copy, sink},
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error, handshake::client::Response},
};
use tokio_util::sync::CancellationToken;
use wrt_contract::{CallContext, Lease, async_trait, until};
use wrt_http::HttpError;
use wrt_protocol::{Fault, FaultKind, Hop, Name};
use wrt_runtime::{Entry, SelectionError, Server, ServerLoad, Serves, Serving, State, Target};
use wrt_websocket::{
    Connected, Connecting, Kind, Listener, Peer, PeerHandlerInterface, PeerId, PeerOptions,
    PeerRoute, Peers, PeersHereInterface, PeersInterface, Reached, WebSocketError, WrtWebSocket,
    count,
};

use crate::{HyperClient, SetupError, connection::OpenConnection, connector::ConnectorParts};
use request::Request;
pub use route::ConnectRoute;

/// Opens websockets, and has their peers.
pub(crate) struct WebSockets {
    listener: Arc<Listener>,
    connector: ConnectorParts,
    /// From when the connection is there until the server has answered.
    answer_timeout: Duration,
    /// What it opens them for, once it serves.
    open: Mutex<Option<Arc<Open>>>,
}

/// The routes of a provider that serves, and its peers.
struct Open {
    routes: HashMap<String, Arc<PeerRoute>>,
    draining: CancellationToken,
    peers: Mutex<JoinSet<()>>,
}

type Socket = WebSocketStream<OpenConnection>;

impl WebSockets {
    pub(crate) fn new(connector: ConnectorParts, answer_timeout: Duration) -> Self {
        Self {
            listener: Arc::default(),
            connector,
            answer_timeout,
            open: Mutex::default(),
        }
    }

    /// A connection to a server that has agreed to speak with it, and with which subprotocol.
    async fn open(
        &self,
        request: Request,
        options: &PeerOptions,
    ) -> Result<(Socket, Option<String>), WebSocketError> {
        if !self.connector.allow.permits(&request.origin) {
            let host = request.origin.authority();
            tracing::warn!(
                host,
                "a websocket was refused: no rule names its host and port"
            );
            return Err(WebSocketError::Denied(format!("no rule names {host}")));
        }
        let connection = self.connector.connect(&request.over_http).await;
        let connection = connection.map_err(not_connected)?;
        let asked = client_async_with_config(request.head, connection, Some(options.socket()));
        let answered = timeout(self.answer_timeout, asked).await.map_err(|_late| {
            WebSocketError::NotConnected("the server does not answer".to_owned())
        })?;
        let (socket, answer) = answered.map_err(not_answered)?;
        Ok((socket, agreed(&answer)?))
    }

    /// Has the other end as a peer from now on.
    fn enters(
        &self,
        open: &Open,
        route: &Arc<PeerRoute>,
        link: Name,
        socket: Socket,
    ) -> Result<String, WebSocketError> {
        let mut peers = open.peers.lock();
        if open.draining.is_cancelled() {
            return Err(draining().into());
        }
        let queue = route.options.queue();
        let place = self.listener.table().add(Arc::clone(&route.name), queue);
        let id = PeerId {
            link,
            home: self.listener.home(),
            number: place.number(),
        };
        let id = id.to_string();
        let peer = Peer::new(Arc::clone(route), place, &id);
        peer.enter();
        let draining = open.draining.clone();
        while peers.try_join_next().is_some() {}
        peers.spawn(async move {
            peer.serve(socket, &draining, hang_up).await;
        });
        Ok(id)
    }
}

/// What the server still sends must not reset the connection before it has read why it is closed.
async fn hang_up(mut connection: OpenConnection) {
    if connection.shutdown().await.is_ok() {
        let _rest = copy(&mut connection, &mut sink()).await;
    }
}

/// The subprotocol that is spoken.
fn agreed(answer: &Response) -> Result<Option<String>, WebSocketError> {
    // None was offered (RFC 6455, section 4.1).
    if answer
        .headers()
        .contains_key(header::SEC_WEBSOCKET_EXTENSIONS)
    {
        let words = "the server speaks an extension that it was not offered";
        return Err(WebSocketError::NotConnected(words.to_owned()));
    }
    let protocol = answer.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = protocol.and_then(|value| value.to_str().ok());
    Ok(protocol.map(str::to_owned))
}

fn not_connected(error: HttpError) -> WebSocketError {
    let words = error.to_string();
    match error {
        HttpError::HttpRequestDenied | HttpError::DestinationIpProhibited => {
            WebSocketError::Denied(words)
        }
        HttpError::HttpRequestUriInvalid | HttpError::HttpProtocolError => {
            WebSocketError::BadRequest(words)
        }
        _ => WebSocketError::NotConnected(words),
    }
}

fn not_answered(error: Error) -> WebSocketError {
    match error {
        Error::Http(answer) => WebSocketError::Refused(answer.status().as_u16()),
        error => WebSocketError::NotConnected(error.to_string()),
    }
}

fn draining() -> Fault {
    let detail = "the provider opens no more connections";
    Fault::not_executed(FaultKind::Draining, Hop::Backend, detail)
}

#[async_trait]
impl Peers for WebSockets {
    async fn send(
        &self,
        context: &CallContext,
        listener: &Lease,
        to: &[u64],
        kind: &Kind,
        data: Bytes,
    ) -> Result<Vec<bool>, WebSocketError> {
        self.listener.send(context, listener, to, kind, data).await
    }

    async fn send_to_all(
        &self,
        context: &CallContext,
        route: &str,
        kind: &Kind,
        data: Bytes,
    ) -> Result<Reached, WebSocketError> {
        self.listener.send_to_all(context, route, kind, data).await
    }

    async fn connect(
        &self,
        context: &CallContext,
        connecting: &Connecting,
    ) -> Result<Connected, WebSocketError> {
        connecting.check()?;
        let open = self.open.lock().clone();
        let open = open.filter(|open| !open.draining.is_cancelled());
        let open = open.ok_or_else(draining)?;
        let route = open.routes.get(&connecting.route);
        let no_route = || WebSocketError::NoSuchRoute(connecting.route.clone());
        let route = route.ok_or_else(no_route)?;
        let link = Name::new(&connecting.link);
        let link = link.map_err(|error| WebSocketError::BadRequest(error.to_string()))?;
        let opened = async {
            let request = Request::of(connecting, context.trace())?;
            let (socket, protocol) = self.open(request, &route.options).await?;
            let peer = self.enters(&open, route, link, socket)?;
            Ok(Connected { peer, protocol })
        };
        let opened = until(context.deadline(), opened).await;
        let opened = opened.unwrap_or_else(|| Err(late().into()));
        if opened.is_err() {
            count(&self.listener.table().counter().refused);
        }
        opened
    }
}

/// What was begun is given up with the call.
fn late() -> Fault {
    let detail = "there was no connection by the end of the call's budget";
    Fault::not_executed(FaultKind::DeadlineExceeded, Hop::Backend, detail)
}

impl Serves<WrtWebSocket> for HyperClient {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<PeersInterface>(|client| client.peers());
        entry.offers::<PeersHereInterface>(|client| client.sockets.listener.clone());
        entry.calls();
    }
}

impl Server for HyperClient {
    type Calls = PeerHandlerInterface;
    type Selection = ConnectRoute;

    fn check_selections(routes: &[ConnectRoute]) -> Result<(), SelectionError> {
        route::check(routes)
    }

    async fn serve<S: State>(
        self: Arc<Self>,
        state: &S,
        targets: Vec<Target<ConnectRoute>>,
    ) -> Result<Box<dyn Serving>, SetupError> {
        let sockets = Arc::clone(&self.sockets);
        sockets.listener.joins(state);
        let routes = targets.into_iter().map(|target| {
            let ConnectRoute { route, websocket } = target.selection;
            let peers = PeerRoute {
                name: route.as_str().into(),
                options: websocket,
                handler: state.component::<PeerHandlerInterface>(&target.component),
            };
            (route, Arc::new(peers))
        });
        let open = Arc::new(Open {
            routes: routes.collect(),
            draining: CancellationToken::new(),
            peers: Mutex::default(),
        });
        *sockets.open.lock() = Some(Arc::clone(&open));
        Ok(Box::new(Connections { sockets, open }))
    }
}

/// A provider that opens connections. Dropping it closes them at once.
struct Connections {
    sockets: Arc<WebSockets>,
    open: Arc<Open>,
}

impl Serving for Connections {
    /// What is in hand are calls of the provider, which its gate counts.
    fn load(&self) -> ServerLoad {
        ServerLoad::default()
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        match self.open.routes.is_empty() {
            true => Vec::new(),
            false => self.sockets.listener.table().counter().by_name(),
        }
    }

    fn drain(&self, patience: Duration) -> BoxFuture<'_, bool> {
        let mut peers = {
            let mut peers = self.open.peers.lock();
            self.open.draining.cancel();
            std::mem::take(&mut *peers)
        };
        async move {
            let all = async { while peers.join_next().await.is_some() {} };
            timeout(patience, all).await.is_ok()
        }
        .boxed()
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        *self.sockets.open.lock() = None;
        let mut peers = self.open.peers.lock();
        self.open.draining.cancel();
        peers.abort_all();
    }
}
