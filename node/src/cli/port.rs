//! A port where something of this process is read: HTTP/1.1, one answer for each connection.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{args::ListenAddress, exit::Failure};

/// Connections at a time. One more is closed at once.
const CONNECTIONS_MAX: usize = 8;
/// How long a connection may take in all.
const CONNECTION_MAX: Duration = Duration::from_secs(10);
/// How long a head may take to come.
const HEAD_MAX: Duration = Duration::from_secs(5);
/// Bytes of a head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Headers of a head.
const HEADERS_MAX: usize = 64;
/// How long accepting rests after it failed, as it does while the process has no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is read, at each path.
pub(super) type Pages = Arc<dyn Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync>;

/// A port that is taken, and serves once it is told what. Dropping it closes it.
pub(super) struct Port {
    listener: Option<TcpListener>,
    address: SocketAddr,
    serving: JoinSet<()>,
}

impl Port {
    /// Takes the port, which was asked for by an option: for `what`.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub(super) async fn bind(
        ListenAddress(address): ListenAddress,
        what: &str,
        option: &str,
    ) -> Result<Self, Failure> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok::<_, std::io::Error>((listener, address))
        };
        let (listener, address) = bound.await.map_err(|error| {
            let what = format!("{what} cannot be told on {address}: give another {option}");
            Failure::from(anyhow::Error::from(error).context(what))
        })?;
        Ok(Self {
            listener: Some(listener),
            address,
            serving: JoinSet::new(),
        })
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on.
    pub(super) fn serve(&mut self, pages: Pages) {
        if let Some(listener) = self.listener.take() {
            self.serving.spawn(accept(listener, pages));
        }
    }
}

async fn accept(listener: TcpListener, pages: Pages) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _peer)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let pages = Arc::clone(&pages);
        connections.spawn(async move {
            // Whoever is slower than that has no answer, and asks again.
            let _slow = timeout(CONNECTION_MAX, connection(stream, pages)).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, pages: Pages) {
    let service = service_fn(move |request| {
        let answer = answer(&request, &pages);
        async { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "who asks has broken off");
    }
}

fn answer(request: &Request<Incoming>, pages: &Pages) -> Response<Full<Bytes>> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return pages(request);
    }
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "GET it\n");
    let allowed = HeaderValue::from_static("GET, HEAD");
    refused.headers_mut().insert(header::ALLOW, allowed);
    refused
}

/// A few words.
pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
