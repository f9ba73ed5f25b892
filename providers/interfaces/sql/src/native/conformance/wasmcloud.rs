//! The same in the words of `wasmcloud:postgres`, as far as databases have them in common.

use wrt_conformance::{Case, cases};

use super::fixture::{Fixture, context, counting};
use crate::host::wasmcloud::{
    run_batch, run_query, run_statement,
    types::{
        Date, Offset, PgValue, PreparedStatementExecError, QueryError, Time, Timestamp, TimestampTz,
    },
};

pub(super) const CASES: &[Case<Fixture>] = cases![
    a_value_comes_back_by_the_name_of_its_type,
    a_value_may_have_any_name_of_its_type,
    null_is_null_in_the_words_of_wasmcloud,
    arrays_are_lists,
    a_text_of_several_statements_happens_as_a_whole,
    a_text_that_says_that_it_is_a_transaction_is_one,
    what_was_checked_is_run_and_counted,
    an_error_says_whose_it_is,
];

impl Fixture {
    async fn pg(&self, text: &str, params: Vec<PgValue>) -> Result<Vec<Vec<PgValue>>, QueryError> {
        let text = text.replace("{t}", &self.table);
        let rows = run_query(&*self.sql, &context(), text, params).await?;
        let values = rows
            .into_iter()
            .map(|row| row.into_iter().map(|cell| cell.value).collect());
        Ok(values.collect())
    }

    async fn pg_batch(&self, text: &str) -> Result<(), QueryError> {
        run_batch(&*self.sql, &context(), &text.replace("{t}", &self.table)).await
    }

    async fn pg_exec(
        &self,
        text: &str,
        params: Vec<PgValue>,
    ) -> Result<u64, PreparedStatementExecError> {
        run_statement(
            &*self.sql,
            &context(),
            text.replace("{t}", &self.table),
            params,
        )
        .await
    }

    /// Whether values come back as they were written.
    async fn pg_round_trip(&self, types: &[&str], values: Vec<PgValue>) {
        let columns = types
            .iter()
            .enumerate()
            .map(|(at, name)| format!("c{at} {name}"));
        let columns = columns.collect::<Vec<_>>().join(", ");
        self.pg_batch(&format!("create table {{t}} ({columns})"))
            .await
            .expect("create");
        let places = (1..=types.len())
            .map(|at| format!("${at}"))
            .collect::<Vec<_>>()
            .join(", ");
        let insert = format!("insert into {{t}} values ({places})");
        assert_eq!(self.pg(&insert, values.clone()).await, Ok(vec![]));
        let read = self.pg("select * from {t}", vec![]).await.expect("select");
        for ((read, expected), type_name) in read[0].iter().zip(&values).zip(types) {
            assert_eq!(read, expected, "{type_name}");
        }
        assert_eq!((read.len(), read[0].len()), (1, values.len()));
        self.remove().await;
    }
}

/// As `integer_decode` has it.
const HALF: (u64, i16, i8) = (1 << 52, -53, 1);
const NARROW_HALF: (u64, i16, i8) = (1 << 23, -24, 1);

const TIME: Time = Time {
    hour: 23,
    min: 59,
    sec: 58,
    micro: 123_456,
};

fn day() -> Date {
    Date::Ymd((2024, 2, 29))
}

async fn a_value_comes_back_by_the_name_of_its_type(fixture: Fixture) {
    let timestamp = Timestamp {
        date: day(),
        time: TIME,
    };
    let (types, values): (Vec<_>, Vec<_>) = [
        ("bool", PgValue::Bool(true)),
        ("int2", PgValue::Int2(i16::MIN)),
        ("int4", PgValue::Int4(i32::MAX)),
        ("int8", PgValue::Int8(i64::MIN)),
        ("float4", PgValue::Float4(NARROW_HALF)),
        ("float8", PgValue::Float8(HALF)),
        ("numeric", PgValue::Numeric("1234.56".into())),
        ("text", PgValue::Text("grün 🦀'".into())),
        ("varchar(9)", PgValue::Varchar((None, "grün".into()))),
        ("bytea", PgValue::Bytea(vec![0, 255, 39])),
        ("date", PgValue::Date(day())),
        ("time", PgValue::Time(TIME)),
        ("timestamp", PgValue::Timestamp(timestamp)),
        (
            "timestamptz",
            PgValue::TimestampTz(TimestampTz {
                timestamp,
                offset: Offset::WesternHemisphereSecs(0),
            }),
        ),
        (
            "uuid",
            PgValue::Uuid("123e4567-e89b-12d3-a456-426614174000".into()),
        ),
        ("json", PgValue::Json("{\"a\": [1, null]}".into())),
        ("jsonb", PgValue::Jsonb("{\"a\": [1, null]}".into())),
        ("inet", PgValue::Inet("10.0.0.1".into())),
        ("xml", PgValue::Xml("<a/>".into())),
    ]
    .into_iter()
    .unzip();
    fixture.pg_round_trip(&types, values).await;
}

