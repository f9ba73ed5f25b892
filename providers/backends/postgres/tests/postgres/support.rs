//! A server with a provider, and a client that is not ours.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use wrt_contract::{CallContext, Gate, GateLimits, InterfaceError as _};
use wrt_postgres::{Postgres, PostgresConfig};
use wrt_protocol::{Execution, Fault};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_sql::{Command, Row, Rows, Sql as _, SqlError, SqlProvider, Value};
use wrt_test_servers::PostgresServer;

/// How long what is bound to happen may take.
const SOON: Duration = Duration::from_secs(10);

pub struct World {
    // Dropped first: the server waits for its clients when it stops.
    pub postgres: Postgres,
    pub provider: Arc<SqlProvider<Postgres>>,
    pub server: PostgresServer,
}

pub fn config(url: &str) -> PostgresConfig {
    PostgresConfig {
        url: ServiceAddress::new(url),
        connections_max: 4,
        ..PostgresConfig::default()
    }
}

impl World {
    pub async fn start() -> Self {
        Self::of(PostgresServer::start().expect("postgres"), |_| {}).await
    }

    pub async fn of(server: PostgresServer, change: impl FnOnce(&mut PostgresConfig)) -> Self {
        let mut config = config(&server.url());
        change(&mut config);
        let postgres = Postgres::connect_with(config).await.expect("connect");
        let provider = Arc::new(postgres.provider(&Gate::new(GateLimits::default())));
        Self {
            postgres,
            provider,
            server,
        }
    }

    pub async fn try_query(
        &self,
        text: &str,
        parameters: impl Into<Vec<Value>>,
    ) -> Result<Rows, SqlError> {
        let context = CallContext::default();
        let command = Command::new(text, parameters);
        self.provider.query(&context, &command).await
    }

    pub async fn query(&self, text: &str, parameters: impl Into<Vec<Value>>) -> Vec<Row> {
        let rows = self.try_query(text, parameters).await;
        rows.unwrap_or_else(|error| panic!("{text}: {error}")).rows
    }

    pub async fn execute(&self, text: &str) -> u64 {
        self.try_execute(text)
            .await
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    pub async fn try_execute(&self, text: &str) -> Result<u64, SqlError> {
        let context = CallContext::default();
        self.provider
            .execute(&context, &Command::new(text, []))
            .await
    }

    /// Asks the server by a connection of one's own; the first value of each row.
    pub async fn ask(&self, text: &str) -> Vec<String> {
        ask(&self.server.url(), text).await
    }

    /// Waits until no statement runs, no transaction is open, and all connections are in the pool.
    pub async fn is_at_rest(&self) {
        let busy = "select state || ': ' || query from pg_stat_activity where application_name = 'wrt' \
            and state <> 'idle'";
        eventually("the server is at rest", async || {
            let busy = self.ask(busy).await;
            let status = self.postgres.connections_in_use();
            (busy.is_empty() && status == 0)
                .then_some(())
                .ok_or_else(|| format!("{status} in use, {busy:?}"))
        })
        .await;
    }
}

pub async fn ask(url: &str, text: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .expect("connect");
    let connection = tokio::spawn(connection);
    let messages = client.simple_query(text).await.expect("ask");
    connection.abort();
    let values = messages.into_iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => {
            Some(row.get(0).unwrap_or_default().to_owned())
        }
        _ => None,
    });
    values.collect()
}

/// Waits for something that is bound to happen.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(why) => assert!(started.elapsed() < SOON, "{what}: {why}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The fault of what has failed so.
pub fn fault<T: std::fmt::Debug>(outcome: Result<T, SqlError>, execution: Execution) -> Fault {
    let error = outcome.expect_err("it cannot work");
    let fault = error.into_fault().expect("a fault");
    assert_eq!(fault.execution(), execution, "{fault}");
    fault
}
