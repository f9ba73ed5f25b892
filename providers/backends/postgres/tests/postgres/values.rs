//! Types that only this database has.

use wrt_sql::{Array, Other, Scalar, Value};

use super::support::World;

fn other(type_name: &str, text: &str) -> Value {
    Value::Scalar(Scalar::Other(Other {
        type_name: type_name.to_owned(),
        text: text.to_owned(),
    }))
}

/// What the interface has no word for.
fn unknown() -> Vec<(&'static str, Value)> {
    vec![
        ("'10.0.0.1/8'::inet", other("inet", "10.0.0.1/8")),
        ("'(1,2)'::point", other("point", "(1,2)")),
        ("'[1,5)'::int4range", other("int4range", "[1,5)")),
        (
            "'08:00:2b:01:02:03'::macaddr",
            other("macaddr", "08:00:2b:01:02:03"),
        ),
        ("B'101'::varbit", other("varbit", "101")),
        ("'a b'::tsvector", other("tsvector", "'a' 'b'")),
        ("'04:05:06+02'::timetz", other("timetz", "04:05:06+02")),
        ("'16/B374D848'::pg_lsn", other("pg_lsn", "16/B374D848")),
        ("row(1, 'x')::pair", other("pair", "(1,x)")),
        ("row(1, 'x')", other("record", "(1,x)")),
        ("'sad'::mood", other("mood", "sad")),
        ("'<a/>'::xml", other("xml", "<a/>")),
        (
            "array['10.0.0.1'::inet, null]",
            other("inet[]", "{10.0.0.1,NULL}"),
        ),
        (
            "'[2:3]={7,8}'::int4[]",
            other("int4[]", "[2:3]={\"7\",\"8\"}"),
        ),
        ("'1 -2'::int2vector", other("int2vector", "1 -2")),
        (
            "array['1 2'::int2vector]",
            other("int2vector[]", "{\"1 2\"}"),
        ),
        ("'26 27'::oidvector", other("oidvector", "26 27")),
        ("'infinity'::date", other("date", "infinity")),
        (
            "'-infinity'::timestamptz",
            other("timestamptz", "-infinity"),
        ),
        ("'pg_type'::regclass", other("regclass", "pg_type")),
    ]
}

/// What it has one for, and other databases do not have.
fn known() -> Vec<(&'static str, Value)> {
    vec![
        ("null::inet", Value::Scalar(Scalar::Null)),
        ("7::positive", Value::from(7)),
        ("'x'::\"char\"", Value::Scalar(Scalar::Int8(120))),
        ("26::oid", Value::Scalar(Scalar::Uint32(26))),
        (
            "'18446744073709551615'::xid8",
            Value::Scalar(Scalar::Uint64(u64::MAX)),
        ),
        ("'x'::name", Value::from("x")),
        ("'x'::char(3)", Value::from("x  ")),
        (
            "'{\"a\":1}'::jsonb",
            Value::Scalar(Scalar::Json("{\"a\": 1}".into())),
        ),
        (
            "'NaN'::numeric",
            Value::Scalar(Scalar::Decimal("NaN".into())),
        ),
        (
            "-12345678901234567890.123456789000::numeric",
            Value::Scalar(Scalar::Decimal("-12345678901234567890.123456789000".into())),
        ),
        (
            "array['sad'::mood]",
            Value::Array(Array {
                lengths: vec![1],
                elements: vec![Scalar::Other(Other {
                    type_name: "mood".into(),
                    text: "sad".into(),
                })],
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_is_not_known_arrives_as_text_with_its_name() {
    let world = World::start().await;
    world
        .execute("create type mood as enum ('sad', 'ok')")
        .await;
    world.execute("create type pair as (a int4, b text)").await;
    world
        .execute("create domain positive as int4 check (value > 0)")
        .await;
    for (expression, expected) in unknown().into_iter().chain(known()) {
        let rows = world
            .query(&format!("select 1 as a, {expression} as b"), [])
            .await;
        assert_eq!(rows[0][1], expected, "{expression}");
        assert_eq!(rows[0][0], Value::from(1), "{expression}");
    }
    let rows = world
        .try_query("select '10.0.0.1'::inet as where_from", [])
        .await;
    let columns = rows.expect("select").columns;
    assert_eq!(columns[0].name, "where_from");
    assert_eq!(columns[0].type_name, "inet");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_with_such_a_type_is_written_once() {
    let world = World::start().await;
    world
        .execute("create table hosts (id serial, address inet)")
        .await;
    let insert =
        "insert into hosts (address) values ($1::inet), ('::1') returning id, address -- both";
    let rows = world.query(insert, ["10.0.0.1".into()]).await;
    let expected = [("10.0.0.1", 1), ("::1", 2)].map(|(address, id)| {
        let id: i32 = id;
        vec![Value::from(id), other("inet", address)]
    });
    assert_eq!(rows, expected);
    let ordered = world
        .query("select address from hosts order by id desc;", [])
        .await;
    assert_eq!(ordered[0], [other("inet", "::1")]);
    // The one form that cannot be the body of another statement: it is refused, and has not run.
    let nested = "with new as (insert into hosts (address) values ('10.0.0.2') returning address) \
        select address from new";
    let refused = world.try_query(nested, []).await.unwrap_err();
    assert_eq!(refused.state(), Some("0A000"), "{refused}");
    assert!(refused.to_string().contains("cast it to text"), "{refused}");
    assert_eq!(world.ask("select count(*) from hosts").await, ["2"]);
    let cast = nested.replace("select address", "select address::text");
    assert_eq!(world.query(&cast, []).await, [[Value::from("10.0.0.2/32")]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_another_type_is_refused_and_a_text_is_read() {
    let world = World::start().await;
    world
        .execute("create table t (a int2, b text, c date, d inet, e float8)")
        .await;
    for (column, value, state) in [
        ("a", Value::from(70_000), "22003"),
        ("a", Value::from("seven"), "22P02"),
        ("a", Value::from(true), "42804"),
        ("b", Value::from(1), "42804"),
        ("c", Value::from(1), "42804"),
        ("d", Value::from(vec![1]), "42804"),
        ("d", Value::from("nowhere"), "22P02"),
    ] {
        let insert = format!("insert into t ({column}) values ($1) returning 1");
        let refused = world.try_query(&insert, [value.clone()]).await.unwrap_err();
        assert_eq!(
            refused.state(),
            Some(state),
            "{column}, {value:?}: {refused}"
        );
    }
    let insert = "insert into t values ($1, $2, $3, $4, $5) returning a, c, d, e";
    let values: Vec<Value> = vec![
        "7".into(),
        "x".into(),
        "2024-02-29".into(),
        "::1".into(),
        7_i64.into(),
    ];
    let rows = world.query(insert, values).await;
    assert_eq!(rows[0][0], Value::from(7_i16));
    assert_eq!(rows[0][2], other("inet", "::1"));
    assert_eq!(rows[0][3], Value::from(7.0));
    world.is_at_rest().await;
}
