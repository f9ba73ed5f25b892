//! An HTTP client that keeps every outcome.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};

/// How long a poll rests between two requests.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How one request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Answered {
        /// Its status.
        status: StatusCode,
        /// Its headers.
        headers: HeaderMap,
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

impl Outcome {
    /// Whether it is an answer with a status below 300.
    pub fn is_success(&self) -> bool {
        self.status().is_some_and(|status| status.is_success())
    }

    /// The status of the answer; `None` if there was none.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The body of the answer as text; empty if there was none.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Answered { body, .. } => String::from_utf8_lossy(body),
            _ => Cow::Borrowed(""),
        }
    }

    /// Whether the answer has a header.
    pub fn has_header(&self, name: HeaderName) -> bool {
        matches!(self, Self::Answered { headers, .. } if headers.contains_key(name))
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What it was.
    pub method: Method,
    /// Where it went.
    pub url: String,
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
        self.outcome.is_success()
    }

    /// Its status; `None` if it was not answered.
    pub fn status(&self) -> Option<StatusCode> {
        self.outcome.status()
    }

    /// When it ended, since the load began.
    pub fn ended(&self) -> Duration {
        self.due + self.took
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
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|e| chain(&e))?;
            Ok(Outcome::Answered {
                status: head.status,
                headers: head.headers,
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
        let outcome = self.send(method.clone(), url).await;
        let took = began.elapsed().saturating_sub(due);
        Sample {
            method,
            url: url.to_owned(),
            due,
            took,
            outcome,
        }
    }

    /// Sends a request again and again until it succeeds; answers how long that took, or the last
    /// outcome when it is not within `limit`.
    ///
    /// # Errors
    /// The last outcome.
    pub async fn until_success(
        &self,
        method: Method,
        url: &str,
        limit: Duration,
    ) -> Result<Duration, Outcome> {
        let began = Instant::now();
        loop {
            let outcome = self.send(method.clone(), url).await;
            if outcome.is_success() {
                return Ok(began.elapsed());
            }
            if began.elapsed() >= limit {
                return Err(outcome);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
