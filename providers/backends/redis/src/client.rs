//! The connection.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, ProtocolVersion, RedisError,
    RedisResult, ServerErrorKind, Value,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::Instant;
use wrt_contract::CallContext;
use wrt_keyvalue::{KeyValueError, KeyValueInterface, WasiKeyValue};
use wrt_protocol::{Fault, FaultKind, Hop};

use wrt_runtime::{Backend, Entry, Serves, ServiceAddress, SettingsError};

use crate::{
    RedisConfig,
    error::{failure, is_read_only, was_not_sent},
    eviction,
    layout::Layout,
};

/// How long sent bytes may stay unacknowledged by the peer's kernel before the connection counts as
/// lost. A server that is merely busy, or stopped, acknowledges.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// How often, at the most, a server that takes no writes is left for whoever answers under its name
/// now. Until the name leads elsewhere, each look finds the same one.
const LEAVE_INTERVAL: Duration = Duration::from_secs(1);

/// A Redis server, as a provider. Cheap to clone; clones share one connection, on which commands
/// are pipelined.
#[derive(Clone)]
pub struct Redis(Arc<Parts>);

struct Parts {
    layout: Layout,
    config: RedisConfig,
    client: Client,
    connection: Mutex<Connection>,
}

struct Connection {
    manager: ConnectionManager,
    made: Instant,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A URL that is none of Redis.
    #[error("{url} is not a Redis URL")]
    Url {
        /// The URL, without its password.
        url: ServiceAddress,
        /// What is wrong.
        source: RedisError,
    },
    /// A server that cannot be reached, or refuses the credentials.
    #[error("cannot connect to {url}")]
    Unreachable {
        /// The URL, without its password.
        url: ServiceAddress,
        /// What happened.
        source: RedisError,
    },
    /// A server that is to keep first answers, and that evicts keys when its memory is full.
    #[error(
        "{url} evicts keys when its memory is full (maxmemory-policy {policy}), first answers too: \
         set noeviction there, or leave `deduplicate_for_ms` out"
    )]
    Evicts {
        /// The URL, without its password.
        url: ServiceAddress,
        /// Which keys it evicts, in its words.
        policy: String,
    },
}

impl Backend for Redis {
    const NAME: &'static str = "redis";

    type ConnectOptions = RedisConfig;
    type ConnectError = ConnectError;

    /// Once connected it stays usable: a lost connection is made anew by itself.
    async fn connect_with(config: RedisConfig) -> Result<Self, ConnectError> {
        let RedisConfig { ref url, .. } = config;
        let client = client(url.reveal()).map_err(|source| ConnectError::Url {
            url: url.clone(),
            source,
        })?;
        let manager = ConnectionManager::new_with_config(client.clone(), manager_config(&config));
        let mut manager = manager.await.map_err(|source| ConnectError::Unreachable {
            url: url.clone(),
            source,
        })?;
        eviction::check(&config, &mut manager).await?;
        let connection = Connection {
            manager,
            made: Instant::now(),
        };
        Ok(Self(Arc::new(Parts {
            layout: Layout::under(&config.prefix),
            config,
            client,
            connection: Mutex::new(connection),
        })))
    }

    fn is_for_good(error: &ConnectError) -> bool {
        matches!(
            error,
            ConnectError::Url { .. } | ConnectError::Evicts { .. }
        )
    }

    fn check(config: &RedisConfig) -> Result<(), SettingsError> {
        config.check()
    }

    fn deduplicates_for_ms(config: &RedisConfig) -> Option<u64> {
        config.deduplicate_for_ms
    }

    /// Whether the server answers, and takes writes.
    async fn probe(&self, context: &CallContext) -> Result<(), Box<dyn Error + Send + Sync>> {
        let role = redis::cmd("ROLE");
        let is_replica = match self.answer::<Vec<Value>>(context, &role).await? {
            Ok(role) => matches!(role.first(), Some(name) if *name == text("slave")),
            // Not every user may ask; then a write will tell.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => false,
            Err(error) => return Err(failure(context, &error).into()),
        };
        if is_replica {
            self.leave();
            let detail = "redis: the server is a replica, and takes no writes";
            let fault = Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail);
            return Err(KeyValueError::Fault(fault.after(context.elapsed())).into());
        }
        Ok(self.run::<()>(context, &redis::cmd("PING")).await?)
    }
}

impl Serves<WasiKeyValue> for Redis {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<KeyValueInterface>(|redis| redis);
    }
}

impl Redis {
    /// For how long first answers are kept.
    pub(crate) fn deduplicate_for_ms(&self) -> Option<u64> {
        self.0.config.deduplicate_for_ms
    }

    /// Where its buckets are.
    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// Runs a command until the call's deadline.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        context: &CallContext,
        command: &Cmd,
    ) -> Result<T, KeyValueError> {
        let answer = self.answer(context, command).await?;
        answer.map_err(|error| failure(context, &error))
    }

    /// As [`Redis::run`], with the server's own error.
    pub(crate) async fn answer<T: FromRedisValue>(
        &self,
        context: &CallContext,
        command: &Cmd,
    ) -> Result<RedisResult<T>, KeyValueError> {
        let work = async {
            let mut manager = self.connection().manager.clone();
            match command.query_async(&mut manager).await {
                // That is how its *last* attempt to connect ended; it has begun another one.
                Err(error) if was_not_sent(&error) => command.query_async(&mut manager).await,
                // Refused, so it has changed nothing.
                Err(error) if is_read_only(&error) && self.leave() => {
                    let mut manager = self.connection().manager.clone();
                    command.query_async(&mut manager).await
                }
                answer => answer,
            }
        };
        Ok(context.bound(Hop::Backend, work).await?)
    }

    /// Leaves a server that takes no writes: after a failover its address may lead to another one,
    /// while the connection to the old one stays open. Whether it was not left a moment ago.
    fn leave(&self) -> bool {
        let Parts { config, client, .. } = &*self.0;
        let mut connection = self.connection();
        if connection.made.elapsed() < LEAVE_INTERVAL {
            return false;
        }
        tracing::warn!(url = %config.url, "the server takes no writes: connecting anew");
        let made = ConnectionManager::new_lazy_with_config(client.clone(), manager_config(config));
        match made {
            Ok(manager) => {
                let made = Instant::now();
                *connection = Connection { manager, made };
                true
            }
            // Its settings were right before.
            Err(error) => {
                tracing::warn!(%error, "no new connection");
                false
            }
        }
    }

    /// Held for no longer than it takes to clone or to replace.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.connection.lock()
    }
}

/// No retries and no timeout for answers in there: a call that finds no server says so at once, and
/// the one that waits for an answer knows its own deadline.
fn manager_config(config: &RedisConfig) -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(config.connect_timeout()))
        .set_response_timeout(None)
}

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("url", &self.0.config.url)
            .finish_non_exhaustive()
    }
}

fn client(url: &str) -> RedisResult<Client> {
    // An error means that the process has chosen a provider of cryptography already.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let info = url.into_connection_info()?;
    // In version 3 of the protocol the client hears of a lost connection while it is idle, and not
    // from the first command that it sends into the void.
    let redis_settings = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3);
    let tcp_settings = info.tcp_settings().clone().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tcp_settings = tcp_settings.set_user_timeout(UNACKNOWLEDGED_MAX);
    Client::open(
        info.set_redis_settings(redis_settings)
            .set_tcp_settings(tcp_settings),
    )
}
