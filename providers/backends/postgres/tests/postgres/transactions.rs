//! Transactions whose owner, time or answer is lost.

use std::time::{Duration, Instant};

use wrt_contract::{CallContext, Gate, GateLimits};
use wrt_postgres::Postgres;
use wrt_protocol::Execution;
use wrt_runtime::Backend as _;
use wrt_sql::{Command, Sql as _};
use wrt_test_servers::PostgresServer;

use super::{
    connections::PLAIN,
    proxy::Proxy,
    support::{World, config, eventually, fault},
};

/// Nobody can hold a lock for longer than its transaction's time.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_left_ends_with_its_time() {
    let server = PostgresServer::start().expect("postgres");
    let world = World::of(server, |config| config.transaction_ms_max = 500).await;
    world.execute("create table t (a int4)").await;
    world.execute("insert into t values (1)").await;
    let context = CallContext::default();
    let lease = world.provider.begin(&context, &PLAIN).await.expect("begin");
    let update = Command::new("update t set a = 2", []);
    let updated = world.provider.execute_in(&context, &lease, &update).await;
    assert_eq!(updated, Ok(1));
    // Its owner is gone. The row is locked until the time is over.
    let started = Instant::now();
    assert_eq!(world.execute("update t set a = 3").await, 1);
    let waited = started.elapsed();
    assert!(waited > Duration::from_millis(200), "{waited:?}");
    assert!(waited < Duration::from_secs(3), "{waited:?}");
    let late = world.provider.commit(&context, &lease).await;
    let late = fault(late, Execution::NotExecuted);
    assert!(late.detail().contains("500ms"), "{late}");
    assert_eq!(world.ask("select a from t").await, ["3"]);
    world.is_at_rest().await;
}

/// A node that stands still cannot end its transactions: so the server is told to.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_knows_the_time_of_a_transaction() {
    let server = PostgresServer::start().expect("postgres");
    let world = World::of(server, |config| config.transaction_ms_max = 7000).await;
    let context = CallContext::default();
    let lease = world.provider.begin(&context, &PLAIN).await.expect("begin");
    let show = Command::new(
        "select current_setting('idle_in_transaction_session_timeout')",
        [],
    );
    let rows = world.provider.query_in(&context, &lease, &show).await;
    assert_eq!(rows.expect("show").rows, [["7s".into()]]);
    world
        .provider
        .rollback(&context, &lease)
        .await
        .expect("rollback");
    assert_eq!(
        world.query(&show.text, []).await,
        [["0".into()]],
        "and of nothing else"
    );
}

/// The answer to a COMMIT is lost: it has happened, the caller is told that it may have, and nobody has
/// tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_may_have_happened() {
    let server = PostgresServer::start().expect("postgres");
    let world = World::of(server, |_| {}).await;
    world.execute("create table t (a int4)").await;
    let proxy = Proxy::to(world.server.port()).await;
    let behind = Postgres::connect_with(config(&proxy.url()))
        .await
        .expect("connect");
    let provider = behind.provider(&Gate::new(GateLimits::default()));
    let context = CallContext::default();
    let lease = provider.begin(&context, &PLAIN).await.expect("begin");
    let insert = Command::new("insert into t values (1)", []);
    assert_eq!(provider.execute_in(&context, &lease, &insert).await, Ok(1));
    proxy.swallow(true);
    let lost = fault(
        provider.commit(&context, &lease).await,
        Execution::MaybeExecuted,
    );
    assert!(!lost.detail().is_empty());
    eventually("it has happened", async || {
        let rows = world.ask("select a from t").await;
        (rows == ["1"])
            .then_some(())
            .ok_or_else(|| format!("{rows:?}"))
    })
    .await;
    proxy.swallow(false);
    // The transaction is over: to commit it again is refused, and not done.
    fault(
        provider.commit(&context, &lease).await,
        Execution::NotExecuted,
    );
    let count = Command::new("select count(*) from t", []);
    let rows = provider.query(&context, &count).await.expect("count");
    assert_eq!(rows.rows, [[1_i64.into()]]);
}

/// The same of a batch, whose COMMIT is its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_in_a_transaction_ends_it() {
    let world = World::start().await;
    world.execute("create table t (a int4)").await;
    let context = CallContext::default();
    let lease = world.provider.begin(&context, &PLAIN).await.expect("begin");
    let insert = Command::new("insert into t values (1)", []);
    assert_eq!(
        world.provider.execute_in(&context, &lease, &insert).await,
        Ok(1)
    );
    let terminate = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'wrt'";
    world.ask(terminate).await;
    let broken = world.provider.execute_in(&context, &lease, &insert).await;
    fault(broken, Execution::MaybeExecuted);
    let after = world.provider.commit(&context, &lease).await;
    let after = fault(after, Execution::NotExecuted);
    assert!(after.detail().contains("over"), "{after}");
    assert_eq!(world.ask("select count(*) from t").await, ["0"]);
    world.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_contend_are_told_so() {
    let world = World::start().await;
    world.execute("create table t (a int4)").await;
    world.execute("insert into t values (1)").await;
    let options = wrt_sql::TransactionOptions {
        isolation: Some(wrt_sql::Isolation::Serializable),
        read_only: false,
    };
    let context = CallContext::default();
    let mut leases = Vec::new();
    for _ in 0..2 {
        let lease = world
            .provider
            .begin(&context, &options)
            .await
            .expect("begin");
        let read = Command::new("select sum(a) from t", []);
        world
            .provider
            .query_in(&context, &lease, &read)
            .await
            .expect("read");
        leases.push(lease);
    }
    let mut outcomes = Vec::new();
    for lease in &leases {
        let insert = Command::new("insert into t select sum(a) from t", []);
        let done = world.provider.execute_in(&context, lease, &insert).await;
        outcomes.push(match done {
            Ok(_) => world.provider.commit(&context, lease).await,
            Err(error) => Err(error),
        });
    }
    let refused: Vec<_> = outcomes.iter().filter_map(|it| it.as_ref().err()).collect();
    assert_eq!(refused.len(), 1, "{outcomes:?}");
    assert_eq!(refused[0].state(), Some("40001"));
}

/// The server is asked to stop what nobody waits for, and that is lost; or it comes before what it is meant for has
/// begun, which is the same. What computes would go on also when its connection is closed.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_is_stopped_also_where_that_is_not_heard_at_once() {
    let world = World::start().await;
    let proxy = Proxy::to(world.server.port()).await;
    let behind = Postgres::connect_with(config(&proxy.url()))
        .await
        .expect("connect");
    let provider = behind.provider(&Gate::new(GateLimits::default()));
    let warm = Command::new("select 1", []);
    let context = CallContext::default();
    provider.query(&context, &warm).await.expect("it is there");
    proxy.lose(2);
    let endless = Command::new("select pg_sleep(3600)", []);
    let impatient = CallContext::with_budget(Duration::from_millis(300));
    fault(
        provider.query(&impatient, &endless).await,
        Execution::MaybeExecuted,
    );
    eventually("it is stopped", async || {
        let running = "select query from pg_stat_activity where state = 'active' and query like '%3600%' \
            and pid <> pg_backend_pid()";
        let running = world.ask(running).await;
        running.is_empty().then_some(()).ok_or(format!("{running:?}"))
    })
    .await;
    // By the same connection, which is of use again.
    provider.query(&context, &warm).await.expect("it is there");
}
