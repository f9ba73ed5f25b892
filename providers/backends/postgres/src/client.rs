//! The pool of connections.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool as Connections, RecyclingMethod, Runtime,
};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres_rustls::MakeRustlsConnect;
use wrt_contract::{CallContext, Gate, LeaseLimits};
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_runtime::{Backend, Entry, Serves, ServiceAddress, SettingsError};
use wrt_sql::{Pool, SqlError, SqlInterface, SqlProvider, WrtSql};

use crate::{
    PostgresConfig,
    error::{is_refused_for_good, no_connection, words},
    session::PostgresSession,
    tls::{TlsError, client_config},
};

/// A Postgres server, as a provider. Cheap to clone; clones share one pool.
#[derive(Clone)]
pub struct Postgres(Arc<Parts>);

pub(crate) struct Parts {
    config: PostgresConfig,
    connections: Connections,
    tls: MakeRustlsConnect,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A URL that is none of Postgres.
    #[error("{url}: {why}")]
    Url {
        /// The URL, without its password.
        url: ServiceAddress,
        /// What is wrong.
        why: String,
    },
    /// Files that cannot be used.
    #[error("TLS cannot be set up")]
    Tls(#[source] TlsError),
    /// A server that does not take the user, or has no such database.
    #[error("{url} refuses: {why}")]
    Refused {
        /// The URL, without its password.
        url: ServiceAddress,
        /// What it says.
        why: String,
    },
    /// A server that cannot be reached, or is not the one that is wanted.
    #[error("cannot connect to {url}: {why}")]
    Unreachable {
        /// The URL, without its password.
        url: ServiceAddress,
        /// What happened.
        why: String,
    },
}

impl Backend for Postgres {
    const NAME: &'static str = "postgres";

    const NODE_FILES: &'static [&'static str] = &["authority_file", "certificate_file", "key_file"];

    type ConnectOptions = PostgresConfig;
    type ConnectError = ConnectError;

    /// Once connected it stays usable: a connection that is lost is left, and another one made.
    async fn connect_with(config: PostgresConfig) -> Result<Self, ConnectError> {
        let url = config.url.clone();
        let parsed = config.parsed();
        let parsed = parsed.map_err(|why| ConnectError::Url {
            url: url.clone(),
            why,
        })?;
        let of_files = config.clone();
        let read = tokio::task::spawn_blocking(move || client_config(&of_files)).await;
        let tls = match read {
            Ok(tls) => MakeRustlsConnect::new(tls.map_err(ConnectError::Tls)?),
            Err(ended) => {
                let why = ended.to_string();
                return Err(ConnectError::Unreachable { url, why });
            }
        };
        // Without a query at each turn: what a session leaves behind is its own affair.
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(parsed, tls.clone(), recycling);
        let connections = Connections::builder(manager)
            .max_size(usize::try_from(config.connections_max).unwrap_or(usize::MAX))
            .wait_timeout(Some(config.connection_wait()))
            .create_timeout(Some(Duration::from_millis(config.connect_timeout_ms)))
            .runtime(Runtime::Tokio1)
            .build();
        let connections = connections.map_err(|error| ConnectError::Unreachable {
            url: url.clone(),
            why: error.to_string(),
        })?;
        let postgres = Self(Arc::new(Parts {
            config,
            connections,
            tls,
        }));
        match postgres.0.connections.get().await {
            Ok(_connection) => Ok(postgres),
            Err(deadpool_postgres::PoolError::Backend(error)) if is_refused_for_good(&error) => {
                let why = words(&error);
                Err(ConnectError::Refused { url, why })
            }
            Err(error) => {
                let why = postgres.0.no_connection(&error).to_string();
                Err(ConnectError::Unreachable { url, why })
            }
        }
    }

    fn is_for_good(error: &ConnectError) -> bool {
        !matches!(error, ConnectError::Unreachable { .. })
    }

    fn check(config: &PostgresConfig) -> Result<(), SettingsError> {
        config.check()
    }

    /// Whether the server answers, and takes writes.
    async fn probe(&self, context: &CallContext) -> Result<(), Box<dyn Error + Send + Sync>> {
        let work = async {
            let client = self.0.connection().await?;
            let asked = client.simple_query("SELECT pg_is_in_recovery()").await;
            let asked = asked.map_err(|error| unavailable(&words(&error)))?;
            Ok::<_, SqlError>((client, asked))
        };
        let (client, asked) = context.bound(Hop::Backend, work).await??;
        let is_standby = asked.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
            _ => false,
        });
        if is_standby && !self.0.config.read_only {
            // Its name may lead to another server now.
            drop(Object::take(client));
            let why =
                "the server is a standby, and takes no writes; `read_only` says that this will do";
            return Err(unavailable(why).into());
        }
        Ok(())
    }
}

impl Serves<WrtSql> for Postgres {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers_leases::<SqlInterface>(|postgres, gate| Arc::new(postgres.provider(gate)));
    }
}

impl Postgres {
    /// The interface, behind that gate.
    #[must_use]
    pub fn provider(&self, gate: &Arc<Gate>) -> SqlProvider<Self> {
        let PostgresConfig {
            connections_max,
            transaction_ms_max,
            ..
        } = self.0.config;
        let limits = LeaseLimits {
            leases_max: usize::try_from(connections_max).unwrap_or(usize::MAX),
            lasts: Duration::from_millis(transaction_ms_max),
        };
        SqlProvider::new(Arc::new(self.clone()), gate, limits)
    }

    /// Connections that are not in the pool.
    #[must_use]
    pub fn connections_in_use(&self) -> usize {
        let status = self.0.connections.status();
        status.size.saturating_sub(status.available)
    }
}

impl Pool for Postgres {
    type Session = PostgresSession;

    async fn session(&self, _context: &CallContext) -> Result<PostgresSession, SqlError> {
        let client = self.0.connection().await?;
        Ok(PostgresSession::of(Arc::clone(&self.0), client))
    }
}

impl Parts {
    async fn connection(&self) -> Result<Object, SqlError> {
        let connection = self.connections.get().await;
        connection.map_err(|error| self.no_connection(&error))
    }

    fn no_connection(&self, error: &deadpool_postgres::PoolError) -> SqlError {
        no_connection(error, self.config.connections_max)
    }

    pub(crate) fn statements_max(&self) -> usize {
        usize::try_from(self.config.statements_max).unwrap_or(usize::MAX)
    }

    pub(crate) fn transaction_ms_max(&self) -> u64 {
        self.config.transaction_ms_max
    }

    /// Asks the server to stop what runs on a connection.
    pub(crate) async fn cancel(&self, client: &Object) {
        let token = client.cancel_token();
        if let Err(error) = token.cancel_query(self.tls.clone()).await {
            tracing::debug!(
                error = words(&error),
                "a statement that nobody waits for goes on"
            );
        }
    }
}

fn unavailable(why: &str) -> SqlError {
    let detail = format!("postgres: {why}");
    Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail).into()
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("url", &self.0.config.url)
            .finish_non_exhaustive()
    }
}
