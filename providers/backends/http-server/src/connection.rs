//! One connection.

use std::{convert::Infallible, pin::pin, sync::Arc};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::{
    config::HttpServerConfig,
    connection_use::{ConnectionUse, State},
    service::Service,
    stall::Impatient,
};

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
    let use_of_it = Arc::new(ConnectionUse::new());
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
