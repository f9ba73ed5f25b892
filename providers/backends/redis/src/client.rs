//! The connection.

use std::{error::Error, fmt, time::Duration};

use redis::{
    Client, Cmd, FromRedisValue, IntoConnectionInfo, ProtocolVersion, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use wrt_contract::CallContext;
use wrt_keyvalue::{KeyValueError, KeyValueInterface, WasiKeyValue};
use wrt_protocol::Hop;

use wrt_runtime::{Backend, Entry, Serves, ServiceAddress};

use crate::{
    RedisConfig,
    error::{failure, was_not_sent},
};

/// How long sent bytes may stay unacknowledged by the peer's kernel before the connection counts as
/// lost. A server that is merely busy, or stopped, acknowledges.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// A Redis server, as a provider. Cheap to clone; clones share one connection, on which commands
/// are pipelined.
#[derive(Clone)]
pub struct Redis {
    manager: ConnectionManager,
    url: ServiceAddress,
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
        // No retries and no timeout for answers in there: a call that finds no server says so at
        // once, and the one that waits for an answer knows its own deadline.
        let manager_config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(config.connect_timeout()))
            .set_response_timeout(None);
        let manager = ConnectionManager::new_with_config(client, manager_config);
        let manager = manager.await.map_err(|source| ConnectError::Unreachable {
            url: url.clone(),
            source,
        })?;
        Ok(Self {
            manager,
            url: config.url,
        })
    }

    fn is_for_good(error: &ConnectError) -> bool {
        matches!(error, ConnectError::Url { .. })
    }

    async fn probe(&self, context: &CallContext) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.run::<()>(context, &redis::cmd("PING")).await?)
    }
}

impl Serves<WasiKeyValue> for Redis {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<KeyValueInterface>(|redis| redis);
    }
}

impl Redis {
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
            let mut manager = self.manager.clone();
            match command.query_async(&mut manager).await {
                // That is how its *last* attempt to connect ended; it has begun another one.
                Err(error) if was_not_sent(&error) => command.query_async(&mut manager).await,
                answer => answer,
            }
        };
        Ok(context.bound(Hop::Backend, work).await?)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("url", &self.url)
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