async fn a_value_may_have_any_name_of_its_type(fixture: Fixture) {
    let cases = [
        ("int8", PgValue::BigInt(7), PgValue::Int8(7)),
        ("int8", PgValue::BigSerial(7), PgValue::Int8(7)),
        ("int8", PgValue::Serial8(7), PgValue::Int8(7)),
        ("int4", PgValue::Integer(7), PgValue::Int4(7)),
        ("int4", PgValue::Int(7), PgValue::Int4(7)),
        ("int4", PgValue::Serial(7), PgValue::Int4(7)),
        ("int4", PgValue::Serial4(7), PgValue::Int4(7)),
        ("int2", PgValue::SmallInt(7), PgValue::Int2(7)),
        ("int2", PgValue::SmallSerial(7), PgValue::Int2(7)),
        ("int2", PgValue::Serial2(7), PgValue::Int2(7)),
        ("bool", PgValue::Boolean(true), PgValue::Bool(true)),
        ("float8", PgValue::Double((1, -1, 1)), PgValue::Float8(HALF)),
        (
            "float4",
            PgValue::Real((1, -1, 1)),
            PgValue::Float4(NARROW_HALF),
        ),
        (
            "numeric",
            PgValue::Decimal("7.5".into()),
            PgValue::Numeric("7.5".into()),
        ),
        (
            "varchar",
            PgValue::Varchar((Some(1), b"x".into())),
            PgValue::Varchar((None, b"x".into())),
        ),
        (
            "text",
            PgValue::Char((1, b"x".into())),
            PgValue::Text("x".into()),
        ),
    ];
    let columns = cases.iter().enumerate();
    let columns = columns.map(|(at, (type_name, ..))| format!("c{at} {type_name}"));
    let columns = columns.collect::<Vec<_>>().join(", ");
    let create = format!("create table {{t}} ({columns})");
    fixture.pg_batch(&create).await.expect("create");
    for (at, (_, value, expected)) in cases.into_iter().enumerate() {
        let shown = format!("{value:?}");
        let insert = format!("insert into {{t}} (c{at}) values ($1) returning c{at}");
        let inserted = fixture.pg(&insert, vec![value]).await;
        assert_eq!(inserted, Ok(vec![vec![expected]]), "{shown}");
    }
    fixture.remove().await;
}

async fn null_is_null_in_the_words_of_wasmcloud(fixture: Fixture) {
    let types = [
        "bool",
        "int8",
        "float4",
        "numeric",
        "text",
        "bytea",
        "timestamptz",
        "jsonb",
        "inet",
        "int4[]",
    ];
    fixture
        .pg_round_trip(&types, vec![PgValue::Null; types.len()])
        .await;
}

async fn arrays_are_lists(fixture: Fixture) {
    let texts = ["a,b", "\"{}\\'", "", "NULL"].map(str::to_owned).to_vec();
    let (types, values): (Vec<_>, Vec<_>) = [
        ("int8[]", PgValue::Int8Array(vec![i64::MIN, 0, i64::MAX])),
        ("int4[]", PgValue::Int4Array(vec![])),
        ("bool[]", PgValue::BoolArray(vec![true, false])),
        ("float8[]", PgValue::Float8Array(vec![HALF])),
        ("text[]", PgValue::TextArray(texts)),
        ("date[]", PgValue::DateArray(vec![day()])),
        (
            "uuid[]",
            PgValue::UuidArray(vec!["123e4567-e89b-12d3-a456-426614174000".into()]),
        ),
    ]
    .into_iter()
    .unzip();
    fixture.pg_round_trip(&types, values).await;
}

