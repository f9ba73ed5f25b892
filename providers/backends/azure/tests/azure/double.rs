//! Entra, the metadata of a machine and a Key Vault, as far as the provider needs them: a double of our own, on
//! this machine, over TLS. It checks what the services check: who asks, for which scope, for how long; names of
//! secrets, their versions, what was deleted.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so does what it is made of"
)]

// With their paths: `examples/azure_oracle.rs` has this file too.
#[path = "double/entra.rs"]
mod entra;
#[path = "double/vault.rs"]
mod vault;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;
use wrt_identity::conformance::Behaviour;

pub const TENANT: &str = "11111111-1111-1111-1111-111111111111";
/// The apps, and their secrets.
pub const CLIENTS: [(&str, &str); 2] =
    [("shop-id", "s3cr3t-shop"), ("reports-id", "s3cr3t-reports")];
/// What a file of workload identity must hold.
pub const ASSERTION: &str = "an.assertion.of-kubernetes";
/// Where an app service gives tokens, and what it wants to be shown.
pub const APP_SERVICE_PATH: &str = "/msi/token";
pub const APP_SERVICE_HEADER: &str = "s3cr3t-header";
/// Whom a token for the vault is for.
pub const AUDIENCE: &str = "https://vault.azure.net";
/// What each token begins with.
pub const TOKEN_MARK: &str = "azt0ken-";

/// The services; they stop when it is dropped.
pub struct Double {
    pub url: String,
    /// With the authority that signed its certificate.
    pub folder: TempDir,
    pub state: Arc<State>,
    serving: JoinHandle<()>,
}

/// What they know.
#[derive(Default)]
pub struct State {
    pub address: Mutex<String>,
    pub scopes: Mutex<HashMap<String, (Behaviour, usize)>>,
    /// By its text.
    pub tokens: Mutex<HashMap<String, Given>>,
    /// What the vault answers to the next requests instead of serving them.
    pub faults: Mutex<VecDeque<(u16, Option<u64>)>>,
    pub vault: Mutex<vault::Contents>,
    /// Requests to the vault that were let in.
    pub served: Mutex<usize>,
}

/// A token, as its issuer knows it.
pub struct Given {
    pub audience: String,
    pub ends: Instant,
}

/// One request, whole.
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

pub type Answer = Response<Full<Bytes>>;

impl Double {
    pub async fn start() -> Self {
        Self::start_at(0).await
    }

    /// On a port that its clients know already.
    pub async fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let url = format!("https://localhost:{}", address.port());
        let folder = TempDir::new().unwrap();
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("ca.pem"), signed.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key.into())
            .unwrap();
        let (state, acceptor) = (Arc::new(State::default()), TlsAcceptor::from(Arc::new(tls)));
        *state.address.lock() = url.clone();
        let served = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&served));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(|request| {
                        let state = Arc::clone(&state);
                        async move { Ok::<_, Infallible>(state.serve(request).await) }
                    });
                    // Who has left does not hear it.
                    let _gone = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            url,
            folder,
            state,
            serving,
        }
    }

    pub fn authority(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl State {
    async fn serve(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|it| it.to_bytes());
        let query = head.uri.query().unwrap_or_default();
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        let asked = Asked {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: query.collect(),
            headers: head.headers,
            body: body.unwrap_or_default(),
        };
        if asked.path.starts_with("/secrets") || asked.path.starts_with("/deletedsecrets") {
            return self.guarded(&asked);
        }
        self.entra(&asked).await
    }

    /// The vault, behind what asks for a token.
    fn guarded(&self, asked: &Asked) -> Answer {
        let shown = asked.headers.get(header::AUTHORIZATION);
        let shown = shown.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let tokens = self.tokens.lock();
        let known = shown.and_then(|shown| tokens.get(shown));
        let is_good = known.is_some_and(|it| it.audience == AUDIENCE && Instant::now() < it.ends);
        if !is_good {
            let authority = format!("{}/{TENANT}", self.address.lock());
            let challenge =
                format!("Bearer authorization=\"{authority}\", resource=\"{AUDIENCE}\"");
            let mut answer = refusal(401, "Unauthorized", None);
            let challenge = challenge.parse().unwrap();
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
            return answer;
        }
        if !asked.query.contains_key("api-version") {
            return refusal(400, "BadParameter", None);
        }
        if let Some((status, retry_after)) = self.faults.lock().pop_front() {
            let mut answer = refusal(status, "Throttled", None);
            if let Some(seconds) = retry_after {
                answer
                    .headers_mut()
                    .insert(header::RETRY_AFTER, seconds.into());
            }
            return answer;
        }
        *self.served.lock() += 1;
        let base = self.address.lock().clone();
        self.vault.lock().serve(&base, asked)
    }

    /// Takes none of the tokens any more that were given.
    pub fn revoke_all(&self) {
        self.tokens.lock().clear();
    }

    pub fn given(&self, scope: &str) -> usize {
        self.scopes.lock().get(scope).map_or(0, |(_, given)| *given)
    }

    pub fn fail_with(&self, faults: &[(u16, Option<u64>)]) {
        self.faults.lock().extend(faults.iter().copied());
    }
}

pub fn answer(status: u16, body: &Value) -> Answer {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .body(Full::new(body.to_string().into()))
        .unwrap()
}

/// As the vault refuses.
pub fn refusal(status: u16, code: &str, inner: Option<&str>) -> Answer {
    let inner = inner.map(|code| json!({ "code": code }));
    let error = json!({ "code": code, "message": "in words", "innererror": inner });
    answer(status, &json!({ "error": error }))
}
