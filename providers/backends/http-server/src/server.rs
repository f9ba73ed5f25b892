//! The server as a backend.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use wrt_http::{HttpHandlerInterface, WasiHttp};
use wrt_runtime::{
    Backend, Entry, SelectionError, Server, ServerLoad, Serves, Serving, SettingsError, State,
    Target,
};

use crate::{BindError, HttpListener, HttpServerConfig, Route, RouteError, routing::RouteTable};

/// Serves HTTP, and hands each request to the component whose route it takes.
#[derive(Debug)]
pub struct HttpServer(HttpServerConfig);

impl Backend for HttpServer {
    const NAME: &'static str = "http-server";

    type ConnectOptions = HttpServerConfig;
    type ConnectError = BindError;

    async fn connect_with(config: HttpServerConfig) -> Result<Self, BindError> {
        Ok(Self(config))
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

impl Server for HttpServer {
    type Calls = HttpHandlerInterface;
    type Selection = Route;

    fn check_selections(routes: &[Route]) -> Result<(), SelectionError> {
        let routes = routes.iter().map(|route| (route, ()));
        RouteTable::new(routes)
            .map(drop)
            .map_err(|(at, error)| SelectionError {
                at,
                field: match &error {
                    RouteError::Path { .. } => Some("path"),
                    RouteError::Host { .. } => Some("host"),
                    RouteError::NoRoutes | RouteError::Duplicate { .. } => None,
                },
                message: error.to_string(),
            })
    }

    async fn serve<S: State>(
        self: Arc<Self>,
        state: &S,
        targets: Vec<Target<Route>>,
    ) -> Result<Box<dyn Serving>, BindError> {
        let routes = targets.into_iter().map(|target| {
            let handler = state.component::<HttpHandlerInterface>(&target.component);
            (target.selection, handler)
        });
        let listener = HttpListener::bind(self.0.clone(), routes.collect()).await?;
        Ok(Box::new(listener))
    }
}

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
