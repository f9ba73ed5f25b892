//! A value comes out as it went in.

use wrt_conformance::{Case, cases};

use super::fixture::{Fixture, NULL};
use crate::{Array, Date, Interval, Scalar, Time, Timestamp, Value};

pub(super) const CASES: &[Case<Fixture>] = cases![
    each_type_comes_back_as_itself,
    null_is_null_in_each_type,
    the_ends_of_each_type_are_kept,
    texts_and_bytes_are_kept_as_they_are,
    arrays_come_back_with_their_shape,
];

const TABLE: &str = "create table {t} (id int8, a bool, b int2, c int4, d int8, e float4, f float8, \
    g numeric, h text, i bytea, j date, k time, l timestamp, m timestamptz, n interval, o uuid, p json)";

const INSERT: &str = "insert into {t} values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
    $14, $15, $16, $17)";

fn scalars(scalars: impl IntoIterator<Item = Scalar>) -> Vec<Value> {
    scalars.into_iter().map(Value::Scalar).collect()
}

fn date(year: i32, month: u8, day: u8) -> Date {
    Date { year, month, day }
}

fn time(hour: u8, minute: u8, second: u8, microsecond: u32) -> Time {
    Time {
        hour,
        minute,
        second,
        microsecond,
    }
}

fn timestamp(date: Date, time: Time) -> Timestamp {
    Timestamp { date, time }
}

/// Whether rows come back as they were written.
async fn round_trip(fixture: &Fixture, table: &str, insert: &str, rows: Vec<Vec<Value>>) {
    fixture.execute(table, []).await;
    for row in &rows {
        assert_eq!(fixture.execute(insert, row.clone()).await, 1);
    }
    let read = fixture.query("select * from {t} order by id", []).await;
    for (read, expected) in read.iter().zip(&rows) {
        for (at, (read, expected)) in read.iter().zip(expected).enumerate() {
            assert_eq!(read, expected, "column {at}");
        }
    }
    assert_eq!(read.len(), rows.len());
    fixture.remove().await;
}

async fn each_type_comes_back_as_itself(fixture: Fixture) {
    let row = scalars([
        Scalar::Int64(1),
        Scalar::Boolean(true),
        Scalar::Int16(-2),
        Scalar::Int32(3),
        Scalar::Int64(-4),
        Scalar::Float32(0.5),
        Scalar::Float64(-0.1),
        Scalar::Decimal("1234.56".into()),
        Scalar::Text("grün\n'\"\\ 🦀".into()),
        Scalar::Bytes(vec![0, 255, 10, 39]),
        Scalar::Date(date(2024, 2, 29)),
        Scalar::Time(time(23, 59, 58, 123_456)),
        Scalar::Timestamp(timestamp(date(1999, 12, 31), time(0, 0, 1, 0))),
        Scalar::Instant(timestamp(date(2026, 7, 1), time(12, 30, 0, 1))),
        Scalar::Interval(Interval {
            months: 14,
            days: -3,
            microseconds: 4_500_000,
        }),
        Scalar::Uuid("123e4567-e89b-12d3-a456-426614174000".into()),
        Scalar::Json("{\"a\": [1, null]}".into()),
    ]);
    round_trip(&fixture, TABLE, INSERT, vec![row]).await;
}

async fn null_is_null_in_each_type(fixture: Fixture) {
    let mut row = vec![NULL; 17];
    row[0] = Value::from(1_i64);
    round_trip(&fixture, TABLE, INSERT, vec![row]).await;
    let rows = fixture
        .query("select cast($1 as int8) is null", [NULL])
        .await;
    assert!(
        matches!(
            rows[0][0],
            Value::Scalar(Scalar::Boolean(true) | Scalar::Int64(1))
        ),
        "{rows:?}"
    );
}

