//! One connection.

use std::{future::poll_fn, pin::pin, sync::Arc};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::HttpServerConfig,
    connection_use::{ConnectionUse, IN_USE_LOOK, State},
    linger::Lingering,
    request_body::RequestBody,
    service::Service,
    socket::Socket,
    stall::Impatient,
};

/// Fields that fit in the parser's own table, which it fills before anybody counts them.
const PARSED_HEADERS: u32 = 100;

/// How the two versions are spoken, for all connections of a server.
pub(crate) fn protocol(config: &HttpServerConfig) -> auto::Builder<TokioExecutor> {
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    protocol
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout())
        .max_buf_size(config.head_bytes_max as usize);
    if config.headers_max > PARSED_HEADERS {
        protocol.http1().max_headers(config.headers_max as usize);
    }
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
/// until the requests in hand are answered. What it has become by a request is served behind that.
pub(crate) async fn serve(
    stream: TcpStream,
    protocol: auto::Builder<TokioExecutor>,
    service: Arc<Service>,
    draining: CancellationToken,
) {
    let use_of_it = Arc::new(ConnectionUse::new());
    // In a box: what it becomes may last for days, and must not keep the room for this.
    Box::pin(serve_http(
        stream,
        protocol,
        service,
        &use_of_it,
        draining.clone(),
    ))
    .await;
    if let Some(next) = use_of_it.next() {
        next(use_of_it, draining).await;
    }
}

async fn serve_http(
    stream: TcpStream,
    protocol: auto::Builder<TokioExecutor>,
    service: Arc<Service>,
    use_of_it: &Arc<ConnectionUse>,
    draining: CancellationToken,
) {
    let config = service.config.clone();
    let (metrics, socket) = (Arc::clone(&service.metrics), Socket::new(stream));
    let stream = TokioIo::new(Lingering::new(
        Impatient::new(socket.clone(), config.write_timeout()),
        Arc::clone(use_of_it),
        config.discard_timeout(),
        draining.clone(),
    ));
    let service = service_fn(|request: http::Request<Incoming>| {
        let in_hand = use_of_it.request(service.metrics.request());
        let version = request.version();
        let request = request.map(|body| RequestBody::new(body, version, use_of_it));
        Arc::clone(&service).respond(request, in_hand)
    });
    let mut connection = pin!(protocol.serve_connection_with_upgrades(stream, service));
    let mut closing = false;
    let mut look = pin!(sleep_until(use_of_it.looked_at_next(&config)));
    loop {
        let ended_or_look = poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx).map(Some);
            if ended.is_pending() {
                // A request may have begun just now.
                use_of_it.look_soon(look.as_mut());
                return look.as_mut().poll(cx).map(|()| None);
            }
            ended
        });
        let ended = tokio::select! {
            biased;
            ended = ended_or_look => ended,
            () = draining.cancelled(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
                continue;
            }
        };
        if let Some(ended) = ended {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke");
            }
            return;
        }
        match use_of_it.state(&config) {
            State::InUse if socket.is_left() => return metrics.client_left(),
            State::InUse => {}
            _ if closing => {}
            // Nothing but bytes that are no request yet: there is nobody to be polite to.
            State::NeverUsed => return,
            State::Idle => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
        look.as_mut().reset(match closing {
            true => Instant::now() + IN_USE_LOOK,
            false => use_of_it.looked_at_next(&config),
        });
    }
}
