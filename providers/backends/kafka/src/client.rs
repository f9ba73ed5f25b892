//! The connection.

use std::{
    error::Error,
    fmt,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    error::KafkaError,
    producer::{FutureProducer, Producer as _},
};
use tokio::{task::spawn_blocking, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};
use wrt_contract::CallContext;
use wrt_messaging::{DeliveryCounter, DeliveryCounts, Subscribers, TopicFilter};
use wrt_protocol::Name;
use wrt_runtime::{Backend, ServiceAddress, SettingsError};

use crate::{
    KafkaConfig,
    context::Context,
    messaging::{KeptReader, Replies},
    topics::Topics,
};

/// How long a message that nobody could send yet is tried: as long as the default budget of a call.
const SENT_WITHIN_MS: &str = "10000";
/// Messages on their way to the brokers, in KiB: one more is refused.
const ON_THE_WAY_KIB_MAX: &str = "65536";
/// How often it is looked why there is no answer yet.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Brokers of Kafka, as a provider. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Kafka(Arc<Parts>);

struct Parts {
    config: KafkaConfig,
    context: Context,
    producer: Option<FutureProducer<Context>>,
    topics: Arc<Topics>,
    replies: Replies,
    letters_reader: KeptReader,
    deliveries: Arc<DeliveryCounter>,
    subscribers: Subscribers,
    /// Whose subscriptions it has.
    app: OnceLock<Name>,
    /// Ends what the provider runs by itself.
    _ends: DropGuard,
    ended: CancellationToken,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Settings that no client can be made of: a file that is not there or no certificate.
    #[error("cannot make a client of Kafka: {reason}")]
    Settings {
        /// In the client's words.
        reason: String,
    },
    /// Brokers that refuse the login.
    #[error(
        "{brokers} refuses the login: set `sasl_mechanism`, `user` and `password`, or `certificate_file` and \
         `key_file`, to what it knows: {reason}"
    )]
    Login {
        /// The brokers.
        brokers: ServiceAddress,
        /// In a broker's words.
        reason: String,
    },
    /// Brokers that cannot be reached.
    #[error("cannot connect to {brokers}: {reason}")]
    Unreachable {
        /// The brokers.
        brokers: ServiceAddress,
        /// What was wrong last.
        reason: String,
    },
    /// A topic that the brokers do not hold.
    #[error(
        "no topic of the brokers is one of {topic}: make it, name it in `create_topics`, or subscribe \
         with `delivery = \"at-most-once\"`"
    )]
    NoTopic {
        /// The topic.
        topic: TopicFilter,
    },
    /// A subscription that cannot be.
    #[error("{0}")]
    Subscription(String),
    /// The brokers do not do what a subscription needs.
    #[error("{what}")]
    Broker {
        /// What was asked of them.
        what: String,
        /// What they said.
        source: KafkaError,
    },
}

impl Backend for Kafka {
    const NAME: &'static str = "kafka";
    const NODE_FILES: &'static [&'static str] = &["authority_file", "certificate_file", "key_file"];

    type ConnectOptions = KafkaConfig;
    type ConnectError = ConnectError;

    /// Once connected it stays usable: a lost connection is made anew by itself.
    async fn connect_with(config: KafkaConfig) -> Result<Self, ConnectError> {
        let context = Context::default();
        let settings = producer_settings(&config);
        let made: Result<FutureProducer<Context>, _> =
            settings.create_with_context(context.clone());
        let producer = made.map_err(|error| ConnectError::Settings {
            reason: without_values(&error),
        })?;
        let answered = first_answer(producer.clone(), &config, &context).await;
        if let Err(reason) = answered {
            let _waits = thread::spawn(move || drop(producer));
            let brokers = config.brokers.clone();
            return Err(match context.shut_out() {
                Some(reason) => ConnectError::Login { brokers, reason },
                None => ConnectError::Unreachable { brokers, reason },
            });
        }
        context.answered();
        let topics = Topics::new(producer.clone(), config.clone(), context.clone());
        let ended = CancellationToken::new();
        Ok(Self(Arc::new(Parts {
            config,
            context,
            producer: Some(producer),
            topics: Arc::new(topics),
            replies: Replies::default(),
            letters_reader: KeptReader::default(),
            deliveries: Arc::default(),
            subscribers: Subscribers::default(),
            app: OnceLock::new(),
            _ends: ended.clone().drop_guard(),
            ended,
        })))
    }

    fn is_for_good(error: &ConnectError) -> bool {
        match error {
            ConnectError::Settings { .. }
            | ConnectError::Login { .. }
            | ConnectError::NoTopic { .. }
            | ConnectError::Subscription(_) => true,
            ConnectError::Unreachable { .. } | ConnectError::Broker { .. } => false,
        }
    }

    fn check(config: &KafkaConfig) -> Result<(), SettingsError> {
        config.check()
    }

    /// Whether a broker answers, and every client goes on. It says what was wrong last, and not only that its
    /// time is over.
    async fn probe(&self, context: &CallContext) -> Result<(), Box<dyn Error + Send + Sync>> {
        if let Some(why) = self.context().over() {
            return Err(format!("kafka: a client does not go on, and is made anew: {why}").into());
        }
        let within = context.remaining().saturating_sub(LOOK_EVERY);
        let topic = self.config().reply_topic.clone();
        let producer = self.producer().clone();
        let asked = spawn_blocking(move || {
            producer
                .client()
                .fetch_metadata(Some(&topic), within)
                .map(drop)
        });
        match asked.await? {
            Ok(()) => {
                self.context().answered();
                Ok(())
            }
            Err(error) => Err(match (self.context().shut_out(), self.context().last()) {
                (Some(reason), _) => format!(
                    "kafka: the brokers do not let it in any more: deploy it with the login that they \
                     take now; it goes on to try: {reason}"
                ),
                (None, Some(reason)) => format!("kafka: {error}: {reason}"),
                (None, None) => format!("kafka: {error}"),
            }
            .into()),
        }
    }
}

