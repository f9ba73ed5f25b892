//! An HTTP client that keeps every outcome.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};

/// How one request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Answered {
        /// Its status.
        status: StatusCode,
        /// Its body.
        body: Bytes,
    },
    /// With a connection that was refused or broke.
    Broken {
        /// What the client says of it.
        error: String,
    },
    /// Not within the client's patience.
    TimedOut,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When it was due, since the load began. In an open loop a late start counts as waiting.
    pub due: Duration,
    /// From when it was due until it ended.
    pub took: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

impl Sample {
    /// Whether it was answered with a status below 300.
    pub fn is_success(&self) -> bool {
        matches!(&self.outcome, Outcome::Answered { status, .. } if status.is_success())
    }

    /// Its status; `None` if it was not answered.
    pub fn status(&self) -> Option<StatusCode> {
        match &self.outcome {
            Outcome::Answered { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// Sends requests over kept connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: HyperClient<HttpConnector, Full<Bytes>>,
    patience: Duration,
}

impl Client {
    /// A client that gives up on a request after `patience`.
    pub fn new(patience: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(patience));
        let http = HyperClient::builder(TokioExecutor::new())
            .pool_max_idle_per_host(1024)
            // A sample is one try: what the client would hide by trying again is what is measured.
            .retry_canceled_requests(false)
            .build(connector);
        Self { http, patience }
    }

    /// Sends one request and reads its answer to the end.
    pub async fn send(&self, method: Method, url: &str) -> Outcome {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .body(Full::default());
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                return Outcome::Broken {
                    error: error.to_string(),
                };
            }
        };
        let exchange = async {
            let response = self.http.request(request).await.map_err(|e| chain(&e))?;
            let status = response.status();
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(|e| chain(&e))?;
            Ok(Outcome::Answered {
                status,
                body: body.to_bytes(),
            })
        };
        match tokio::time::timeout(self.patience, exchange).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Broken { error },
            Err(_elapsed) => Outcome::TimedOut,
        }
    }

    /// Sends one request that was due at `due` of a load that began at `began`.
    pub async fn sample(&self, began: Instant, due: Duration, method: Method, url: &str) -> Sample {
        let outcome = self.send(method, url).await;
        let took = began.elapsed().saturating_sub(due);
        Sample { due, took, outcome }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
