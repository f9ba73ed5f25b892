//! The connection.

use std::{
    error::Error,
    fmt, future,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event, ServerAddr, jetstream};
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;
use wrt_contract::CallContext;
use wrt_keyvalue::{KeyValueInterface, WasiKeyValue};
use wrt_messaging::{DeliveryCounter, DeliveryCounts, Subscribers, TopicFilter};
use wrt_nats_login::{Discovery, LoginError, is_told_refusal};
use wrt_protocol::Name;
use wrt_runtime::{
    Backend, Entry, Serves, ServiceAddress, ServicePermissions, SettingsError, Usage,
};

use crate::{
    NatsConfig,
    attempt::{Failure, attempts},
    blobstore::Containers,
    config_bucket::ConfigBucket,
    keyvalue::Buckets,
    messaging::StreamsByTopic,
    permissions,
};

/// After this long without a word from the server it is asked for one; two unanswered questions end
/// the connection.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// What `wrt ps` shows of a provider whose password is another one now.
const SHUT_OUT: &str = "nats: the server does not let it in any more: deploy it with the login that the \
     server takes now; it goes on to try";

/// The longest pause between two attempts to connect again.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// NATS servers, as a provider. Cheap to clone; clones share one connection.
#[derive(Clone)]
pub struct Nats(Arc<Parts>);

/// The same, for work that ends with the provider.
pub(crate) struct WeakNats(Weak<Parts>);

impl WeakNats {
    pub(crate) fn upgrade(&self) -> Option<Nats> {
        self.0.upgrade().map(Nats)
    }
}

struct Parts {
    config: NatsConfig,
    client: Client,
    jetstream: jetstream::Context,
    buckets: Buckets,
    containers: Containers,
    config_bucket: Option<ConfigBucket>,
    /// The server has refused its login since the connection was lost.
    is_shut_out: Arc<AtomicBool>,
    streams: StreamsByTopic,
    deliveries: Arc<DeliveryCounter>,
    subscribers: Subscribers,
    /// Whose messages it subscribes for.
    app: OnceLock<Name>,
    _discovery: AbortOnDropHandle<()>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Servers that are no addresses.
    #[error("{url} is not a NATS address")]
    Url {
        /// The servers, without passwords.
        url: ServiceAddress,
        /// What is wrong.
        source: std::io::Error,
    },
    /// A login that cannot be tried.
    #[error("cannot log in")]
    Login(#[from] LoginError),
    /// Servers that cannot be reached, or do not take the login.
    #[error("cannot connect to {url}")]
    Unreachable {
        /// The servers, without passwords.
        url: ServiceAddress,
        /// What happened.
        source: async_nats::ConnectError,
    },
    /// A topic that nobody keeps messages of.
    #[error(
        "no stream holds the topic {topic}: make one, or subscribe with `delivery = \"at-most-once\"`"
    )]
    NoStream {
        /// The topic.
        topic: TopicFilter,
    },
    /// A subscription that cannot be.
    #[error("{0}")]
    Subscription(String),
    /// JetStream does not do what a subscription needs.
    #[error("{what}")]
    JetStream {
        /// What was asked of it.
        what: String,
        /// What it said.
        source: async_nats::Error,
    },
}

