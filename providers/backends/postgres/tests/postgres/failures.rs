//! A server that stops, dies, comes back, and answers nobody.

use std::time::{Duration, Instant};

use futures::future::join_all;
use wrt_contract::CallContext;
use wrt_protocol::{Execution, FaultKind};
use wrt_runtime::Backend as _;
use wrt_sql::{Command, Sql as _};

use super::support::{World, eventually, fault};

const GRACE: Duration = Duration::from_millis(150);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_ends_calls_in_time() {
    let world = World::start().await;
    world.execute("create table t (a int4)").await;
    // Connections are there for some of the calls, and the others wait for one.
    let warm = (0..4).map(|_| world.try_execute("select pg_sleep(0.1)"));
    join_all(warm).await;
    world.server.freeze().expect("freeze");
    let insert = Command::new("insert into t values (1)", []);
    let calls = (0..8).map(|_| async {
        let started = Instant::now();
        let context = CallContext::with_budget(SHORT);
        let outcome = world.provider.execute(&context, &insert).await;
        (outcome, started.elapsed())
    });
    for (outcome, elapsed) in join_all(calls).await {
        let fault = fault(outcome, Execution::MaybeExecuted);
        assert_eq!(fault.kind(), FaultKind::DeadlineExceeded, "{fault}");
        assert!(elapsed < SHORT + GRACE, "{elapsed:?}");
    }
    world.server.thaw().expect("thaw");
    eventually("it answers again", async || {
        let probed = world.postgres.probe(&CallContext::with_budget(SHORT)).await;
        probed.map_err(|error| error.to_string())
    })
    .await;
    let count = world.ask("select count(*) from t").await;
    let count: u32 = count[0].parse().expect("a number");
    assert!(count <= 4, "each at most once: {count}");
    world.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_unavailable_and_a_restarted_one_is_used_again() {
    let world = World::start().await;
    world.execute("create table t (a int4)").await;
    world.server.kill().expect("kill");
    eventually("nothing is sent any more", async || {
        let fault = match world.try_execute("insert into t values (1)").await {
            Err(wrt_sql::SqlError::Fault(fault)) => fault,
            Err(error) => panic!("{error}"),
            // Of the process that serves the connection: it outlives the server for as long as it does not look.
            Ok(_) => return Err("it is not dead yet".to_owned()),
        };
        assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
        let is_not_sent = fault.execution() == Execution::NotExecuted;
        is_not_sent.then_some(()).ok_or_else(|| fault.to_string())
    })
    .await;
    let started = Instant::now();
    let probed = world.postgres.probe(&CallContext::with_budget(SHORT)).await;
    probed.expect_err("nobody is there");
    assert!(started.elapsed() < SHORT + GRACE);
    world.server.restart().expect("restart");
    // The first call after it reaches it.
    assert_eq!(world.execute("insert into t values (2)").await, 1);
    assert_eq!(world.ask("select a from t where a = 2").await, ["2"]);
}

/// The bug of many a client: a statement whose connection broke is sent once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_was_sent_is_not_sent_again() {
    let world = World::start().await;
    world.execute("create table t (a int4)").await;
    // A sequence counts what was begun, also of what was undone.
    world.execute("create sequence begun").await;
    let insert = Command::new("insert into t select nextval('begun') from pg_sleep(1)", []);
    let context = CallContext::default();
    let call = world.provider.execute(&context, &insert);
    let cut = async {
        let running =
            "select pid from pg_stat_activity where query like 'insert%' and state = 'active'";
        eventually("it runs", async || {
            let running = world.ask(running).await;
            running.first().cloned().ok_or_else(|| "not yet".to_owned())
        })
        .await;
        let terminate =
            "select pg_terminate_backend(pid) from pg_stat_activity where query like 'insert%'";
        world.ask(terminate).await;
    };
    let (outcome, ()) = futures::join!(call, cut);
    let fault = fault(outcome, Execution::MaybeExecuted);
    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(world.ask("select count(*) from t").await, ["0"]);
    world.is_at_rest().await;
    assert_eq!(world.execute("insert into t values (1)").await, 1);
}

/// An orderly stop, and a server that begins: both end connections with words of their own.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_ended_while_idle_are_not_used() {
    let world = World::start().await;
    let warm = (0..4).map(|_| world.try_execute("select pg_sleep(0.1)"));
    join_all(warm).await;
    let terminate = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'wrt'";
    world.ask(terminate).await;
    eventually("the ends are heard", async || {
        let outcome = world.try_execute("select 1").await;
        outcome.map(drop).map_err(|error| error.to_string())
    })
    .await;
    for _ in 0..8 {
        world.execute("select 1").await;
    }
}
