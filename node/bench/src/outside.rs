//! A server outside of the lattice: hyper, in the serving process.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

/// Answers every request with `value`, until it is stopped.
pub async fn serve(listener: TcpListener, value: Bytes) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let value = value.clone();
        let answer = move |_request: Request<Incoming>| {
            let response = Response::new(Full::new(value.clone()));
            std::future::ready(Ok::<_, Infallible>(response))
        };
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        connections.spawn(connection);
        // Those that have ended.
        while connections.try_join_next().is_some() {}
    }
}

/// A listener on a free port, and where it is.
pub async fn listen() -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
