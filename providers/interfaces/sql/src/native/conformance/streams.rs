//! Results of any length.

use std::time::{Duration, Instant};

use wrt_conformance::{Case, cases};

use super::fixture::{Fixture, context, counting};
use crate::native::rows_body::RowsReader;
use crate::{Command, Limit, Row, Scalar, SqlError, Value};

pub(super) const CASES: &[Case<Fixture>] = cases![
    a_large_result_is_refused_whole_and_flows_as_a_stream,
    a_stream_without_rows_has_columns,
    a_stream_that_is_dropped_gives_its_connection_back,
    what_fails_on_the_way_ends_the_stream,
];

/// With the text beside each, more than may be answered at once.
const ROWS: u64 = 9000;

async fn a_large_result_is_refused_whole_and_flows_as_a_stream(fixture: Fixture) {
    let text = "x".repeat(1024);
    let select = counting(ROWS, "select cast(i as int8), cast($1 as text) from n");
    let command = Command::new(&select, [Value::from(text.as_str())]);
    let refused = fixture.sql.query(&context(), &command).await;
    assert!(
        matches!(
            refused,
            Err(SqlError::OverLimit {
                limit: Limit::ResultBytes,
                ..
            })
        ),
        "{:?}",
        refused.map(|rows| rows.rows.len())
    );
    let (columns, body) = fixture
        .sql
        .stream(&context(), &command)
        .await
        .expect("stream");
    assert_eq!(columns.len(), 2);
    let mut reader = RowsReader::of(body);
    let mut next: i64 = 1;
    loop {
        let rows = reader.next(100).await.expect("next");
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let expected = [Value::from(next), Value::from(text.as_str())];
            assert_eq!(row, expected);
            next += 1;
        }
    }
    assert_eq!(next, i64::try_from(ROWS).expect("few") + 1);
}

async fn a_stream_without_rows_has_columns(fixture: Fixture) {
    fixture.execute("create table {t} (a int4)", []).await;
    let command = fixture.command("select a from {t}", []);
    let (columns, body) = fixture
        .sql
        .stream(&context(), &command)
        .await
        .expect("stream");
    assert_eq!(columns[0].name, "a");
    let rows: Vec<Row> = RowsReader::of(body).next(10).await.expect("next");
    assert_eq!(rows, Vec::<Row>::new());
    fixture.remove().await;
}

/// More than any pool has, of results that have no end.
async fn a_stream_that_is_dropped_gives_its_connection_back(fixture: Fixture) {
    let endless = counting(u64::MAX >> 1, "select i from n");
    let command = Command::new(&endless, []);
    let started = Instant::now();
    for _ in 0..20 {
        let (_, body) = fixture
            .sql
            .stream(&context(), &command)
            .await
            .expect("stream");
        let mut reader = RowsReader::of(body);
        assert!(!reader.next(10).await.expect("next").is_empty());
    }
    fixture.query("select 1", []).await;
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

async fn what_fails_on_the_way_ends_the_stream(fixture: Fixture) {
    fixture
        .execute("create table {t} (a int8 check (a < 5000))", [])
        .await;
    let select = counting(9000, "select i from n");
    let command = fixture.command(&format!("insert into {{t}} {select} returning a"), []);
    let outcome = match fixture.sql.stream(&context(), &command).await {
        Err(error) => Err(error),
        Ok((_, body)) => {
            let mut reader = RowsReader::of(body);
            loop {
                match reader.next(1000).await {
                    Ok(rows) if rows.is_empty() => break Ok(()),
                    Ok(_) => {}
                    Err(error) => break Err(error),
                }
            }
        }
    };
    super::fixture::assert_state("the check", &outcome, "23514");
    let rows = fixture.query("select count(*) from {t}", []).await;
    assert_eq!(rows, [[Value::Scalar(Scalar::Int64(0))]]);
    fixture.remove().await;
}
