//! The glue as a guest meets it, without a guest.

use wrt_contract::{Gate, GateLimits};
use wrt_protocol::FaultKind;
use wrt_runtime::{Backend as _, FromEnv as _, Settings};
use wrt_test_kit::{linked_instance, unreachable};

use super::{prepared::Host as _, query::Host as _, *};
use crate::{SqlDefault, SqliteConfig, limits::HANDLES_MAX};

/// An instance that is linked to a database of its own.
async fn instance() -> InstanceState {
    let config = SqliteConfig::load(Settings::default()).expect("defaults");
    let backend = SqlDefault::connect_with(config).await.expect("sqlite");
    let gate = Gate::new(GateLimits::default());
    let sql: Arc<dyn Sql> = Arc::new(backend.provider(&gate));
    linked_instance::<SqlInterface>(&[(LINK, &sql)])
}

async fn prepare(state: &mut InstanceState, text: &str) -> Result<String, String> {
    let prepared = state.prepare(text.to_owned()).await.expect("no trap");
    prepared.map_err(|StatementPrepareError::Unexpected(words)| words)
}

async fn exec(
    state: &mut InstanceState,
    token: &str,
    params: Vec<PgValue>,
) -> Result<u64, PreparedStatementExecError> {
    state.exec(token.to_owned(), params).await.expect("no trap")
}

async fn ask(state: &mut InstanceState, text: &str) -> Result<Vec<ResultRow>, QueryError> {
    state.query(text.to_owned(), vec![]).await.expect("no trap")
}

#[tokio::test]
async fn a_token_is_of_what_this_instance_has_prepared() {
    let mut state = instance().await;
    let made = state
        .query_batch("create table t (a int4)".to_owned())
        .await;
    assert_eq!(made.expect("no trap"), Ok(()));
    let insert = "insert into t values ($1)";
    let token = prepare(&mut state, insert).await.expect("prepare");
    assert_eq!(prepare(&mut state, insert).await.as_ref(), Ok(&token));
    for number in 0..3 {
        let done = exec(&mut state, &token, vec![PgValue::Int4(number)]).await;
        assert_eq!(done, Ok(1));
    }
    let rows = ask(&mut state, "select count(*) as n from t")
        .await
        .expect("count");
    assert_eq!(
        (&*rows[0][0].column_name, &rows[0][0].value),
        ("n", &PgValue::Int8(3))
    );
    let other = prepare(&mut state, "delete from t").await.expect("prepare");
    assert_ne!(other, token);
    let unknown = Err(PreparedStatementExecError::UnknownPreparedQuery);
    let mut another = instance().await;
    assert_eq!(exec(&mut another, &token, vec![]).await, unknown);
    assert_eq!(exec(&mut state, "1", vec![]).await, unknown);
    let words = prepare(&mut state, "select from from").await.unwrap_err();
    assert!(words.starts_with("42601: "), "{words}");
}

#[tokio::test]
async fn an_instance_prepares_so_many_statements() {
    let mut state = instance().await;
    for number in 0..HANDLES_MAX {
        prepare(&mut state, &format!("select {number}"))
            .await
            .expect("prepare");
    }
    let words = prepare(&mut state, "select 'one more'").await.unwrap_err();
    assert!(words.contains("of at most 256"), "{words}");
    prepare(&mut state, "select 0")
        .await
        .expect("it is prepared");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told() {
    let nobody = unreachable::<SqlInterface>(FaultKind::Unavailable);
    let unlinked = linked_instance::<SqlInterface>(&[]);
    let unreachable = linked_instance::<SqlInterface>(&[(LINK, &nobody)]);
    for (mut state, expected) in [
        (unlinked, "there is no link"),
        (unreachable, "not executed"),
    ] {
        let Err(QueryError::Unexpected(words)) = ask(&mut state, "select 1").await else {
            panic!("nobody is there");
        };
        assert!(words.contains(expected), "{words}");
        let batch = state
            .query_batch("select 1; select 2".to_owned())
            .await
            .expect("no trap");
        assert!(matches!(batch, Err(QueryError::Unexpected(words)) if words.contains(expected)));
        let words = prepare(&mut state, "select 1").await.unwrap_err();
        assert!(words.contains(expected), "{words}");
    }
}

/// The name of its column is a part of each cell.
#[tokio::test]
async fn a_long_name_in_many_rows_is_refused() {
    let mut state = instance().await;
    let name = "n".repeat(50_000);
    let numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)";
    let Err(QueryError::Unexpected(words)) =
        ask(&mut state, &format!("{numbers} select i as {name} from n")).await
    else {
        panic!("it is 50 MB of names");
    };
    assert!(
        words.contains("was executed: ") && words.contains("50000000"),
        "{words}"
    );
}

#[test]
fn an_error_of_the_database_is_of_the_query_or_of_its_parameters() {
    for (state, has_parameters, expected) in [
        ("42601", true, "query"),
        ("42804", false, "query"),
        ("42804", true, "params"),
        ("0A000", true, "query"),
        ("07001", false, "params"),
        ("22P02", true, "params"),
        ("22012", false, "else"),
        ("23505", true, "else"),
        ("40001", false, "else"),
    ] {
        let (kind, words) = match told(SqlError::refused(state, "why"), has_parameters) {
            QueryError::InvalidQuery(words) => ("query", words),
            QueryError::InvalidParams(words) => ("params", words),
            QueryError::Unexpected(words) => ("else", words),
        };
        assert_eq!(
            (kind, words),
            (expected, format!("{state}: why")),
            "{state}"
        );
    }
    let lost = wrt_protocol::Fault::maybe_executed(
        FaultKind::Unavailable,
        wrt_protocol::Hop::Backend,
        "gone",
    );
    let told = told(lost.into(), true);
    assert!(matches!(told, QueryError::Unexpected(words) if words.contains("maybe executed")));
}
