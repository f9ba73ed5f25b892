//! What every database behind the interface does, as code.
//!
//! The cases speak the SQL that databases have in common, and name types as Postgres does.

mod cancelling;
mod errors;
mod fixture;
mod injection;
mod statements;
mod streams;
mod transactions;
mod values;
mod wasmcloud;

use std::sync::Arc;

use wrt_conformance::{Case, run_cases};

use self::fixture::Fixture;
use crate::Sql;

/// Runs every case. Each makes tables of its own, and removes them.
///
/// # Panics
/// With the cases that failed.
pub async fn run(sql: Arc<dyn Sql>) {
    let all: [&[Case<Fixture>]; 8] = [
        values::CASES,
        statements::CASES,
        errors::CASES,
        injection::CASES,
        streams::CASES,
        transactions::CASES,
        cancelling::CASES,
        wasmcloud::CASES,
    ];
    let fixture = |case| Fixture::new(case, Arc::clone(&sql));
    run_cases(all.into_iter().flatten(), fixture).await;
}
