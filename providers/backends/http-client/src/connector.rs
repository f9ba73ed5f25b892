//! New connections.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};
use http::{Uri, uri::Scheme};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::TlsConnector;
use wrt_http::HttpError;

use crate::{
    AllowList, Http2,
    connection::OpenConnection,
    error::{of_connect, of_handshake},
    limits::ADDRESSES_MAX,
    origin::{Origin, UriHost},
    places::Places,
    resolver::Resolver,
    tls::HTTP_1,
};

/// Makes the connections that the pool asks for.
#[derive(Clone)]
pub(crate) struct Connector(pub(crate) Arc<ConnectorParts>);

/// What a connector needs.
#[derive(Clone)]
pub(crate) struct ConnectorParts {
    pub(crate) allow: AllowList,
    pub(crate) resolver: Resolver,
    pub(crate) tls: TlsConnector,
    pub(crate) http2: Http2,
    pub(crate) timeout: Duration,
    pub(crate) places: Arc<Places>,
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<OpenConnection>;
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<Self::Response, HttpError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let parts = Arc::clone(&self.0);
        async move { parts.connect(&uri).await.map(TokioIo::new) }.boxed()
    }
}

impl ConnectorParts {
    /// The same for connections that speak HTTP/1.1 and then something else.
    pub(crate) fn for_upgrades(&self) -> Self {
        let mut tls = rustls::ClientConfig::clone(self.tls.config());
        tls.alpn_protocols = vec![HTTP_1.to_vec()];
        Self {
            tls: TlsConnector::from(Arc::new(tls)),
            http2: Http2::Off,
            ..self.clone()
        }
    }

    /// Whether a connection to there may have several requests at a time.
    pub(crate) fn may_multiplex(&self, uri: &Uri) -> bool {
        match self.http2 {
            Http2::Negotiated => uri.scheme() == Some(&Scheme::HTTPS),
            Http2::PriorKnowledge => true,
            Http2::Off => false,
        }
    }

    /// # Errors
    /// Why there is no connection.
    pub(crate) async fn connect(&self, uri: &Uri) -> Result<OpenConnection, HttpError> {
        let target = Origin::of(uri)?;
        let deadline = Instant::now() + self.timeout;
        let place = tokio::time::timeout_at(deadline, self.places.take())
            .await
            .map_err(|_elapsed| HttpError::ConnectionLimitReached)??;
        let found = tokio::time::timeout_at(deadline, self.resolver.resolve(&target))
            .await
            .map_err(|_elapsed| HttpError::DnsTimeout)??;
        let addresses = self.permitted(&target, found)?;
        let opened = async {
            let stream = connect_to_one(&addresses, target.port, deadline).await?;
            if !target.is_secure {
                return Ok(OpenConnection::plain(stream, place, self.http2));
            }
            let handshake = self.tls.connect(server_name(&target)?, stream);
            let stream = handshake.await.map_err(|error| of_handshake(&error))?;
            Ok(OpenConnection::tls(stream, place, self.http2))
        };
        tokio::time::timeout_at(deadline, opened)
            .await
            .map_err(|_elapsed| HttpError::ConnectionTimeout)?
    }

    /// Those of a target's addresses that may be connected to. What is checked here is what is
    /// connected to: the name is not resolved again.
    fn permitted(&self, target: &Origin, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, HttpError> {
        if !self.allow.permits(target) {
            return Err(HttpError::HttpRequestDenied);
        }
        if found.is_empty() {
            return Err(HttpError::DestinationNotFound);
        }
        let mut addresses = found;
        addresses.retain(|address| self.allow.permits_address(target, *address));
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() {
            tracing::warn!(
                host = target.authority(),
                "a request was refused: the host's address is not public, and no rule names it"
            );
            return Err(HttpError::DestinationIpProhibited);
        }
        Ok(addresses)
    }
}

/// Tries one address after another; each may take its share of the time that is left.
async fn connect_to_one(
    addresses: &[IpAddr],
    port: u16,
    deadline: Instant,
) -> Result<TcpStream, HttpError> {
    let mut last = HttpError::DestinationNotFound;
    for (tried, address) in (0_u32..).zip(addresses) {
        let to_try = u32::try_from(addresses.len()).unwrap_or(u32::MAX) - tried;
        let share = deadline.saturating_duration_since(Instant::now()) / to_try;
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        last = match tokio::time::timeout(share, connecting).await {
            Ok(Ok(stream)) => {
                // Heads and small bodies go in one write each; waiting to fill a segment only delays.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection without TCP_NODELAY");
                }
                return Ok(stream);
            }
            Ok(Err(error)) => of_connect(&error),
            Err(_elapsed) => HttpError::ConnectionTimeout,
        };
    }
    Err(last)
}

fn server_name(target: &Origin) -> Result<ServerName<'static>, HttpError> {
    match &target.host {
        UriHost::Address(address) => Ok(ServerName::from(*address)),
        UriHost::Name(name) => {
            ServerName::try_from(name.clone()).map_err(|_invalid| HttpError::HttpRequestUriInvalid)
        }
    }
}
