//! What only this database does, and does not.

use wrt_contract::GateLimits;
use wrt_protocol::Execution;
use wrt_runtime::{FromEnv as _, Settings};

use super::*;
use crate::{Command, Scalar, Sql as _, TransactionOptions, Value};

const PLAIN: TransactionOptions = TransactionOptions {
    isolation: None,
    read_only: false,
};

async fn provider(change: impl FnOnce(&mut SqliteConfig)) -> SqlProvider<SqlDefault> {
    let mut config = SqliteConfig::load(Settings::default()).expect("defaults");
    change(&mut config);
    let database = SqlDefault::connect_with(config).await.expect("open");
    database.provider(&Gate::new(GateLimits::default()))
}

async fn execute(
    sql: &SqlProvider<SqlDefault>,
    text: &str,
    parameters: impl Into<Vec<Value>>,
) -> Result<u64, SqlError> {
    let context = CallContext::default();
    sql.execute(&context, &Command::new(text, parameters)).await
}

/// A component has its database, and not the node's files.
#[tokio::test]
async fn no_other_file_is_reached() {
    let folder = tempfile::tempdir().expect("folder");
    let other = folder.path().join("other");
    let sql = provider(|_| {}).await;
    for text in [
        format!("vacuum into '{}'", other.display()),
        "pragma journal_mode = delete".to_owned(),
        "pragma query_only = on".to_owned(),
        "pragma temp_store_directory = '/'".to_owned(),
        "select load_extension('x')".to_owned(),
    ] {
        let refused = execute(&sql, &text, []).await.unwrap_err();
        let state = refused.state().unwrap_or_default().to_owned();
        assert!(
            ["42501", "42883", "HY000"].contains(&state.as_str()),
            "{text}: {refused}"
        );
    }
    assert!(!other.exists());
    execute(&sql, "vacuum", [])
        .await
        .expect("of its own it is allowed");
    execute(&sql, "pragma table_info(t)", [])
        .await
        .expect("it changes nothing");
}

/// What SQLite would keep as something else, without a word.
#[tokio::test]
async fn what_would_be_lost_is_refused() {
    let sql = provider(|_| {}).await;
    for (scalar, state) in [
        (Scalar::Float64(f64::NAN), "22003"),
        (Scalar::Uint64(u64::MAX), "22003"),
        (Scalar::Decimal("1234567890.1234567".into()), "22003"),
    ] {
        let refused = execute(&sql, "select $1", [Value::Scalar(scalar.clone())]).await;
        assert_eq!(refused.unwrap_err().state(), Some(state), "{scalar:?}");
    }
    let long = Scalar::Decimal("123456789012345000".into());
    execute(&sql, "select $1", [Value::Scalar(long)])
        .await
        .expect("15 digits");
}

#[tokio::test]
async fn a_database_that_is_full_says_so() {
    let sql = provider(|config| config.bytes_max = 1 << 20).await;
    execute(&sql, "create table t (a bytea)", [])
        .await
        .expect("create");
    let insert = "insert into t values ($1)";
    let large = execute(&sql, insert, [Value::from(vec![7; 2 << 20])]).await;
    assert_eq!(large.unwrap_err().state(), Some("53100"));
    execute(&sql, insert, [Value::from(vec![7])])
        .await
        .expect("there is room for this");
}

#[tokio::test]
async fn what_is_in_a_file_is_there_again() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("it?mode=memory");
    for _ in 0..2 {
        let sql = provider(|config| config.file = Some(path.clone())).await;
        execute(&sql, "create table if not exists t (a int4)", [])
            .await
            .expect("create");
        execute(&sql, "insert into t values (1)", [])
            .await
            .expect("insert");
    }
    let sql = provider(|config| config.file = Some(path.clone())).await;
    assert_eq!(execute(&sql, "delete from t", []).await, Ok(2));
    assert!(path.exists(), "a path is a path, and no URI");
    let nowhere = SqliteConfig {
        file: Some(folder.path().join("no/such/folder")),
        ..SqliteConfig::load(Settings::default()).expect("defaults")
    };
    SqlDefault::connect_with(nowhere)
        .await
        .expect_err("no folder");
}

#[tokio::test]
async fn a_pool_that_is_used_up_refuses_in_time() {
    let sql = provider(|config| {
        config.connections_max = 1;
        config.connection_wait_ms = 50;
    })
    .await;
    let context = CallContext::default();
    let lease = sql.begin(&context, &PLAIN).await.expect("begin");
    let Err(SqlError::Fault(fault)) = execute(&sql, "select 1", []).await else {
        panic!("there is no other connection");
    };
    assert!(fault.is_overloaded(), "{fault}");
    assert_eq!(fault.execution(), Execution::NotExecuted);
    sql.rollback(&context, &lease).await.expect("rollback");
    execute(&sql, "select 1", [])
        .await
        .expect("it is free again");
}

/// One that is left holds the only place to write until its time is over.
#[tokio::test]
async fn a_transaction_that_is_left_ends_with_its_time() {
    let sql = provider(|config| config.transaction_ms_max = 200).await;
    execute(&sql, "create table t (a int4)", [])
        .await
        .expect("create");
    let context = CallContext::default();
    let lease = sql.begin(&context, &PLAIN).await.expect("begin");
    let insert = Command::new("insert into t values (1)", []);
    assert_eq!(sql.execute_in(&context, &lease, &insert).await, Ok(1));
    assert_eq!(execute(&sql, "insert into t values (2)", []).await, Ok(1));
    sql.commit(&context, &lease)
        .await
        .expect_err("its time is over");
    assert_eq!(execute(&sql, "delete from t", []).await, Ok(1));
}