async fn a_text_of_several_statements_happens_as_a_whole(fixture: Fixture) {
    let all = "create table {t} (a int4 primary key, b text); -- a table;\n\
        insert into {t} values (1, 'x;'), (2, null); update {t} set b = ';' where b is null;";
    assert_eq!(fixture.pg_batch(all).await, Ok(()));
    assert_eq!(fixture.pg_batch(" ; -- nothing").await, Ok(()));
    let failed = fixture
        .pg_batch("insert into {t} values (3, 'y'); insert into {t} values (1, 'z')")
        .await;
    let Err(QueryError::Unexpected(words)) = failed else {
        panic!("it is a key twice: {failed:?}");
    };
    assert!(
        words.starts_with("23505: ") && words.contains("statement 2 of 2"),
        "{words}"
    );
    let rows = fixture.pg("select b from {t} order by a", vec![]).await;
    assert_eq!(
        rows,
        Ok(["x;", ";"]
            .map(|text| vec![PgValue::Text(text.into())])
            .to_vec())
    );
    fixture.remove().await;
}

async fn a_text_that_says_that_it_is_a_transaction_is_one(fixture: Fixture) {
    let all = "BEGIN; create table {t} (a int4); insert into {t} values (1); COMMIT;";
    assert_eq!(fixture.pg_batch(all).await, Ok(()));
    for text in [
        "begin; insert into {t} values (2)",
        "insert into {t} values (2); commit",
        "set a = 1",
    ] {
        let refused = fixture.pg_batch(text).await;
        assert!(
            matches!(refused, Err(QueryError::InvalidQuery(_))),
            "{text}: {refused:?}"
        );
    }
    assert_eq!(fixture.count().await, 1);
    fixture.remove().await;
}

async fn what_was_checked_is_run_and_counted(fixture: Fixture) {
    fixture
        .pg_batch("create table {t} (a int4 primary key)")
        .await
        .expect("create");
    let insert = "insert into {t} values ($1), ($2)";
    let values = |from: i32| vec![PgValue::Int4(from), PgValue::Int4(from + 1)];
    assert_eq!(fixture.pg_exec(insert, values(1)).await, Ok(2));
    assert_eq!(
        fixture.pg_exec("update {t} set a = a + 10", vec![]).await,
        Ok(2)
    );
    let twice = fixture.pg_exec(insert, values(11)).await;
    let Err(PreparedStatementExecError::Unexpected(words)) = twice else {
        panic!("it is a key twice: {twice:?}");
    };
    assert!(words.starts_with("23505: "), "{words}");
    let few = fixture.pg_exec(insert, vec![PgValue::Int4(1)]).await;
    let Err(PreparedStatementExecError::QueryError(QueryError::InvalidParams(words))) = few else {
        panic!("a value is missing: {few:?}");
    };
    assert!(words.starts_with("07001: "), "{words}");
    fixture.remove().await;
}

async fn an_error_says_whose_it_is(fixture: Fixture) {
    let begins = |failed: Result<Vec<Vec<PgValue>>, QueryError>, expected: &str| match failed {
        Err(QueryError::InvalidQuery(words)) => assert!(words.starts_with(expected), "{words}"),
        other => panic!("the query is wrong: {other:?}"),
    };
    begins(fixture.pg("select from from", vec![]).await, "42601: ");
    begins(fixture.pg("select * from {t}", vec![]).await, "42P01: ");
    begins(fixture.pg("begin", vec![]).await, "BEGIN: ");
    let text = "select cast($1 as uuid)";
    let none = fixture.pg(text, vec![PgValue::Uuid("1-2".into())]).await;
    assert!(
        matches!(none, Err(QueryError::InvalidParams(_))),
        "{none:?}"
    );
    let none = fixture.pg(text, vec![PgValue::Float8((1, 0, 0))]).await;
    let Err(QueryError::InvalidParams(words)) = none else {
        panic!("it is no float: {none:?}");
    };
    assert!(words.starts_with("parameter $1: "), "{words}");
    // A result that is too large is no stream here.
    let much = counting(200_000, "select i, i, i from n");
    let much = fixture.pg(&much, vec![]).await;
    assert!(matches!(much, Err(QueryError::Unexpected(_))), "too large");
}
