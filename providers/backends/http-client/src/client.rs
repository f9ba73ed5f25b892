//! The provider.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::{FutureExt, future::Either};
use http::{Method, Request, Response, StatusCode, Uri, header, request};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        Client, Error,
        connect::{CaptureConnection, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use wrt_contract::{Body, CallContext, async_trait, until};
use wrt_http::{
    HttpClient, HttpClientInterface, HttpError, RequestHead, RequestOptions, ResponseHead,
    WasiHttp, from_http_ahead, strip_hop_by_hop, with_patience,
};
use wrt_runtime::{Backend, Entry, Serves, SettingsError};
use wrt_websocket::Peers;

use crate::{
    AllowList, CertificateError, Http2, HttpClientConfig,
    body::{HeldBody, RequestBody},
    connector::{Connector, ConnectorParts},
    error::{Stage, of_request},
    head, limits,
    pace::Pace,
    places::{InUse, Place, Places},
    resolver::Resolver,
    target::{Refused, Target, Targets},
    tls::client_config,
    websocket::WebSockets,
};

/// Sends requests to wherever its settings allow.
pub struct HyperClient {
    client: Client<Connector, RequestBody>,
    connector: Arc<ConnectorParts>,
    pub(crate) sockets: Arc<WebSockets>,
    targets: Targets,
    times: Times,
    connections_max: usize,
    headers_max: usize,
    head_bytes_max: u32,
    requests: AtomicU64,
    denied: AtomicU64,
}

/// Why a client cannot be set up; neither mends itself.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Settings that are refused.
    #[error("the settings are refused")]
    Config(#[from] SettingsError),
    /// Certificates that cannot be used.
    #[error("the certificates cannot be used")]
    Certificates(#[from] CertificateError),
    /// The runtime stops.
    #[error("the runtime stops")]
    Stopping,
}

/// The head of an answer, and its body to come.
trait Answer: Future<Output = Result<Response<HeldBody>, HttpError>> + Unpin + Send {}

impl<T> Answer for T where T: Future<Output = Result<Response<HeldBody>, HttpError>> + Unpin + Send {}

/// What a client has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpClientCounts {
    /// Requests that it was asked for.
    pub requests: u64,
    /// Those that no rule allows, by their host.
    pub denied: u64,
    /// Connections that are open or being made.
    pub connections: usize,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

impl Times {
    /// A guest may ask for less, and never for more.
    fn within(self, options: RequestOptions) -> Self {
        let less = |own: Duration, asked: Option<Duration>| asked.map_or(own, |time| time.min(own));
        Self {
            connect: less(self.connect, options.connect_timeout),
            first_byte: less(self.first_byte, options.first_byte_timeout),
            between_bytes: less(self.between_bytes, options.between_bytes_timeout),
        }
    }
}

impl Backend for HyperClient {
    const NAME: &'static str = "http-client";
    const NODE_FILES: &'static [&'static str] = &["certificates"];

    type ConnectOptions = HttpClientConfig;
    type ConnectError = SetupError;

    async fn connect_with(config: HttpClientConfig) -> Result<Self, SetupError> {
        Self::new(config).await
    }

    fn is_for_good(error: &SetupError) -> bool {
        !matches!(error, SetupError::Stopping)
    }

    fn check(config: &HttpClientConfig) -> Result<(), SettingsError> {
        config.validate()
    }
}

impl Serves<WasiHttp> for HyperClient {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<HttpClientInterface>(|client| client);
    }
}

impl HyperClient {
    /// A client with these settings. Nothing is connected to yet.
    ///
    /// # Errors
    /// Settings or certificates that cannot be used.
    pub async fn new(config: HttpClientConfig) -> Result<Self, SetupError> {
        config.validate()?;
        let (config, tls) = tokio::task::spawn_blocking(move || {
            let tls = client_config(&config);
            (config, tls)
        })
        .await
        .map_err(|_stopping| SetupError::Stopping)?;
        let connections_max = config.connections_max as usize;
        let connector = Arc::new(ConnectorParts {
            allow: AllowList::new(config.allow.clone()),
            resolver: Resolver::new(&config.resolve),
            tls: TlsConnector::from(Arc::new(tls?)),
            http2: config.http2,
            timeout: config.connect_timeout(),
            places: Places::new(connections_max),
        });
        let sockets = WebSockets::new(connector.for_upgrades(), config.first_byte_timeout());
        Ok(Self {
            client: pool(&config, Connector(Arc::clone(&connector))),
            connector,
            sockets: Arc::new(sockets),
            targets: Targets::default(),
            times: Times {
                connect: config.connect_timeout(),
                first_byte: config.first_byte_timeout(),
                between_bytes: config.between_bytes_timeout(),
            },
            connections_max,
            headers_max: config.headers_max as usize,
            head_bytes_max: config.head_bytes_max,
            requests: AtomicU64::new(0),
            denied: AtomicU64::new(0),
        })
    }