impl Kafka {
    pub(crate) fn config(&self) -> &KafkaConfig {
        &self.0.config
    }

    pub(crate) fn context(&self) -> &Context {
        &self.0.context
    }

    pub(crate) fn producer(&self) -> &FutureProducer<Context> {
        let producer = self.0.producer.as_ref();
        producer.expect("it is taken when this is dropped")
    }

    pub(crate) fn topics(&self) -> &Arc<Topics> {
        &self.0.topics
    }

    pub(crate) fn replies(&self) -> &Replies {
        &self.0.replies
    }

    pub(crate) fn letters_reader(&self) -> &KeptReader {
        &self.0.letters_reader
    }

    /// Those whom it hands messages to.
    pub(crate) fn subscribers(&self) -> &Subscribers {
        &self.0.subscribers
    }

    pub(crate) fn serves_app(&self, app: &Name) {
        // A provider is one app's.
        let _first = self.0.app.set(app.clone());
    }

    pub(crate) fn app(&self) -> Option<&Name> {
        self.0.app.get()
    }

    pub(crate) fn deliveries(&self) -> &Arc<DeliveryCounter> {
        &self.0.deliveries
    }

    /// Is cancelled when the provider is gone.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.0.ended
    }

    /// What has become of the messages of its subscriptions.
    #[must_use]
    pub fn delivery_counts(&self) -> DeliveryCounts {
        self.0.deliveries.counts()
    }
}

/// A producer that is dropped waits for what it has sent, and a consumer until it is closed: no task of the node
/// does.
impl Drop for Parts {
    fn drop(&mut self) {
        let clients = (self.producer.take(), self.letters_reader.take());
        let _waits = thread::spawn(move || drop(clients));
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("config", self.config())
            .finish_non_exhaustive()
    }
}

/// Nothing twice by the client's own attempts, and nothing acknowledged that one broker alone has. A key is
/// where a client in Java would have it.
fn producer_settings(config: &KafkaConfig) -> ClientConfig {
    let mut settings = config.client();
    for (name, value) in [
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("linger.ms", "0"),
        ("batch.size", &config.wire_bytes_max().to_string()),
        ("partitioner", "murmur2_random"),
        ("allow.auto.create.topics", "false"),
        ("message.timeout.ms", SENT_WITHIN_MS),
        ("queue.buffering.max.kbytes", ON_THE_WAY_KIB_MAX),
    ] {
        settings.set(name, value);
    }
    settings
}

/// Waits for a broker's first answer, or for its no.
async fn first_answer(
    producer: FutureProducer<Context>,
    config: &KafkaConfig,
    context: &Context,
) -> Result<(), String> {
    let until = Instant::now() + Duration::from_millis(config.connect_timeout_ms);
    let (topic, context) = (config.reply_topic.clone(), context.clone());
    let asked = spawn_blocking(move || {
        loop {
            let answer = producer.client().fetch_metadata(Some(&topic), LOOK_EVERY);
            let Err(error) = answer else { return Ok(()) };
            if context.shut_out().is_some() || Instant::now() >= until {
                return Err(context.last().unwrap_or_else(|| error.to_string()));
            }
        }
    });
    asked.await.map_err(|error| error.to_string())?
}

/// An error of a setting quotes its value, which may be a secret.
fn without_values(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, reason, setting, _) => format!("{setting}: {reason}"),
        other => other.to_string(),
    }
}
