//! Machines and what is known of them, in the words of `wasmcloud:postgres@0.1.1-draft`, which many components
//! import: `POST /tables` makes what is needed, `PUT /<id>` and `PUT /bare/<id>` write a machine, `GET /<id>` tells
//! it, and `POST /rename/<id>/<name>` renames it by a statement that was prepared.
//!
//! `GET /wrong/<what>` does what fails. What fails is an answer.

use wrt_guest::{
    http::respond,
    wasip2::{
        self,
        http::types::{IncomingRequest, Method, ResponseOutparam},
    },
};

use bindings::wasmcloud::postgres::{
    prepared::{exec, prepare},
    query::{query, query_batch},
    types::{
        Date, HashableF64, Offset, PgValue, PreparedStatementExecError, QueryError, ResultRow,
        StatementPrepareError, Time, Timestamp, TimestampTz,
    },
};

struct Machines;

wasip2::http::proxy::export!(Machines);

const TABLES: &str = "
    create table if not exists machines (
        id int8 primary key, name varchar(20) not null, load float8, price numeric, seen timestamptz,
        address inet, tags text[], code bytea, facts jsonb, is_up bool
    );
    delete from machines; -- so that a second run has the same
";

const INSERT: &str = "insert into machines values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// What went wrong: the status of the answer, and words.
struct Failure(u16, String);

impl wasip2::exports::http::incoming_handler::Guest for Machines {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match answer(&request) {
            Ok(text) => respond(out, 200, &text),
            Err(Failure(status, text)) => respond(out, status, &text),
        }
    }
}

fn answer(request: &IncomingRequest) -> Result<String, Failure> {
    let path = request.path_with_query().unwrap_or_default();
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (request.method(), &parts[..]) {
        (Method::Post, ["tables"]) => Ok(query_batch(TABLES).map(|()| "made".to_owned())?),
        (Method::Put, ["bare", id]) => write(bare(number(id)?)),
        (Method::Put, [id]) => write(whole(number(id)?)),
        (Method::Get, ["wrong", what]) => wrong(what),
        (Method::Get, [id]) => read(number(id)?),
        (Method::Post, ["rename", id, name]) => rename(number(id)?, name),
        _ => Err(Failure(404, "there is no such request".to_owned())),
    }
}

fn number(text: &str) -> Result<i64, Failure> {
    let number = text.parse().ok();
    number.ok_or_else(|| Failure(400, format!("{text:?} is no number")))
}

/// A float as `integer_decode` of the crate `num-traits` has it.
fn parts(value: f64) -> HashableF64 {
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i16;
    let fraction = bits & ((1 << 52) - 1);
    let mantissa = match exponent {
        0 => fraction << 1,
        _ => fraction | (1 << 52),
    };
    let sign = if value.is_sign_negative() { -1 } else { 1 };
    (mantissa, exponent - 1075, sign)
}

/// A machine of which all is known.
fn whole(id: i64) -> Vec<PgValue> {
    let time = Time {
        hour: 12,
        min: 30,
        sec: 0,
        micro: 1,
    };
    let timestamp = Timestamp {
        date: Date::Ymd((2026, 7, 1)),
        time,
    };
    let offset = Offset::WesternHemisphereSecs(0);
    vec![
        PgValue::BigInt(id),
        PgValue::Varchar((Some(20), "Ada's".into())),
        PgValue::Double(parts(-0.1)),
        PgValue::Numeric("1234.56".to_owned()),
        PgValue::TimestampTz(TimestampTz { timestamp, offset }),
        PgValue::Inet("10.0.0.1".to_owned()),
        PgValue::TextArray(vec!["a,b".to_owned(), "\"c\"".to_owned()]),
        PgValue::Bytea(vec![0, 255]),
        PgValue::Jsonb("{\"cores\": 2}".to_owned()),
        PgValue::Boolean(true),
    ]
}

/// One of which its name alone is known.
fn bare(id: i64) -> Vec<PgValue> {
    let mut values = vec![PgValue::Int8(id), PgValue::Text("bare".to_owned())];
    values.resize_with(10, || PgValue::Null);
    values
}

fn write(values: Vec<PgValue>) -> Result<String, Failure> {
    let returned = query(&format!("{INSERT} returning id"), &values)?;
    Ok(shown(&returned))
}

fn read(id: i64) -> Result<String, Failure> {
    let rows = query("select * from machines where id = $1", &[PgValue::Int8(id)])?;
    match rows.is_empty() {
        false => Ok(shown(&rows)),
        true => Err(Failure(404, "there is no such machine".to_owned())),
    }
}

/// A line for each cell.
fn shown(rows: &[ResultRow]) -> String {
    let cells = rows.iter().flatten();
    let lines = cells.map(|cell| format!("{}: {:?}", cell.column_name, cell.value));
    lines.collect::<Vec<_>>().join("\n")
}

/// There and back again: the statement is prepared once.
fn rename(id: i64, name: &str) -> Result<String, Failure> {
    let token = prepare("update machines set name = $1 where id = $2")?;
    let mut count = 0;
    for name in ["nobody", name] {
        let values = [PgValue::Text(name.to_owned()), PgValue::Int8(id)];
        count += exec(&token, &values)?;
    }
    Ok(format!("{count} times"))
}

fn wrong(what: &str) -> Result<String, Failure> {
    match what {
        "query" => Ok(shown(&query("select * from nowhere", &[])?)),
        "params" => Ok(shown(&query(
            "select cast($1 as uuid)",
            &[PgValue::Uuid("1-2".to_owned())],
        )?)),
        "batch" => Ok(
            query_batch("delete from machines; insert into nowhere values (1)")
                .map(|()| String::new())?,
        ),
        "statement" => Ok(prepare("select from from")?),
        "token" => Ok(exec("prepared-statement-1", &[])?.to_string()),
        _ => Err(Failure(404, "nothing is wrong".to_owned())),
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::InvalidParams(words) => Self(400, format!("params: {words}")),
            QueryError::InvalidQuery(words) => Self(500, format!("query: {words}")),
            QueryError::Unexpected(words) => Self(503, words),
        }
    }
}

impl From<StatementPrepareError> for Failure {
    fn from(StatementPrepareError::Unexpected(words): StatementPrepareError) -> Self {
        Self(500, format!("statement: {words}"))
    }
}

impl From<PreparedStatementExecError> for Failure {
    fn from(error: PreparedStatementExecError) -> Self {
        match error {
            PreparedStatementExecError::UnknownPreparedQuery => {
                Self(404, "there is no such statement".to_owned())
            }
            PreparedStatementExecError::QueryError(error) => error.into(),
            PreparedStatementExecError::Unexpected(words) => Self(503, words),
        }
    }
}

/// Generated from `wit/`.
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package wrt:example-wasmcloud-postgres;
            world machines {
                import wasmcloud:postgres/query@0.1.1-draft;
                import wasmcloud:postgres/prepared@0.1.1-draft;
            }
        ",
        path: "../../wit/deps/wasmcloud-postgres-0.1.1-draft",
        generate_all,
    });
}
