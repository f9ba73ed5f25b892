//! A server, handlers that do what a test says, and clients down to raw bytes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use wrt_contract::{Body, CallContext};
use wrt_http::{HttpHandler, RequestHead, ResponseHead};
use wrt_http_server::{HttpListener, HttpServerConfig, Route, WebSockets};
use wrt_protocol::Fault;

pub type Request = http::Request<Body>;
pub type Answer = Result<http::Response<Body>, Fault>;

type Work = dyn Fn(CallContext, Request) -> BoxFuture<'static, Answer> + Send + Sync;

/// A handler that does what a closure says.
pub struct Does(Box<Work>);

#[async_trait]
impl HttpHandler for Does {
    async fn handle(
        &self,
        context: &CallContext,
        request: RequestHead,
        body: Body,
    ) -> Result<(ResponseHead, Body), Fault> {
        let response = (self.0)(context.clone(), request.with_body(body)).await?;
        Ok(ResponseHead::split(response))
    }
}

pub fn does<F>(work: impl Fn(CallContext, Request) -> F + Send + Sync + 'static) -> Arc<Does>
where
    F: Future<Output = Answer> + Send + 'static,
{
    Arc::new(Does(Box::new(move |context, request| {
        Box::pin(work(context, request))
    })))
}

/// Answers with the request's own body.
pub fn echo() -> Arc<Does> {
    does(|_, request| async { Ok(http::Response::new(request.into_body())) })
}

/// Answers with a text.
pub fn says(text: &'static str) -> Arc<Does> {
    does(move |_, _| async move { Ok(http::Response::new(Body::whole(text.into()))) })
}

/// One route for everything, a free port, and times that a test can wait for.
pub fn config() -> HttpServerConfig {
    HttpServerConfig {
        address: ([127, 0, 0, 1], 0).into(),
        request_timeout_ms: 5_000,
        ..HttpServerConfig::default()
    }
}

pub async fn serve(handler: Arc<Does>) -> HttpListener {
    serve_with(config(), handler).await
}

pub async fn serve_with(config: HttpServerConfig, handler: Arc<Does>) -> HttpListener {
    let handler: Arc<dyn HttpHandler> = handler;
    let route = Route {
        host: None,
        path: "/".to_owned(),
        websocket: None,
    };
    HttpListener::bind(config, vec![(route, handler)], WebSockets::default())
        .await
        .unwrap()
}

/// A connection of raw bytes.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn to(server: &HttpListener) -> Self {
        Self(TcpStream::connect(server.local_addr()).await.unwrap())
    }

    pub async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// What comes until `end` has come.
    pub async fn read_to(&mut self, end: &str) -> String {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(end) {
            let read = self.0.read_buf(&mut seen);
            let read = tokio::time::timeout(Duration::from_secs(10), read).await;
            let seen = String::from_utf8_lossy(&seen);
            match read {
                Err(_) => panic!("no {end:?} within 10 s in {seen:?}"),
                Ok(Ok(0)) => panic!("closed before {end:?}, after {seen:?}"),
                Ok(read) => read.unwrap(),
            };
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// What comes until the server closes.
    pub async fn read_to_close(&mut self) -> String {
        let mut seen = Vec::new();
        let read = self.0.read_to_end(&mut seen);
        // A reset is a way to close, too.
        let _reset = tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .expect("the server closes within 10 s");
        String::from_utf8_lossy(&seen).into_owned()
    }
}

/// One exchange on a connection of its own; the whole answer.
pub async fn exchange(server: &HttpListener, request: &str) -> String {
    let mut raw = Raw::to(server).await;
    raw.send(request).await;
    raw.read_to_close().await
}

pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
