//! The server as a backend.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use toml::{Table, Value};
use wrt_contract::{Instrument, Interface as _, Measured, MeasuredValue};
use wrt_http::{HttpHandlerInterface, WasiHttp};
use wrt_protocol::InterfaceName;
use wrt_runtime::{
    Backend, Entry, SelectionError, Server, ServerLoad, Serves, Serving, SettingsError, State,
    Target,
};
use wrt_websocket::{
    Listener, PeerCounter, PeerHandlerInterface, PeersHereInterface, PeersInterface, WrtWebSocket,
};

use crate::{
    BindError, HttpListener, HttpServerConfig, Route, RouteError, WebSockets, routing::RouteTable,
};

/// Serves HTTP, and hands each request to the component whose route it takes. Has the peers that have come
/// in by its routes.
#[derive(Debug)]
pub struct HttpServer {
    config: HttpServerConfig,
    peers: Arc<Listener>,
}

impl Backend for HttpServer {
    const NAME: &'static str = "http-server";

    type ConnectOptions = HttpServerConfig;
    type ConnectError = BindError;

    async fn connect_with(config: HttpServerConfig) -> Result<Self, BindError> {
        Ok(Self {
            config,
            peers: Arc::default(),
        })
    }

    fn is_for_good(error: &BindError) -> bool {
        matches!(error, BindError::Routes(_))
    }

    fn check(config: &HttpServerConfig) -> Result<(), SettingsError> {
        config.check()
    }

    fn address(config: &HttpServerConfig) -> Option<String> {
        Some(config.address.to_string())
    }
}

impl Serves<WasiHttp> for HttpServer {
    fn serve(entry: &mut Entry<Self>) {
        entry.calls();
    }
}

impl Serves<WrtWebSocket> for HttpServer {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<PeersInterface>(|server| server.peers.clone());
        entry.offers::<PeersHereInterface>(|server| server.peers.clone());
        entry.calls_also::<PeerHandlerInterface>();
    }
}

/// The key of a selection that makes its route one.
const WEBSOCKET: &str = "websocket";

impl Server for HttpServer {
    type Calls = HttpHandlerInterface;
    type Selection = Route;

    fn called_for(route: &Route) -> InterfaceName {
        match route.websocket {
            Some(_) => PeerHandlerInterface::NAME,
            None => HttpHandlerInterface::NAME,
        }
    }

    /// A component that answers peers gets them whatever path they ask for, beside one that answers requests.
    fn selection_for(interface: &InterfaceName) -> Table {
        let mut selection = Table::new();
        if *interface == PeerHandlerInterface::NAME {
            selection.insert(WEBSOCKET.to_owned(), Value::Table(Table::new()));
        }
        selection
    }

    fn check_selections(routes: &[Route]) -> Result<(), SelectionError> {
        for are_sockets in [false, true] {
            let routes = routes.iter().enumerate();
            let routes = routes.filter(|(_, route)| route.websocket.is_some() == are_sockets);
            let places: Vec<usize> = routes.clone().map(|(at, _)| at).collect();
            RouteTable::new(routes.map(|(_, route)| (route, ())))
                .map_err(|(at, error)| refused(places[at], &error))?;
        }
        Ok(())
    }

    async fn serve<S: State>(
        self: Arc<Self>,
        state: &S,
        targets: Vec<Target<Route>>,
    ) -> Result<Box<dyn Serving>, BindError> {
        let (mut routes, mut sockets) = (Vec::new(), WebSockets::default());
        for Target {
            component,
            selection,
        } in targets
        {
            match selection.websocket {
                None => routes.push((
                    selection,
                    state.component::<HttpHandlerInterface>(&component),
                )),
                Some(_) => {
                    let handler = state.component::<PeerHandlerInterface>(&component);
                    sockets.routes.push((selection, handler));
                }
            }
        }
        self.peers.joins(state);
        sockets.listener = Arc::clone(&self.peers);
        let listener = HttpListener::bind(self.config.clone(), routes, sockets).await?;
        Ok(Box::new(listener))
    }
}

fn refused(at: usize, error: &RouteError) -> SelectionError {
    SelectionError {
        at,
        field: match error {
            RouteError::Path { .. } => Some("path"),
            RouteError::Host { .. } => Some("host"),
            RouteError::WebSocket { .. } => Some(WEBSOCKET),
            RouteError::NoRoutes | RouteError::Duplicate { .. } => None,
        },
        message: error.to_string(),
    }
}

static CONNECTIONS: Instrument = Instrument {
    name: "wrt.http.server.open_connections",
    unit: "{connection}",
    description: "Connections that are open.",
};
static REQUESTS: Instrument = Instrument {
    name: "http.server.active_requests",
    unit: "{request}",
    description: "Requests in hand, until the last byte of their answer.",
};
static BROKEN_OFF: Instrument = Instrument {
    name: "wrt.http.server.broken_off",
    unit: "{event}",
    description: "Connections that were refused, clients that left before their answer, bodies that broke off.",
};

impl Serving for HttpListener {
    fn address(&self) -> Option<SocketAddr> {
        Some(reachable(self.local_addr()))
    }

    fn scheme(&self) -> Option<&'static str> {
        Some("http")
    }

    fn load(&self) -> ServerLoad {
        let counts = self.counts();
        ServerLoad {
            in_hand: counts.requests_in_flight,
            handled: counts.requests,
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.peers().map(PeerCounter::by_name).unwrap_or_default()
    }

    fn measured(&self) -> Vec<Measured> {
        let counts = self.counts();
        let event = |name: &str, count| {
            Measured::new(&BROKEN_OFF, MeasuredValue::Total(count)).with("wrt.event", name)
        };
        let open = MeasuredValue::Level(counts.connections_open.into());
        let in_hand = MeasuredValue::Level(counts.requests_in_flight.into());
        let told = [
            Measured::new(&CONNECTIONS, open),
            Measured::new(&REQUESTS, in_hand),
            event("connection_refused", counts.connections_refused),
            event("client_left", counts.clients_left),
            event("body_broken", counts.bodies_broken),
        ];
        told.into_iter().chain(self.durations()).collect()
    }

    fn drain(&self, patience: Duration) -> BoxFuture<'_, bool> {
        self.drain(patience).boxed()
    }
}

/// The address as somebody on this machine can use it.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}