impl Backend for Nats {
    const NAME: &'static str = "nats";
    const NODE_FILES: &'static [&'static str] =
        &["nkey_file", "credentials_file", "authority_file"];

    type ConnectOptions = NatsConfig;
    type ConnectError = ConnectError;

    /// Once connected it stays usable: a lost connection is made anew by itself.
    async fn connect_with(config: NatsConfig) -> Result<Self, ConnectError> {
        let url = &config.url;
        let servers: Result<Vec<ServerAddr>, _> = url.reveal_each().map(str::parse).collect();
        let servers = servers.map_err(|source| ConnectError::Url {
            url: url.clone(),
            source,
        })?;
        let options = ConnectOptions::new()
            .name("wrt-nats")
            .connection_timeout(Duration::from_millis(config.connect_timeout_ms))
            .ping_interval(PING_INTERVAL)
            .reconnect_delay_callback(|attempts| {
                let pause =
                    Duration::from_millis(20) * u32::try_from(attempts).unwrap_or(u32::MAX).min(50);
                pause.min(RECONNECT_PAUSE_MAX)
            });
        let is_shut_out = Arc::<AtomicBool>::default();
        let noticing = Arc::clone(&is_shut_out);
        let deliveries = Arc::<DeliveryCounter>::default();
        let losing = Arc::clone(&deliveries);
        let options = options.event_callback(move |event| {
            match event {
                Event::Connected => noticing.store(false, Relaxed),
                // What waits for a subscription's task is over the client's bound.
                Event::SlowConsumer(_) => {
                    losing.dropped();
                }
                Event::ClientError(error) if is_told_refusal(&error) => {
                    noticing.store(true, Relaxed);
                }
                _ => {}
            }
            future::ready(())
        });
        let login = config.login();
        let options = login.apply(options, &servers).await?;
        let client =
            options
                .connect(&servers)
                .await
                .map_err(|source| ConnectError::Unreachable {
                    url: url.clone(),
                    source,
                })?;
        let discovery = Discovery::new(login, servers).run(vec![client.clone()]);
        let jetstream = jetstream::new(client.clone());
        let buckets = Buckets::default();
        let follow = |bucket: &String| ConfigBucket::follow(jetstream.clone(), bucket.clone());
        let config_bucket = config.config_bucket.as_ref().map(follow);
        Ok(Self(Arc::new(Parts {
            config,
            client,
            jetstream,
            buckets,
            containers: Containers::default(),
            config_bucket,
            is_shut_out,
            streams: StreamsByTopic::default(),
            deliveries,
            subscribers: Subscribers::default(),
            app: OnceLock::new(),
            _discovery: AbortOnDropHandle::new(tokio::spawn(discovery)),
        })))
    }

    fn is_for_good(error: &ConnectError) -> bool {
        match error {
            ConnectError::Url { .. }
            | ConnectError::NoStream { .. }
            | ConnectError::Subscription(_) => true,
            ConnectError::Login(_)
            | ConnectError::Unreachable { .. }
            | ConnectError::JetStream { .. } => false,
        }
    }

    fn check(config: &NatsConfig) -> Result<(), SettingsError> {
        config.check()
    }

    fn deduplicates_for_ms(config: &NatsConfig) -> Option<u64> {
        config.deduplicate_for_ms
    }

    fn permissions(config: &NatsConfig, usage: &Usage<'_>) -> Option<ServicePermissions> {
        Some(permissions::least(config, usage))
    }

    /// Whether JetStream answers, and keeps first answers where it is to. It says what was wrong last,
    /// and not only that its time is over.
    async fn probe(&self, context: &CallContext) -> Result<(), Box<dyn Error + Send + Sync>> {
        let last = Mutex::new(None);
        let asked = attempts(context, self.client(), |_earlier| async {
            let answer = self.answers_once().await;
            if let Err(Failure::NotDone(reason)) = &answer {
                *last.lock() = Some(reason.clone());
            }
            answer
        });
        let Err(error) = asked.await else {
            return Ok(());
        };
        Err(match last.into_inner() {
            Some(reason) => format!("nats: {reason}").into(),
            None if self.0.is_shut_out.load(Relaxed) => SHUT_OUT.into(),
            None => error.into(),
        })
    }
}

impl Serves<WasiKeyValue> for Nats {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<KeyValueInterface>(|nats| nats);
    }
}

impl Nats {
    async fn answers_once(&self) -> Result<(), Failure> {
        let account = self.jetstream().query_account().await;
        account.map_err(|error| Failure::not_done(&error))?;
        self.answers_are_kept().await
    }

    pub(crate) fn config(&self) -> &NatsConfig {
        &self.0.config
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn jetstream(&self) -> &jetstream::Context {
        &self.0.jetstream
    }

    pub(crate) fn config_bucket(&self) -> Option<&ConfigBucket> {
        self.0.config_bucket.as_ref()
    }

    pub(crate) fn streams(&self) -> &StreamsByTopic {
        &self.0.streams
    }

    pub(crate) fn deliveries(&self) -> &Arc<DeliveryCounter> {
        &self.0.deliveries
    }

    pub(crate) fn serves_app(&self, app: &Name) {
        // A provider is one app's.
        let _first = self.0.app.set(app.clone());
    }

    pub(crate) fn app(&self) -> Option<&Name> {
        self.0.app.get()
    }

    pub(crate) fn subscribers(&self) -> &Subscribers {
        &self.0.subscribers
    }

    /// What has become of the messages of its subscriptions.
    #[must_use]
    pub fn delivery_counts(&self) -> DeliveryCounts {
        self.0.deliveries.counts()
    }

    pub(crate) fn containers(&self) -> &Containers {
        &self.0.containers
    }

    pub(crate) fn downgrade(&self) -> WeakNats {
        WeakNats(Arc::downgrade(&self.0))
    }

    pub(crate) fn buckets(&self) -> &Buckets {
        &self.0.buckets
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("config", self.config())
            .finish_non_exhaustive()
    }
}
