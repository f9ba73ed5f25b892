//! The accounts, as rows.

use std::fmt;

use wrt_guest::sql::{Database, Error, Transaction, Value, plain};

/// Both databases read it alike.
const TABLE: &str = "create table if not exists accounts \
    (name text primary key, balance int8 not null constraint covered check (balance >= 0))";

/// Rows that are taken at once.
const ROWS_AT_ONCE: u32 = 100;

/// Why there is no answer.
pub enum Failure {
    NoSuchRequest,
    NotAnAmount,
    NoSuchAccount,
    Database(Box<Error>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error.into())
    }
}

impl Failure {
    pub fn status(&self) -> u16 {
        match self {
            Self::NoSuchRequest | Self::NoSuchAccount => 404,
            Self::NotAnAmount => 400,
            Self::Database(error) => match error.state() {
                // A name that is taken, more than there is, two at once.
                Some("23505" | "23514" | "40001" | "40P01") => 409,
                Some(_) => 500,
                None => 503,
            },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchRequest => {
                f.write_str("PUT /<name>/<amount>, GET /<name>, POST /<from>/<to>/<amount>, GET /")
            }
            Self::NotAnAmount => f.write_str("an amount is a whole number, and not negative"),
            Self::NoSuchAccount => f.write_str("there is no such account"),
            Self::Database(error) => match &**error {
                Error::Database(error) => match error.constraint.as_deref() {
                    Some("covered") => f.write_str("there is not enough in the account"),
                    _ => write!(f, "{}: {}", error.state, error.message),
                },
                Error::MaybeExecuted(why) => write!(f, "it may have happened: {why}"),
                other => write!(f, "it has not happened: {other:?}"),
            },
        }
    }
}

pub fn open(name: &str, sum: i64) -> Result<String, Failure> {
    let database = Database::open("default")?;
    database.execute(TABLE, &[])?;
    let insert = "insert into accounts (name, balance) values ($1, $2)";
    database.execute(insert, &[name.into(), sum.into()])?;
    Ok(format!("{sum}\n"))
}

pub fn balance(name: &str) -> Result<String, Failure> {
    let database = Database::open("default")?;
    let select = "select balance from accounts where name = $1";
    let rows = database.query(select, &[name.into()])?.rows;
    let row = rows.first().ok_or(Failure::NoSuchAccount)?;
    Ok(format!("{}\n", number(&row[0])))
}

/// A transaction that is dropped on the way is rolled back.
pub fn transfer(from: &str, to: &str, sum: i64) -> Result<String, Failure> {
    let database = Database::open("default")?;
    let transaction = database.begin(plain())?;
    for (name, change) in [(from, -sum), (to, sum)] {
        let update = "update accounts set balance = balance + $1 where name = $2";
        if transaction.execute(update, &[change.into(), name.into()])? == 0 {
            return Err(Failure::NoSuchAccount);
        }
    }
    Transaction::commit(transaction)?;
    Ok(format!("moved {sum}\n"))
}

pub fn all() -> Result<String, Failure> {
    let database = Database::open("default")?;
    let rows = database.stream("select name, balance from accounts order by name", &[])?;
    let mut text = String::new();
    loop {
        let some = rows.next(ROWS_AT_ONCE)?;
        if some.is_empty() {
            return Ok(text);
        }
        for row in some {
            let name = row[0].as_text().unwrap_or_default();
            text.push_str(&format!("{name}: {}\n", number(&row[1])));
        }
    }
}

fn number(value: &Value) -> i64 {
    value.as_integer().unwrap_or_default()
}
