//! The backends, and how each is reached.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use serde::de::DeserializeOwned;
use wrt_contract::{CallContext, Interface, Offer};
use wrt_http::{HttpClient, HttpClientInterface, HttpHandlerInterface};
use wrt_http_client::{HttpClientConfig, HyperClient};
use wrt_http_server::{BindError, HttpServer, HttpServerConfig};
use wrt_keyvalue::{KeyValue, KeyValueInterface, MemoryConfig, MemoryKeyValue};
use wrt_nats::{self as nats, Nats, NatsConfig};
use wrt_redis::{self as redis, Redis, RedisConfig};
use wrt_supervision::{Probe, StartError};

use super::{Connected, ProviderEntry, TriggerEntry, TriggerServer, TriggerSettings};

/// How long a provider's service may take to answer a probe; supervision waits a little longer.
const PROBE_BUDGET: Duration = Duration::from_millis(1800);

pub(super) const MEMORY: ProviderEntry = ProviderEntry {
    name: "memory",
    offers: &[KeyValueInterface::NAME],
    check: check::<MemoryConfig>,
    connect: |config, gate| {
        async move {
            let store: Arc<dyn KeyValue> = Arc::new(MemoryKeyValue::new(settings(config)?));
            let offers = vec![Offer::new::<KeyValueInterface>(store, &gate)];
            Ok(Connected {
                offers,
                probe: None,
            })
        }
        .boxed()
    },
};

pub(super) const REDIS: ProviderEntry = ProviderEntry {
    name: "redis",
    offers: &[KeyValueInterface::NAME],
    check: check::<RedisConfig>,
    connect: |config, gate| {
        async move {
            let connected = Redis::connect(settings(config)?).await;
            let redis = Arc::new(connected.map_err(|error| match error {
                redis::ConnectError::Url { .. } => refused(error),
                redis::ConnectError::Unreachable { .. } => StartError::Transient(Box::new(error)),
            })?);
            let store = Arc::clone(&redis) as Arc<dyn KeyValue>;
            let probe = probe(move |context| {
                let redis = Arc::clone(&redis);
                async move {
                    redis
                        .probe(&context)
                        .await
                        .map_err(|error| error.to_string())
                }
            });
            let offers = vec![Offer::new::<KeyValueInterface>(store, &gate)];
            Ok(Connected {
                offers,
                probe: Some(probe),
            })
        }
        .boxed()
    },
};

pub(super) const NATS: ProviderEntry = ProviderEntry {
    name: "nats",
    offers: &[KeyValueInterface::NAME],
    check: check::<NatsConfig>,
    connect: |config, gate| {
        async move {
            let connected = Nats::connect(settings(config)?).await;
            let nats = Arc::new(connected.map_err(|error| match error {
                nats::ConnectError::Config(_) | nats::ConnectError::Url { .. } => refused(error),
                nats::ConnectError::Credentials { .. } | nats::ConnectError::Unreachable { .. } => {
                    StartError::Transient(Box::new(error))
                }
            })?);
            let store = Arc::clone(&nats) as Arc<dyn KeyValue>;
            let probe = probe(move |context| {
                let nats = Arc::clone(&nats);
                async move {
                    nats.probe(&context)
                        .await
                        .map_err(|error| error.to_string())
                }
            });
            let offers = vec![Offer::new::<KeyValueInterface>(store, &gate)];
            Ok(Connected {
                offers,
                probe: Some(probe),
            })
        }
        .boxed()
    },
};

pub(super) const HTTP_CLIENT: ProviderEntry = ProviderEntry {
    name: "http-client",
    offers: &[HttpClientInterface::NAME],
    check: check_http_client,
    connect: |config, gate| {
        async move {
            // Nothing to probe: whether a server out there answers is said by each request.
            let client = HyperClient::new(settings(config)?).await.map_err(refused)?;
            let client: Arc<dyn HttpClient> = Arc::new(client);
            let offers = vec![Offer::new::<HttpClientInterface>(client, &gate)];
            Ok(Connected {
                offers,
                probe: None,
            })
        }
        .boxed()
    },
};

fn check_http_client(config: toml::Table) -> Result<(), String> {
    let parsed: Result<HttpClientConfig, toml::de::Error> = config.try_into();
    let config = parsed.map_err(|error| error.message().to_owned())?;
    config.validate().map_err(|error| error.to_string())
}

pub(super) const HTTP_SERVER: TriggerEntry = TriggerEntry {
    name: "http-server",
    calls: HttpHandlerInterface::NAME,
    check: check_http_server,
    start: |settings| start_http_server(settings).boxed(),
};

/// What a trigger has of its own is not among its backend's settings.
fn check_http_server(config: toml::Table) -> Result<(), String> {
    let of_the_trigger = ["address", "routes", "request_timeout_ms"];
    match of_the_trigger
        .into_iter()
        .find(|field| config.contains_key(*field))
    {
        Some(field) => Err(format!("`{field}` is a field of the trigger itself")),
        None => check::<HttpServerConfig>(config),
    }
}

async fn start_http_server(trigger: TriggerSettings) -> Result<TriggerServer, StartError> {
    let TriggerSettings {
        desired,
        config,
        handlers,
    } = trigger;
    let mut config: HttpServerConfig = settings(config)?;
    config.address = desired.address.parse().map_err(refused)?;
    config.request_timeout = Duration::from_millis(desired.request_timeout_ms);
    let route = |route: &wrt_deployment::Route| wrt_http_server::Route {
        host: Some(route.host.clone()),
        path: route.path.clone(),
        component: route.component.clone(),
    };
    config.routes = desired.routes.iter().map(route).collect();
    let bound = HttpServer::bind(config, |component| Some(handlers(component))).await;
    let server = Arc::new(bound.map_err(|error| match error {
        BindError::Listen { .. } => StartError::Transient(Box::new(error)),
        BindError::Config(_) | BindError::NoHandler { .. } => refused(error),
    })?);
    let (counted, drained) = (Arc::clone(&server), Arc::clone(&server));
    Ok(TriggerServer {
        address: reachable(server.local_addr()),
        load: Box::new(move || {
            let counts = counted.counts();
            (counts.requests_in_flight, counts.requests)
        }),
        drain: Box::new(move |patience| {
            let server = Arc::clone(&drained);
            async move { server.drain(patience).await }.boxed()
        }),
    })
}

fn probe<F>(ask: impl Fn(CallContext) -> F + Send + Sync + 'static) -> Probe
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    Arc::new(move || ask(CallContext::with_budget(PROBE_BUDGET)).boxed())
}

/// The address as somebody on this machine can use it.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// The settings of a backend, unknown ones refused.
fn settings<T: DeserializeOwned>(config: toml::Table) -> Result<T, StartError> {
    config.try_into().map_err(refused)
}

fn check<T: DeserializeOwned>(config: toml::Table) -> Result<(), String> {
    let parsed: Result<T, toml::de::Error> = config.try_into();
    parsed.map(drop).map_err(|error| error.message().to_owned())
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> StartError {
    StartError::Refused(Box::new(error))
}
