//! What goes wrong is said in the words of the standard.

use wrt_conformance::{Case, cases};

use super::fixture::{Fixture, NULL, assert_state};
use crate::{Array, DatabaseError, Date, Scalar, SqlError, Value};

pub(super) const CASES: &[Case<Fixture>] = cases![
    what_is_no_statement_is_refused,
    what_is_not_there_is_said,
    a_violated_constraint_is_named,
    values_that_do_not_fit_are_refused,
    the_number_of_values_is_that_of_the_parameters,
];

async fn what_is_no_statement_is_refused(fixture: Fixture) {
    for text in ["selec 1", "select (1", "select 1; select 2", "insert into"] {
        let outcome = fixture.try_query(text, []).await;
        assert_state(text, &outcome, "42601");
    }
}

async fn what_is_not_there_is_said(fixture: Fixture) {
    fixture.execute("create table {t} (a int4)", []).await;
    for (text, state) in [
        ("select * from {t}_never", "42P01"),
        ("select b from {t}", "42703"),
        ("insert into {t} (b) values (1)", "42703"),
        ("select nobody_knows(1)", "42883"),
        ("create table {t} (a int4)", "42P07"),
    ] {
        assert_state(text, &fixture.try_query(text, []).await, state);
        assert_state(text, &fixture.try_execute(text, []).await, state);
    }
    fixture.remove().await;
}

fn database_error(outcome: Result<u64, SqlError>) -> DatabaseError {
    match outcome {
        Err(SqlError::Database(error)) => *error,
        other => panic!("no error of the database: {other:?}"),
    }
}

async fn a_violated_constraint_is_named(fixture: Fixture) {
    let create = "create table {t} (a int4 primary key, b text not null, c int4 references {t} (a), \
        constraint positive check (a > 0))";
    fixture.execute(create, []).await;
    fixture
        .execute("insert into {t} values (1, 'x', null)", [])
        .await;
    let insert = async |values: [Value; 3]| {
        let insert = "insert into {t} values ($1, $2, $3)";
        database_error(fixture.try_execute(insert, values).await)
    };
    let twice = insert([1.into(), "y".into(), NULL]).await;
    assert_eq!(twice.state, "23505");
    assert_eq!(twice.table.as_deref(), Some(fixture.table.as_str()));
    let missing = insert([2.into(), NULL, NULL]).await;
    assert_eq!(missing.state, "23502");
    assert_eq!(missing.table.as_deref(), Some(fixture.table.as_str()));
    assert_eq!(missing.column.as_deref(), Some("b"));
    let negative = insert([Value::from(-1), "y".into(), NULL]).await;
    assert_eq!(negative.state, "23514");
    assert_eq!(negative.constraint.as_deref(), Some("positive"));
    let dangling = insert([3.into(), "y".into(), 7.into()]).await;
    assert_eq!(dangling.state, "23503");
    assert_eq!(fixture.count().await, 1);
    fixture.remove().await;
}

async fn values_that_do_not_fit_are_refused(fixture: Fixture) {
    let create = "create table {t} (a date, b uuid, c json, d text, e int4[], f numeric)";
    fixture.execute(create, []).await;
    let no_day = Scalar::Date(Date {
        year: 2023,
        month: 2,
        day: 29,
    });
    let ragged = Value::Array(Array {
        lengths: vec![2, 2],
        elements: vec![Scalar::Int32(1)],
    });
    for (column, value, state) in [
        ("a", Value::Scalar(no_day), "22008"),
        ("b", Value::Scalar(Scalar::Uuid("1-2".into())), "22P02"),
        ("c", Value::Scalar(Scalar::Json("{".into())), "22P02"),
        ("d", Value::from("a\0b"), "22021"),
        ("e", ragged, "2202E"),
        ("f", Value::Scalar(Scalar::Decimal("one".into())), "22P02"),
    ] {
        let insert = format!("insert into {{t}} ({column}) values ($1)");
        let outcome = fixture.try_execute(&insert, [value]).await;
        assert_state(column, &outcome, state);
    }
    assert_eq!(fixture.count().await, 0);
    fixture.remove().await;
}

async fn the_number_of_values_is_that_of_the_parameters(fixture: Fixture) {
    let text = "select cast($1 as text) || cast($2 as text) || cast($1 as text)";
    let values = |count: usize| vec![Value::from("x"); count];
    for count in [0, 1, 3] {
        assert_state(
            "values",
            &fixture.try_query(text, values(count)).await,
            "07001",
        );
    }
    assert_eq!(fixture.query(text, values(2)).await, [[Value::from("xxx")]]);
    // In any order.
    let values = ["a".into(), "b".into()];
    let text = "select cast($2 as text) || cast($1 as text)";
    assert_eq!(fixture.query(text, values).await, [[Value::from("ba")]]);
}
