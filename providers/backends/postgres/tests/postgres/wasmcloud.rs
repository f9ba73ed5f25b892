//! What `wasmcloud:postgres` has a word for and `wrt:sql` has none.

use std::time::Duration;

use wrt_contract::CallContext;
use wrt_sql::host::wasmcloud::{
    run_batch, run_query,
    types::{
        Date, HashableF64, Interval, Lexeme, LexemeWeight, MacAddressEui48, MacAddressEui64,
        Offset, PgValue, Point, QueryError, Time, TimeTz, Timestamp, TimestampTz,
    },
};

use super::support::World;

/// Floats, as `integer_decode` has them.
const ONE: HashableF64 = (1 << 52, -52, 1);
const MINUS_HALF: HashableF64 = (1 << 52, -53, -1);
const INFINITE: HashableF64 = (1 << 52, 972, 1);

const A: Point = (ONE, MINUS_HALF);
const B: Point = (MINUS_HALF, ONE);
/// To the right of `A`, and above it.
const C: Point = ((1 << 52, -51, 1), ONE);

async fn ask(world: &World, text: &str, params: Vec<PgValue>) -> Result<Vec<PgValue>, QueryError> {
    let context = CallContext::default();
    let rows = run_query(&*world.provider, &context, text.to_owned(), params).await?;
    Ok(rows.into_iter().flatten().map(|cell| cell.value).collect())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn lexeme(data: &str, position: Option<u16>, weight: Option<LexemeWeight>) -> Lexeme {
    Lexeme {
        position,
        weight,
        data: data.to_owned(),
    }
}

/// A type, how a value of it is written, and the value.
fn plain() -> Vec<(&'static str, &'static str, PgValue)> {
    let hardware = MacAddressEui48 {
        bytes: (8, 0, 0x2b, 1, 2, 3),
    };
    let long = MacAddressEui64 {
        bytes: (8, 0, 0x2b, 1, 2, 3, 4, 5),
    };
    vec![
        ("bit(9)", "101000011", PgValue::Bit((9, vec![0xa1, 0x80]))),
        ("varbit", "101", PgValue::Varbit((Some(3), vec![0xa0]))),
        (
            "varbit[]",
            "{101,\"\"}",
            PgValue::VarbitArray(vec![(Some(3), vec![0xa0]), (Some(0), vec![])]),
        ),
        ("char(3)", "x", PgValue::Char((3, b"x  ".to_vec()))),
        (
            "char(2)[]",
            "{xy}",
            PgValue::CharArray(vec![(2, b"xy".to_vec())]),
        ),
        ("\"char\"", "x", PgValue::Char((1, b"x".to_vec()))),
        (
            "varchar[]",
            "{x,y}",
            PgValue::VarcharArray(vec![(None, b"x".into()), (None, b"y".into())]),
        ),
        ("name", "x", PgValue::Name("x".into())),
        ("name[]", "{x}", PgValue::NameArray(texts(&["x"]))),
        ("xml", "<a/>", PgValue::Xml("<a/>".into())),
        ("xml[]", "{<a/>}", PgValue::XmlArray(texts(&["<a/>"]))),
        ("inet", "10.0.0.1/8", PgValue::Inet("10.0.0.1/8".into())),
        (
            "inet[]",
            "{::1,10.0.0.1}",
            PgValue::InetArray(texts(&["::1", "10.0.0.1"])),
        ),
        ("cidr", "10.0.0.0/8", PgValue::Cidr("10.0.0.0/8".into())),
        ("cidr[]", "{}", PgValue::CidrArray(vec![])),
        ("macaddr", "08:00:2b:01:02:03", PgValue::Macaddr(hardware)),
        (
            "macaddr[]",
            "{08:00:2b:01:02:03}",
            PgValue::MacaddrArray(vec![hardware]),
        ),
        (
            "macaddr8",
            "08:00:2b:01:02:03:04:05",
            PgValue::Macaddr8(long),
        ),
        ("pg_lsn", "16/B374D848", PgValue::PgLsn(0x16_B374_D848)),
        ("pg_lsn[]", "{0/1}", PgValue::PgLsnArray(vec![1])),
        (
            "pg_snapshot",
            "10:20:10,14",
            PgValue::PgSnapshot((10, 20, vec![10, 14])),
        ),
        ("int2vector", "1 -2", PgValue::Int2Vector(vec![1, -2])),
        (
            "int2vector[]",
            "{1 -2,\"\"}",
            PgValue::Int2VectorArray(vec![vec![1, -2], vec![]]),
        ),
    ]
}

/// Words, pairs, and arrays of what the trait has a type for.
fn of_words_and_arrays() -> Vec<(&'static str, &'static str, PgValue)> {
    vec![
        ("tsquery", "'a' & 'b'", PgValue::TsQuery("'a' & 'b'".into())),
        (
            "tsvector",
            "it\\'s:2A,5 b\\\\",
            PgValue::TsVector(vec![
                lexeme("b\\", None, None),
                lexeme("it's", Some(2), Some(LexemeWeight::A)),
                lexeme("it's", Some(5), None),
            ]),
        ),
        (
            "hstore",
            "\"a\"=>\"1\", \"b \\\"\"=>NULL",
            PgValue::Hstore(vec![("a".into(), Some("1".into())), ("b \"".into(), None)]),
        ),
        (
            "bytea[]",
            "{\"\\\\x00ff\"}",
            PgValue::ByteaArray(vec![vec![0, 255]]),
        ),
        (
            "numeric[]",
            "{1.50,NaN}",
            PgValue::NumericArray(texts(&["1.50", "NaN"])),
        ),
        ("int2[]", "{1}", PgValue::Int2Array(vec![1])),
        (
            "float4[]",
            "{1}",
            PgValue::Float4Array(vec![(1 << 23, -23, 1)]),
        ),
        ("json[]", "{1}", PgValue::JsonArray(texts(&["1"]))),
        ("jsonb[]", "{1}", PgValue::JsonbArray(texts(&["1"]))),
    ]
}

fn of_geometry() -> Vec<(&'static str, &'static str, PgValue)> {
    vec![
        ("point", "(1,-0.5)", PgValue::Point(A)),
        ("point", "(1,inf)", PgValue::Point((ONE, INFINITE))),
        ("point[]", "{\"(1,-0.5)\"}", PgValue::PointArray(vec![A])),
        ("lseg", "[(1,-0.5),(-0.5,1)]", PgValue::Lseg((A, B))),
        ("lseg[]", "{}", PgValue::LsegArray(vec![])),
        ("box", "(1,-0.5),(2,1)", PgValue::Box((A, C))),
        (
            "box[]",
            "{(1,-0.5),(2,1);(2,1),(1,-0.5)}",
            PgValue::BoxArray(vec![(A, C); 2]),
        ),
        ("path", "[(1,-0.5),(-0.5,1)]", PgValue::Path(vec![A, B])),
        (
            "path[]",
            "{\"[(1,-0.5)]\"}",
            PgValue::PathArray(vec![vec![A]]),
        ),
        (
            "polygon",
            "((1,-0.5),(-0.5,1))",
            PgValue::Polygon(vec![A, B]),
        ),
        ("circle", "<(1,-0.5),1>", PgValue::Circle((A, ONE))),
        (
            "circle[]",
            "{\"<(1,-0.5),1>\"}",
            PgValue::CircleArray(vec![(A, ONE)]),
        ),
    ]
}

fn of_time() -> Vec<(&'static str, &'static str, PgValue)> {
    let time = Time {
        hour: 4,
        min: 5,
        sec: 6,
        micro: 500_000,
    };
    let midnight = Time {
        hour: 0,
        min: 0,
        sec: 0,
        micro: 0,
    };
    let never = Timestamp {
        date: Date::NegativeInfinity,
        time: midnight,
    };
    let offset = Offset::WesternHemisphereSecs(0);
    let at = Timestamp {
        date: Date::Ymd((-43, 3, 15)),
        time,
    };
    let zoned = TimeTz {
        timesonze: "-03:30".into(),
        time,
    };
    vec![
        ("date", "infinity", PgValue::Date(Date::PositiveInfinity)),
        (
            "date[]",
            "{-infinity}",
            PgValue::DateArray(vec![Date::NegativeInfinity]),
        ),
        ("timestamp", "-infinity", PgValue::Timestamp(never)),
        (
            "timestamptz",
            "-infinity",
            PgValue::TimestampTz(TimestampTz {
                timestamp: never,
                offset,
            }),
        ),
        (
            "timestamp[]",
            "{\"0044-03-15 04:05:06.5 BC\"}",
            PgValue::TimestampArray(vec![at]),
        ),
        (
            "timestamptz[]",
            "{\"0044-03-15 04:05:06.5+00 BC\"}",
            PgValue::TimestampTzArray(vec![TimestampTz {
                timestamp: at,
                offset,
            }]),
        ),
        ("time[]", "{04:05:06.5}", PgValue::TimeArray(vec![time])),
        ("timetz", "04:05:06.5-03:30", PgValue::TimeTz(zoned.clone())),
        (
            "timetz[]",
            "{04:05:06.5-03:30}",
            PgValue::TimeTzArray(vec![zoned]),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_type_of_postgres_is_read_and_written() {
    let world = World::start().await;
    world.execute("create extension hstore").await;
    let all = plain().into_iter().chain(of_words_and_arrays());
    let all = all.chain(of_geometry()).chain(of_time());
    for (type_name, text, value) in all {
        let literal = text.replace('\'', "''");
        let read = ask(&world, &format!("select '{literal}'::{type_name}"), vec![]).await;
        assert_eq!(read, Ok(vec![value.clone()]), "{type_name} {text} is read");
        let written = ask(
            &world,
            &format!("select $1::{type_name}"),
            vec![value.clone()],
        )
        .await;
        assert_eq!(
            written,
            Ok(vec![value.clone()]),
            "{type_name} {text} is written"
        );
        let same = format!("select $1::{type_name}::text = '{literal}'::{type_name}::text");
        let same = ask(&world, &same, vec![value]).await;
        assert_eq!(
            same,
            Ok(vec![PgValue::Bool(true)]),
            "{type_name} {text} is the same"
        );
    }
    world.is_at_rest().await;
}

/// The package has a word that is not the type's own, or says less.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_in_one_way_only() {
    let world = World::start().await;
    let west = TimestampTz {
        timestamp: Timestamp {
            date: Date::Ymd((2024, 2, 29)),
            time: Time {
                hour: 22,
                min: 0,
                sec: 0,
                micro: 0,
            },
        },
        offset: Offset::WesternHemisphereSecs(4 * 3600),
    };
    for (type_name, value, expected) in [
        ("line", PgValue::Line((A, B)), "{-1,-1,0.5}"),
        (
            "timestamptz at time zone 'UTC'",
            PgValue::TimestampTz(west),
            "2024-03-01 02:00:00",
        ),
        (
            "varbit",
            PgValue::BitVarying((None, vec![0xa0])),
            "10100000",
        ),
        ("int8", PgValue::TxidSnapshot(7), "7"),
        ("numeric", PgValue::Money("1.50".into()), "1.50"),
        (
            "timetz",
            PgValue::TimeTz(TimeTz {
                timesonze: "UTC".into(),
                time: Time {
                    hour: 1,
                    min: 0,
                    sec: 0,
                    micro: 0,
                },
            }),
            "01:00:00+00",
        ),
    ] {
        let written = ask(
            &world,
            &format!("select ($1::{type_name})::text"),
            vec![value],
        )
        .await;
        assert_eq!(
            written,
            Ok(vec![PgValue::Text(expected.into())]),
            "{type_name}"
        );
    }
    // As the server's locale has it, which says that it is dollars.
    world.execute("create table prices (a money)").await;
    let read = ask(&world, "select '-1234.5'::numeric::money", vec![]).await;
    assert_eq!(read, Ok(vec![PgValue::Money("-1234.50".into())]));
    let wrong = ask(
        &world,
        "insert into prices values ($1)",
        vec![PgValue::Money("1.50".into())],
    )
    .await;
    assert!(
        matches!(&wrong, Err(QueryError::InvalidParams(words)) if words.contains("money")),
        "{wrong:?}"
    );
    let cast = "insert into prices values ($1::numeric) returning a";
    let cast = ask(&world, cast, vec![PgValue::Money("1.50".into())]).await;
    assert_eq!(cast, Ok(vec![PgValue::Money("1.50".into())]));
    assert_eq!(
        ask(&world, "select pg_sleep(0)", vec![]).await,
        Ok(vec![PgValue::Text(String::new())])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_word_is_an_error_with_its_type_and_column() {
    let world = World::start().await;
    world
        .execute("create type mood as enum ('sad', 'ok')")
        .await;
    for (expression, type_name) in [
        ("26::oid", "oid"),
        ("'sad'::mood", "mood"),
        ("'1 day'::interval", "interval"),
        ("'[1,5)'::int4range", "int4range"),
        ("'{1,-1,0}'::line", "line"),
        ("'((1,2),(3,4))'::path", "path"),
        ("array[1, null]", "int4[]"),
        ("array[[1], [2]]", "int4[]"),
        ("'[2:2]={7}'::int4[]", "int4[]"),
        ("'10:20:'::txid_snapshot", "txid_snapshot"),
    ] {
        let refused = ask(&world, &format!("select {expression} as here"), vec![]).await;
        let Err(QueryError::Unexpected(words)) = refused else {
            panic!("{expression}: {refused:?}");
        };
        assert!(
            words.contains("\"here\"") && words.contains(type_name),
            "{words}"
        );
        assert!(words.contains("was executed"), "{words}");
        let cast = ask(
            &world,
            &format!("select ({expression})::text as here"),
            vec![],
        )
        .await;
        assert!(
            matches!(&cast.as_deref(), Ok([PgValue::Text(_)])),
            "{expression}: {cast:?}"
        );
        let null = ask(&world, &format!("select null::{type_name}"), vec![]).await;
        assert_eq!(null, Ok(vec![PgValue::Null]), "{type_name}");
    }
    let day = Date::Ymd((2024, 1, 1));
    let days = Interval {
        start: day,
        start_inclusive: true,
        end: day,
        end_inclusive: true,
    };
    let refused = ask(&world, "select $1::interval", vec![PgValue::Interval(days)]).await;
    assert!(
        matches!(&refused, Err(QueryError::InvalidParams(words)) if words.starts_with("parameter $1: "))
    );
    world.is_at_rest().await;
}

/// Outside of a transaction, where it is alone; and what has statements in it is one.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_what_the_server_takes() {
    let world = World::start().await;
    let batch = async |text: &str| {
        let context = CallContext::default();
        run_batch(&*world.provider, &context, text).await
    };
    let made = "create table t (a int4); create index on t (a);
        create function f() returns int4 language sql begin atomic insert into t values (1); select 7; end;
        create function g() returns int4 language plpgsql as $$ begin perform f(); return 8; end; $$;
        select g()";
    assert_eq!(batch(made).await, Ok(()));
    assert_eq!(batch("vacuum t").await, Ok(()));
    assert_eq!(world.ask("select count(*) from t").await, ["1"]);
    let refused = batch("vacuum t; vacuum t").await;
    assert!(
        matches!(&refused, Err(QueryError::Unexpected(words)) if words.starts_with("25001: ")),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_told_as_maybe_executed() {
    let world = World::start().await;
    let context = CallContext::with_budget(Duration::from_millis(300));
    let lost = run_query(
        &*world.provider,
        &context,
        "select pg_sleep(10)".to_owned(),
        vec![],
    )
    .await;
    let Err(QueryError::Unexpected(words)) = lost else {
        panic!("nobody has answered: {lost:?}");
    };
    assert!(words.contains("maybe executed"), "{words}");
    world.is_at_rest().await;
}
