//! How the provider comes to connections, and gives them back.

use std::time::Duration;

use wrt_contract::CallContext;
use wrt_postgres::{ConnectError, Postgres};
use wrt_protocol::{Execution, FaultKind};
use wrt_runtime::Backend as _;
use wrt_sql::{Command, Sql as _, TransactionOptions, Value};
use wrt_test_servers::PostgresServer;

use super::support::{World, config, eventually, fault};

pub const PLAIN: TransactionOptions = TransactionOptions {
    isolation: None,
    read_only: false,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_used_up_refuses_in_time() {
    let server = PostgresServer::start().expect("postgres");
    let world = World::of(server, |config| {
        config.connections_max = 1;
        config.connection_wait_ms = 100;
    })
    .await;
    let context = CallContext::default();
    let lease = world.provider.begin(&context, &PLAIN).await.expect("begin");
    let refused = fault(world.try_execute("select 1").await, Execution::NotExecuted);
    assert!(refused.is_overloaded(), "{refused}");
    world
        .provider
        .rollback(&context, &lease)
        .await
        .expect("rollback");
    world.execute("select 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_there_is_no_connection_is_said_without_a_password() {
    let server = PostgresServer::start().expect("postgres");
    let nobody = wrt_test_servers::free_port().expect("a port");
    let no_database = server
        .url()
        .replace("/postgres", "/nowhere")
        .replace("postgres@", "postgres:secret@");
    for (url, is_for_good) in [
        (
            format!("postgres://postgres:secret@127.0.0.1:{nobody}/postgres"),
            false,
        ),
        (no_database, true),
        (
            "postgres://postgres:secret@127.0.0.1:port/postgres".to_owned(),
            true,
        ),
    ] {
        let error = Postgres::connect_with(config(&url))
            .await
            .expect_err("it cannot work");
        assert_eq!(Postgres::is_for_good(&error), is_for_good, "{error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("secret"), "{shown}");
        assert!(!matches!(error, ConnectError::Tls(_)));
    }
}

/// A statement that is not waited for has the server stop, and its connection is of use again.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_stops_what_nobody_waits_for() {
    let world = World::start().await;
    let sleep = Command::new("select pg_sleep(600)", []);
    for _ in 0..3 {
        let context = CallContext::with_budget(Duration::from_millis(200));
        let ended = world.provider.query(&context, &sleep).await;
        let ended = fault(ended, Execution::MaybeExecuted);
        assert_eq!(ended.kind(), FaultKind::DeadlineExceeded);
    }
    world.is_at_rest().await;
    let backends = "select pid from pg_stat_activity where application_name = 'wrt'";
    let before = world.ask(backends).await;
    assert!(!before.is_empty(), "the connections are kept");
    world.execute("select 1").await;
    assert_eq!(world.ask(backends).await.len(), before.len());
}

/// Rows that nobody reads stay with the server: it waits, and so do those on their way.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_read_holds_the_server() {
    let world = World::start().await;
    let many = Command::new(
        "select repeat('x', 1000) from generate_series(1, 1000000)",
        [],
    );
    let context = CallContext::default();
    let (_, body) = world
        .provider
        .stream(&context, &many)
        .await
        .expect("stream");
    let waits = "select wait_event from pg_stat_activity where application_name = 'wrt' and state = 'active'";
    eventually("the server waits for its client", async || {
        let waits = world.ask(waits).await;
        (waits == ["ClientWrite"])
            .then_some(())
            .ok_or_else(|| format!("{waits:?}"))
    })
    .await;
    drop(body);
    world.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_keeps_so_many_statements_and_no_more() {
    let server = PostgresServer::start().expect("postgres");
    let world = World::of(server, |config| {
        config.connections_max = 1;
        config.statements_max = 3;
    })
    .await;
    for number in 0..20 {
        let text = format!("select {number}, count(*) from pg_prepared_statements");
        let rows = world.query(&text, []).await;
        let Value::Scalar(wrt_sql::Scalar::Int64(kept)) = rows[0][1] else {
            panic!("{rows:?}");
        };
        assert!(kept <= 4, "{kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_told_from_a_server_that_takes_writes() {
    let server = PostgresServer::start().expect("postgres");
    server.stop().expect("stop");
    server.write("standby.signal", "").expect("write");
    server.restart().expect("restart");
    let world = World::of(server, |_| {}).await;
    let refused = world.postgres.probe(&CallContext::default()).await;
    let words = refused.expect_err("it takes no writes").to_string();
    assert!(words.contains("standby"), "{words}");
    let written = world
        .try_execute("create table t (a int4)")
        .await
        .unwrap_err();
    assert_eq!(written.state(), Some("25006"), "{written}");
    assert_eq!(world.query("select 1", []).await.len(), 1, "it is read");
    let World { server, .. } = world;
    let world = World::of(server, |config| config.read_only = true).await;
    let probed = world.postgres.probe(&CallContext::default()).await;
    probed.expect("an app that only reads takes it");
}
