//! `select 1`: through a co-located link, beside the bare client and, at many in flight, a bare pool with
//! as many connections and prepared statements; and from another node, beside a bare NATS request and the
//! query in series.

use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::NoTls;
use wrt_contract::{CallContext, Gate, GateLimits};
use wrt_postgres::{Postgres, PostgresConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_sql::{Command, Sql, SqlInterface, Value};
use wrt_test_servers::PostgresServer;

use crate::{
    colocated::linked,
    rounds::{in_turns, in_turns_on_tasks},
    row::Row,
    serving::{BARE_SUBJECT, Pair, VALUE_BYTES},
};

const COLOCATED: &str = "select 1, co-located link, postgres";
const ACROSS: &str = "select 1, provider on another node, postgres";
const BARE: &str = "bare tokio-postgres";
const BARE_POOL: &str = "bare deadpool-postgres";
const IN_SERIES: &str = "bare NATS request, then bare tokio-postgres";
const SELECT: &str = "select 1";
const IN_FLIGHT: u32 = 64;

/// The provider, with its settings as they are by default.
pub async fn provider(url: &str, gate: &Arc<Gate>) -> anyhow::Result<Arc<dyn Sql>> {
    let config = PostgresConfig {
        url: ServiceAddress::new(url),
        ..PostgresConfig::default()
    };
    let postgres = Postgres::connect_with(config).await?;
    Ok(Arc::new(postgres.provider(gate)))
}

fn bare_pool(url: &str) -> anyhow::Result<Pool> {
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = Manager::from_config(url.parse()?, NoTls, recycling);
    let size = usize::try_from(PostgresConfig::default().connections_max)?;
    let pool = Pool::builder(manager).max_size(size);
    Ok(pool.runtime(Runtime::Tokio1).build()?)
}

async fn query(sql: Arc<dyn Sql>) -> anyhow::Result<()> {
    // As a link makes it for each operation of a guest.
    let context = CallContext::default().for_operation();
    let rows = sql.query(&context, &Command::new(SELECT, [])).await?.rows;
    anyhow::ensure!(rows == [[Value::from(1)]], "another row");
    Ok(())
}

async fn query_pool(pool: Pool) -> anyhow::Result<()> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(SELECT).await?;
    let row = client.query_one(&statement, &[]).await?;
    anyhow::ensure!(row.get::<_, i32>(0) == 1, "another row");
    Ok(())
}

/// Measures at one in flight and at 64.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let server = PostgresServer::start()?;
    let url = server.url();
    let pair = Pair::with_postgres(&url).await?;
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let statement = client.prepare(SELECT).await?;
    let bare = async || {
        let row = client.query_one(&statement, &[]).await?;
        anyhow::ensure!(row.get::<_, i32>(0) == 1, "another row");
        Ok(())
    };
    let gate = Gate::new(GateLimits::default());
    let here = linked::<SqlInterface>(provider(&url, &gate).await?)?;
    let ours = async || query(Arc::clone(&here)).await;
    let (our_one, their_one) = in_turns(20, 1_000, 1, ours, &bare).await?;

    let pool = bare_pool(&url)?;
    let ours = {
        let here = Arc::clone(&here);
        move || query(Arc::clone(&here))
    };
    let theirs = move || query_pool(pool.clone());
    let many = in_turns_on_tasks(20, 12_800, IN_FLIGHT, ours, theirs);
    let (our_many, their_many) = many.await?;

    let nats = async_nats::connect(pair.nats.url()).await?;
    let payload = Bytes::from(vec![b'k'; VALUE_BYTES]);
    let there = pair.remote::<SqlInterface>()?;
    let ours = async || query(Arc::clone(&there)).await;
    let theirs = async || {
        nats.request(BARE_SUBJECT, payload.clone()).await?;
        bare().await
    };
    let across = in_turns(20, 1_000, 1, ours, theirs).await;
    let (our_far, their_far) = across.context("across nodes")?;
    connection.abort();
    let p50 = |work, ours, beside, theirs| {
        Row::beside((work, "p50, 1 in flight", "us"), ours, (beside, theirs))
    };
    Ok(vec![
        p50(COLOCATED, our_one.p50_micros, BARE, their_one.p50_micros),
        Row::beside(
            (COLOCATED, "throughput, 64 in flight", "1/s"),
            our_many.per_second,
            (BARE_POOL, their_many.per_second),
        ),
        p50(ACROSS, our_far.p50_micros, IN_SERIES, their_far.p50_micros),
    ])
}
