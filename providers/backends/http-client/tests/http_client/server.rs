//! Servers on loopback.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

pub type ServerBody = UnsyncBoxBody<Bytes, hyper::Error>;
pub type Request = http::Request<Incoming>;
pub type Response = http::Response<ServerBody>;

/// A server, stopped when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    /// Connections that it has accepted.
    pub accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    pub fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn full(text: impl Into<Bytes>) -> ServerBody {
    Full::new(text.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

pub fn answer(text: impl Into<Bytes>) -> Response {
    http::Response::new(full(text))
}

/// HTTP/1.1 and 2, without TLS.
pub async fn serve<F>(work: impl Fn(Request) -> F + Send + Sync + 'static) -> Server
where
    F: Future<Output = Response> + Send + 'static,
{
    let work = shared(work);
    accept(move |stream| speak(stream, Arc::clone(&work)).boxed()).await
}

/// The same over TLS.
pub async fn serve_tls<F>(
    tls: rustls::ServerConfig,
    work: impl Fn(Request) -> F + Send + Sync + 'static,
) -> Server
where
    F: Future<Output = Response> + Send + 'static,
{
    let work = shared(work);
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    accept(move |stream| {
        let (acceptor, work) = (acceptor.clone(), Arc::clone(&work));
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                speak(stream, work).await;
            }
        }
        .boxed()
    })
    .await
}

/// Says `reply` once a head has come in, then nothing; the connection goes with the server, or at
/// once.
pub async fn serve_raw(reply: &'static str, ends: bool) -> Server {
    accept(move |mut stream| {
        async move {
            read_head(&mut stream).await;
            let _client_gone = stream.write_all(reply.as_bytes()).await;
            if !ends {
                std::future::pending::<()>().await;
            }
        }
        .boxed()
    })
    .await
}

pub async fn accept(work: impl Fn(TcpStream) -> BoxFuture<'static, ()> + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&accepted);
    let task = tokio::spawn(async move {
        // With the server go its connections.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Relaxed);
            connections.spawn(work(stream));
        }
    });
    Server {
        address,
        accepted,
        task,
    }
}

async fn read_head(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read_buf(&mut seen).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

type Work = dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync;

fn shared<F>(work: impl Fn(Request) -> F + Send + Sync + 'static) -> Arc<Work>
where
    F: Future<Output = Response> + Send + 'static,
{
    Arc::new(move |request| work(request).boxed())
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, work: Arc<Work>) {
    let service = hyper::service::service_fn(move |request| {
        let work = Arc::clone(&work);
        async move { Ok::<_, Infallible>(work(request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let _client_gone = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
