//! A server that listens.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::AbortOnDropHandle,
};
use wrt_contract::Measured;
use wrt_http::HttpHandler;
use wrt_websocket::PeerCounter;

use crate::{
    config::{HttpServerConfig, Route, RouteError},
    connection, descriptors,
    metrics::{HttpServerCounts, Metrics},
    route_meter::RouteMeters,
    routing::RouteTable,
    service::{Routed, Service},
    websocket::{Sockets, WebSockets},
};

/// A running server. Dropping it closes its port and its connections at once.
pub struct HttpListener {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    meters: RouteMeters,
    peers: Option<Arc<PeerCounter>>,
    draining: CancellationToken,
    drained: CancellationToken,
    /// With its connections.
    acceptor: AbortOnDropHandle<()>,
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Routes that make no sense.
    #[error("the routes are wrong")]
    Routes(#[from] RouteError),
    /// The address could not be taken.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How long accepting rests after it failed, as it does while the process has no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl HttpListener {
    /// Listens, and serves from then on: each route's requests go to the handler beside it, and those for
    /// websockets to those of `sockets`.
    ///
    /// # Errors
    /// When the routes are wrong, or the address cannot be taken.
    pub async fn bind(
        config: HttpServerConfig,
        routes: Vec<(Route, Arc<dyn HttpHandler>)>,
        sockets: WebSockets,
    ) -> Result<Self, BindError> {
        if routes.is_empty() && sockets.routes.is_empty() {
            return Err(RouteError::NoRoutes.into());
        }
        let mut meters = RouteMeters::default();
        let routed = routes.iter().map(|(route, handler)| {
            let (handler, meter) = (Arc::clone(handler), meters.of(route));
            (route, Routed { handler, meter })
        });
        let routes = RouteTable::new(routed).map_err(|(_, error)| error)?;
        let has_sockets = !sockets.routes.is_empty();
        let sockets = Sockets::new(sockets, &mut meters)?;
        let counter = Arc::clone(sockets.listener().table().counter());
        let listen = |source| BindError::Listen {
            address: config.address,
            source,
        };
        let listener = TcpListener::bind(config.address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let metrics = Arc::<Metrics>::default();
        let service = Arc::new(Service {
            config,
            routes,
            sockets,
            metrics: Arc::clone(&metrics),
            unrouted: Arc::clone(meters.unrouted()),
        });
        let (draining, drained) = (CancellationToken::new(), CancellationToken::new());
        let acceptor = Acceptor {
            service,
            connections: JoinSet::new(),
            draining: draining.clone(),
            _drained: drained.clone().drop_guard(),
        };
        Ok(Self {
            address,
            metrics,
            meters,
            peers: has_sockets.then_some(counter),
            draining,
            drained,
            acceptor: AbortOnDropHandle::new(tokio::spawn(acceptor.run(listener))),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What it has counted so far.
    #[must_use]
    pub fn counts(&self) -> HttpServerCounts {
        self.metrics.counts()
    }

    /// How long requests took.
    pub(crate) fn durations(&self) -> impl Iterator<Item = Measured> {
        self.meters.measured()
    }

    /// What it has counted of its peers, if it has routes for such.
    pub(crate) fn peers(&self) -> Option<&PeerCounter> {
        self.peers.as_deref()
    }

    /// Closes the port, the idle connections and the websockets, and lets the requests in hand end, at most
    /// for `patience`. Answers whether they all did; those that did not are cut off.
    ///
    /// # Cancel safety
    /// The server drains also when the future is dropped, without an end to its patience.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.draining.cancel();
        let drained = tokio::time::timeout(patience, self.drained.cancelled()).await;
        self.acceptor.abort();
        drained.is_ok()
    }
}

/// Dropping it drops its connections.
struct Acceptor {
    service: Arc<Service>,
    connections: JoinSet<()>,
    draining: CancellationToken,
    /// Tells when it has ended.
    _drained: DropGuard,
}

impl Acceptor {
    /// Accepts until it drains, and then waits for the connections that there are.
    async fn run(mut self, listener: TcpListener) {
        self.accept(listener).await;
        while self.connections.join_next().await.is_some() {}
    }

    async fn accept(&mut self, listener: TcpListener) {
        let protocol = connection::protocol(&self.service.config);
        let places = Arc::new(Semaphore::new(self.service.config.connections_max as usize));
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.draining.cancelled() => return,
                Some(_ended) = self.connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _peer)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let place = Arc::clone(&places).try_acquire_owned().ok();
            let Some(place) = place.zip(descriptors::for_connection()) else {
                self.service.metrics.connection_refused();
                continue;
            };
            let counted = self.service.metrics.connection();
            let serving = self.serve(stream, protocol.clone());
            self.connections.spawn(async move {
                let _held = (place, counted);
                serving.await;
            });
        }
    }

    fn serve(
        &self,
        stream: TcpStream,
        protocol: hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>,
    ) -> impl Future<Output = ()> + Send + 'static {
        // A response's last piece must not wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's algorithm");
        }
        // Each looks at its own: at one for all they would meet, with every request.
        let draining = self.draining.child_token();
        connection::serve(stream, protocol, Arc::clone(&self.service), draining)
    }
}