async fn the_ends_of_each_type_are_kept(fixture: Fixture) {
    let table = "create table {t} (id int8, b int2, c int4, d int8, e float4, f float8, g numeric, j date, \
        k time, l timestamp, m timestamptz, n interval)";
    let insert = "insert into {t} values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let least = scalars([
        Scalar::Int64(1),
        Scalar::Int16(i16::MIN),
        Scalar::Int32(i32::MIN),
        Scalar::Int64(i64::MIN),
        Scalar::Float32(f32::MIN),
        Scalar::Float64(f64::NEG_INFINITY),
        Scalar::Decimal("-99999999999.9999".into()),
        Scalar::Date(date(-43, 3, 15)),
        Scalar::Time(time(0, 0, 0, 0)),
        Scalar::Timestamp(timestamp(date(0, 12, 31), time(23, 59, 59, 999_999))),
        Scalar::Instant(timestamp(date(1, 1, 1), time(0, 0, 0, 0))),
        Scalar::Interval(Interval {
            months: -1200,
            days: -400,
            microseconds: -1,
        }),
    ]);
    let most = scalars([
        Scalar::Int64(2),
        Scalar::Int16(i16::MAX),
        Scalar::Int32(i32::MAX),
        Scalar::Int64(i64::MAX),
        Scalar::Float32(f32::MIN_POSITIVE),
        Scalar::Float64(f64::MAX),
        Scalar::Decimal("0.00000123456789".into()),
        Scalar::Date(date(12_345, 12, 31)),
        Scalar::Time(time(24, 0, 0, 0)),
        Scalar::Timestamp(timestamp(date(9999, 12, 31), time(23, 59, 59, 999_999))),
        Scalar::Instant(timestamp(date(12_345, 1, 1), time(0, 0, 0, 1))),
        Scalar::Interval(Interval {
            months: 0,
            days: 0,
            microseconds: 86_400_000_000_000,
        }),
    ]);
    round_trip(&fixture, table, insert, vec![least, most]).await;
}

async fn texts_and_bytes_are_kept_as_they_are(fixture: Fixture) {
    let table = "create table {t} (id int8, a text, b bytea)";
    let all_bytes: Vec<u8> = (0..=255).collect();
    let long = "ä".repeat(300_000);
    let rows = [
        (String::new(), Vec::new()),
        ("  blanks  ".to_owned(), all_bytes.clone()),
        ("123".to_owned(), b"123".to_vec()),
        ("NULL".to_owned(), b"NULL".to_vec()),
        (long, all_bytes.repeat(2000)),
    ];
    let rows = rows.into_iter().enumerate().map(|(id, (text, bytes))| {
        let id = i64::try_from(id).expect("there are five");
        vec![Value::from(id), Value::from(text), Value::from(bytes)]
    });
    let insert = "insert into {t} values ($1, $2, $3)";
    round_trip(&fixture, table, insert, rows.collect()).await;
}

async fn arrays_come_back_with_their_shape(fixture: Fixture) {
    let table = "create table {t} (id int8, a int4[], b text[], c bool[], d date[])";
    let insert = "insert into {t} values ($1, $2, $3, $4, $5)";
    let array = |lengths: &[u32], elements: Vec<Scalar>| {
        Value::Array(Array {
            lengths: lengths.to_vec(),
            elements,
        })
    };
    let text = |text: &str| Scalar::Text(text.to_owned());
    let rows = vec![
        vec![
            Value::from(1_i64),
            array(
                &[3],
                vec![Scalar::Int32(1), Scalar::Null, Scalar::Int32(-3)],
            ),
            array(
                &[4],
                vec![text("a,b"), text("\"{}\\'"), text(""), text("NULL")],
            ),
            array(&[1], vec![Scalar::Boolean(false)]),
            array(&[1], vec![Scalar::Date(date(2024, 2, 29))]),
        ],
        vec![
            Value::from(2_i64),
            array(&[2, 2], (1..=4).map(Scalar::Int32).collect()),
            array(&[2, 1], vec![text("x"), Scalar::Null]),
            array(&[], vec![]),
            NULL,
        ],
    ];
    round_trip(&fixture, table, insert, rows).await;
}
