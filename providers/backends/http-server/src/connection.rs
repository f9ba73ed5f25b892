//! One connection.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use parking_lot::Mutex;
use tokio::{net::TcpStream, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{config::HttpServerConfig, metrics::Counted, service::Service, stall::Impatient};

/// How the two versions are spoken, for all connections of a server.
pub(crate) fn protocol(config: &HttpServerConfig) -> auto::Builder<TokioExecutor> {
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    protocol
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout())
        .max_headers(config.headers_max as usize)
        .max_buf_size(config.head_bytes_max as usize);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(config.head_bytes_max)
        .max_concurrent_streams(config.streams_per_connection_max)
        // A peer that is gone without a word is found out by pings.
        .keep_alive_interval(config.idle_timeout())
        .keep_alive_timeout(config.header_timeout());
    protocol
}

/// Serves `stream` until its client closes it, breaks the protocol, or stands idle; after `draining`,
/// until the requests in hand are answered.
pub(crate) async fn serve(
    stream: TcpStream,
    protocol: auto::Builder<TokioExecutor>,
    service: Arc<Service>,
    draining: CancellationToken,
) {
    let use_of_it = Arc::new(Use::new());
    let config = service.config.clone();
    let stream = TokioIo::new(Impatient::new(stream, config.write_timeout()));
    let service = service_fn(|request: http::Request<Incoming>| {
        let in_hand = use_of_it.request(service.metrics.request());
        let response = Arc::clone(&service).respond(request, in_hand);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let mut connection = pin!(protocol.serve_connection(stream, service));
    let mut closing = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = draining.cancelled(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep_until(use_of_it.looked_at_next(&config)), if !closing => {
                match use_of_it.state(&config) {
                    State::InUse => {}
                    // Nothing but bytes that are no request yet: there is nobody to be polite to.
                    State::NeverUsed => return,
                    State::Idle => {
                        closing = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }
}

/// How a connection is used.
struct Use {
    requests: AtomicU32,
    since: Mutex<Since>,
}

#[derive(Clone, Copy)]
struct Since {
    /// When the last request ended, or the connection began.
    idle: Instant,
    never_used: bool,
}

enum State {
    InUse,
    NeverUsed,
    Idle,
}

/// A request in hand, for the server's counters and the connection's; dropped with its response.
pub(crate) struct Request {
    counted: Counted,
    connection: Arc<Use>,
}

impl Request {
    /// How many requests the server has in hand, this one included.
    pub(crate) fn number(&self) -> u32 {
        self.counted.number
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.connection.set_since(Since {
            idle: Instant::now(),
            never_used: false,
        });
        self.connection.requests.fetch_sub(1, Relaxed);
    }
}

impl Use {
    fn new() -> Self {
        Self {
            requests: AtomicU32::new(0),
            since: Mutex::new(Since {
                idle: Instant::now(),
                never_used: true,
            }),
        }
    }

    fn request(self: &Arc<Self>, counted: Counted) -> Request {
        self.requests.fetch_add(1, Relaxed);
        Request {
            counted,
            connection: Arc::clone(self),
        }
    }

    fn since(&self) -> Since {
        *self.since.lock()
    }

    fn set_since(&self, since: Since) {
        *self.since.lock() = since;
    }

    /// When the connection has stood idle for too long, if nothing comes before.
    fn idle_until(&self, config: &HttpServerConfig) -> Instant {
        let since = self.since();
        let patience = if since.never_used {
            config.header_timeout()
        } else {
            config.idle_timeout()
        };
        since.idle + patience
    }

    /// When to look at it again. Requests that come and go move its end without waking anybody, so
    /// it is looked at in steps.
    fn looked_at_next(&self, config: &HttpServerConfig) -> Instant {
        let step = Instant::now() + config.header_timeout().min(config.idle_timeout());
        if self.requests.load(Relaxed) > 0 {
            step
        } else {
            step.min(self.idle_until(config))
        }
    }

    fn state(&self, config: &HttpServerConfig) -> State {
        if self.requests.load(Relaxed) > 0 || Instant::now() < self.idle_until(config) {
            return State::InUse;
        }
        if self.since().never_used {
            State::NeverUsed
        } else {
            State::Idle
        }
    }
}