    /// The other ends of the websockets that it opens, as others reach them, and how they ask for one.
    #[must_use]
    pub fn peers(&self) -> Arc<dyn Peers> {
        self.sockets.clone()
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> HttpClientCounts {
        HttpClientCounts {
            requests: self.requests.load(Relaxed),
            denied: self.denied.load(Relaxed),
            connections: self.connections_max - self.connector.places.free(),
        }
    }

    fn target(&self, uri: &Uri) -> Result<Arc<Target>, HttpError> {
        let target = self.targets.of(uri, &self.connector.allow);
        if !matches!(target, Err(Refused::Unnamed(_))) {
            self.requests.fetch_add(1, Relaxed);
        }
        target.map_err(|refused| match refused {
            Refused::Unnamed(error) => error,
            Refused::Denied(origin) => {
                self.denied.fetch_add(1, Relaxed);
                let host = origin.authority();
                tracing::warn!(
                    host,
                    "a request was refused: no rule names its host and port"
                );
                HttpError::HttpRequestDenied
            }
        })
    }

    /// Sends what may be sent.
    fn sent<'a>(
        &'a self,
        context: &CallContext,
        request: RequestHead,
        body: Body<HttpError>,
        pace: &Arc<Pace>,
    ) -> Result<impl Answer + use<'a>, HttpError> {
        let target = self.target(&request.uri)?;
        let head = head::outgoing(request.into(), &target, context.trace())?;
        Ok(match framed(head, body, pace)? {
            Framed::Yes(request) => Either::Left(self.request(request)),
            // In a box: few requests are of this kind.
            Framed::Unknown(request) => Either::Right(Box::pin(async move {
                let request = looked_at(request).await?;
                self.request(request).await
            })),
        })
    }

    /// Sends a request, on a connection that counts as in use until the body of the answer has ended.
    fn request(&self, mut request: Request<RequestBody>) -> impl Answer + use<> {
        // A connection of HTTP/1 knows by itself when it has a request.
        if !self.connector.may_multiplex(request.uri()) {
            return Either::Left(self.client.request(request).map(answered));
        }
        let captured = capture_connection(&mut request);
        let mut answer = self.client.request(request).map(answered);
        // In a box: the future of every request has room for it.
        let answer = Box::pin(async move {
            tokio::select! {
                biased;
                answer = &mut answer => answer,
                _in_use = connected(captured) => answer.await,
            }
        });
        Either::Right(answer)
    }

    /// Waits for the head of the response, as long as each step may take.
    async fn answer(
        &self,
        mut answer: impl Answer,
        pace: &Pace,
        times: Times,
        deadline: Instant,
    ) -> Result<Response<HeldBody>, HttpError> {
        // The connector knows what the time went on, and says so when it is up: it goes first.
        let grace = match times.connect < self.times.connect {
            true => Duration::ZERO,
            false => limits::CONNECT_GRACE,
        };
        let connect_until = pace.origin() + times.connect + grace;
        let mut looked = pace.origin();
        loop {
            let last = pace.last();
            let end = match last {
                Some(last) => last + times.first_byte,
                // Nobody says when a connection takes the request: looked at so often, it is seen in
                // time.
                None => connect_until.min(looked + times.first_byte),
            };
            if let Some(answer) = until(deadline.min(end), &mut answer).await {
                return answer;
            }
            looked = Instant::now();
            let is_late = (last.is_some() || looked >= connect_until) && pace.last() == last;
            if is_late || looked >= deadline {
                return Err(match pace.last() {
                    None => HttpError::ConnectionTimeout,
                    Some(_) if looked >= deadline => HttpError::HttpResponseTimeout,
                    Some(_) => HttpError::ConnectionReadTimeout,
                });
            }
        }
    }
}

