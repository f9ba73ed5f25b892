//! What statements answer.

use wrt_conformance::{Case, cases};

use super::fixture::{Fixture, assert_state, context};
use crate::{SqlError, Value};

pub(super) const CASES: &[Case<Fixture>] = cases![
    changed_rows_are_counted,
    rows_come_with_the_names_of_their_columns,
    what_is_inserted_can_be_returned,
    a_batch_happens_as_a_whole,
    a_batch_that_fails_leaves_nothing,
    a_statement_is_described_and_not_run,
    a_table_may_change_under_a_prepared_statement,
    what_changes_a_session_is_refused,
];

async fn changed_rows_are_counted(fixture: Fixture) {
    let create = "create table {t} (a int4)";
    assert_eq!(fixture.execute(create, []).await, 0);
    let insert = "insert into {t} values (1), (2), (3)";
    assert_eq!(fixture.execute(insert, []).await, 3);
    let update = "update {t} set a = a + 1 where a > $1";
    assert_eq!(fixture.execute(update, [Value::from(1)]).await, 2);
    assert_eq!(fixture.execute(update, [Value::from(100)]).await, 0);
    assert_eq!(fixture.execute("delete from {t} where a = 3", []).await, 1);
    assert_eq!(fixture.count().await, 2);
    fixture.remove().await;
}

async fn rows_come_with_the_names_of_their_columns(fixture: Fixture) {
    fixture
        .execute("create table {t} (a int4, \"B c\" text)", [])
        .await;
    let rows = fixture
        .try_query("select \"B c\", a, a as d from {t}", [])
        .await;
    let rows = rows.expect("select");
    let names: Vec<_> = rows.columns.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["B c", "a", "d"]);
    let types: Vec<_> = rows
        .columns
        .iter()
        .map(|it| it.type_name.as_str())
        .collect();
    assert_eq!(types, ["text", "int4", "int4"]);
    assert!(rows.rows.is_empty(), "a result without rows has columns");
    fixture.remove().await;
}

async fn what_is_inserted_can_be_returned(fixture: Fixture) {
    fixture
        .execute("create table {t} (a int4, b text)", [])
        .await;
    let insert = "insert into {t} values ($1, 'x'), (2, 'y') returning a, b";
    let rows = fixture.query(insert, [Value::from(1)]).await;
    let expected = [(1, "x"), (2, "y")].map(|(a, b)| vec![Value::from(a), Value::from(b)]);
    assert_eq!(rows, expected);
    let delete = "delete from {t} where a = 2 returning a";
    assert_eq!(fixture.execute(delete, []).await, 1);
    assert_eq!(fixture.count().await, 1);
    fixture.remove().await;
}

async fn a_batch_happens_as_a_whole(fixture: Fixture) {
    fixture.execute("create table {t} (a int4)", []).await;
    let commands = [
        fixture.command("insert into {t} values ($1), ($2)", [1.into(), 2.into()]),
        fixture.command("update {t} set a = 0", []),
        fixture.command("delete from {t} where a = 7", []),
    ];
    let counts = fixture.sql.batch(&context(), &commands).await;
    assert_eq!(counts, Ok(vec![2, 2, 0]));
    assert_eq!(fixture.sql.batch(&context(), &[]).await, Ok(vec![]));
    assert_eq!(fixture.count().await, 2);
    fixture.remove().await;
}

async fn a_batch_that_fails_leaves_nothing(fixture: Fixture) {
    fixture
        .execute("create table {t} (a int4 primary key)", [])
        .await;
    let insert = |number: i32| fixture.command("insert into {t} values ($1)", [number.into()]);
    let commands = [insert(1), insert(1), insert(2)];
    let outcome = fixture.sql.batch(&context(), &commands).await;
    assert_state("a key twice", &outcome, "23505");
    let words = outcome.expect_err("it was one").to_string();
    assert!(words.contains("statement 2 of 3"), "{words}");
    assert_eq!(fixture.count().await, 0);
    fixture.remove().await;
}

async fn a_statement_is_described_and_not_run(fixture: Fixture) {
    fixture
        .execute("create table {t} (a int4, b text)", [])
        .await;
    let text = "insert into {t} values ($1, $2) returning b".replace("{t}", &fixture.table);
    let description = fixture
        .sql
        .describe(&context(), &text)
        .await
        .expect("describe");
    assert_eq!(description.parameters.len(), 2);
    let names = description
        .columns
        .iter()
        .map(|column| column.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["b"]);
    assert_eq!(fixture.count().await, 0);
    let wrong = fixture.sql.describe(&context(), "select from from").await;
    assert_state("no statement", &wrong, "42601");
    fixture.remove().await;
}

/// The bug of many a cache: the plan stays, and its columns are not the table's any more.
async fn a_table_may_change_under_a_prepared_statement(fixture: Fixture) {
    fixture.execute("create table {t} (a int4)", []).await;
    fixture.execute("insert into {t} values (1)", []).await;
    // On as many connections as there may be.
    for _ in 0..4 {
        let rows = fixture.query("select * from {t}", []).await;
        assert_eq!(rows, [vec![Value::from(1)]]);
    }
    fixture
        .execute("alter table {t} add column b text", [])
        .await;
    fixture.execute("update {t} set b = 'new'", []).await;
    for _ in 0..4 {
        let rows = fixture.query("select * from {t}", []).await;
        assert_eq!(rows, [vec![Value::from(1), Value::from("new")]]);
    }
    fixture.remove().await;
}

async fn what_changes_a_session_is_refused(fixture: Fixture) {
    for text in [
        "begin",
        " ;COMMIT",
        "/* */ rollback",
        "savepoint a",
        "attach 'x' as y",
        "listen a",
        "set a = 1",
    ] {
        let outcome = fixture.try_execute(text, []).await;
        assert!(
            matches!(outcome, Err(SqlError::Misused(_))),
            "{text}: {outcome:?}"
        );
    }
}