#[async_trait]
impl HttpClient for HyperClient {
    async fn send(
        &self,
        context: &CallContext,
        request: RequestHead,
        options: RequestOptions,
        body: Body<HttpError>,
    ) -> Result<(ResponseHead, Body<HttpError>), HttpError> {
        let times = self.times.within(options);
        let pace = Arc::new(Pace::new());
        // Not `async`: the future of the call would keep room for each form that the head has on its way.
        let answer = self.sent(context, request, body, &pace)?;
        let answer = self.answer(answer, &pace, times, context.deadline());
        let (mut head, incoming) = ResponseHead::split(answer.await?);
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(HttpError::HttpUpgradeFailed);
        }
        // HTTP/2 knows a limit of bytes alone.
        if head.headers.len() > self.headers_max {
            return Err(HttpError::HttpResponseHeaderSectionSize(None));
        }
        head::check_response(&mut head.headers, self.head_bytes_max)?;
        strip_hop_by_hop(&mut head.headers);
        Ok((head, with_patience(received(incoming), times.between_bytes)))
    }
}

/// The body of a response, of the length that the server has announced.
fn received(body: HeldBody) -> Body<HttpError> {
    if body.is_end_stream() {
        return Body::empty();
    }
    let length = body.size_hint().exact();
    from_http_ahead(body, length, |error| of_request(&error, Stage::Body))
}

/// An answer, which uses its connection until its body has ended. It may be another connection than the
/// one that the request was for at first: that may have been closed before it was sent.
fn answered(answer: Result<Response<Incoming>, Error>) -> Result<Response<HeldBody>, HttpError> {
    let answer = answer.map_err(|error| of_request(&error, Stage::Head))?;
    let place = answer.extensions().get::<Arc<Place>>();
    let in_use = place.map(Place::answered);
    Ok(answer.map(|body| HeldBody::new(body, in_use)))
}

/// The connection that a request has got.
async fn connected(mut captured: CaptureConnection) -> Option<InUse> {
    let mut extensions = http::Extensions::new();
    let connected = captured.wait_for_connection_metadata().await;
    connected.as_ref()?.get_extras(&mut extensions);
    extensions.get::<Arc<Place>>().map(Place::used)
}

fn pool(config: &HttpClientConfig, connector: Connector) -> Client<Connector, RequestBody> {
    let head_bytes = config.head_bytes_max;
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(config.idle_timeout())
        .pool_max_idle_per_host(config.idle_connections_per_host_max as usize)
        .http1_max_buf_size(head_bytes as usize)
        .http1_max_headers(config.headers_max as usize)
        .http2_only(config.http2 == Http2::PriorKnowledge)
        .http2_initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(head_bytes)
        .http2_max_send_buf_size(limits::SEND_BUFFER_BYTES_MAX)
        .http2_keep_alive_interval(limits::PING_INTERVAL)
        .http2_keep_alive_timeout(limits::PING_TIMEOUT)
        .build(connector)
}

/// A request whose head and body say the same of its length.
enum Framed {
    /// It does, or has no need to.
    Yes(Request<RequestBody>),
    /// Only its first frame tells whether it has a body.
    Unknown(Request<RequestBody>),
}

fn framed(
    mut head: request::Parts,
    body: Body<HttpError>,
    pace: &Arc<Pace>,
) -> Result<Framed, HttpError> {
    let length = body.length();
    let announced = head::announced(&head.headers)?;
    if let (Some(announced), Some(length)) = (announced, length)
        && announced != length
    {
        return Err(HttpError::HttpRequestBodySize(Some(length)));
    }
    let length = announced.or(length);
    let is_expected = head::has_meaningful_body(&head.method);
    if let Some(length) = length
        // A body of no bytes is worth a word where the method makes one expect a body.
        && (length > 0 || announced.is_some() || is_expected)
    {
        head.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    let body = RequestBody::new(body.into(), length, Arc::clone(pace));
    let request = Request::from_parts(head, body);
    Ok(match length.is_some() || is_expected {
        true => Framed::Yes(request),
        false => Framed::Unknown(request),
    })
}

/// The request, once it is known whether it has a body.
async fn looked_at(mut request: Request<RequestBody>) -> Result<Request<RequestBody>, HttpError> {
    if !request.body_mut().has_frames().await? {
        request.body_mut().set_empty();
    } else if matches!(*request.method(), Method::GET | Method::HEAD) {
        // Without this hyper takes it that a GET has no body, and drops what is there.
        let chunked = header::HeaderValue::from_static("chunked");
        request
            .headers_mut()
            .insert(header::TRANSFER_ENCODING, chunked);
    }
    Ok(request)
}
