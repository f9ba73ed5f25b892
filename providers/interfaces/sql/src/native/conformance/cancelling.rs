//! Who does not wait any more stops what it has asked for.

use std::time::{Duration, Instant};

use wrt_conformance::{Case, cases};
use wrt_contract::{CallContext, InterfaceError as _};
use wrt_protocol::{Execution, FaultKind};

use super::{
    fixture::{Fixture, counting},
    transactions::Open,
};
use crate::{Command, SqlError};

pub(super) const CASES: &[Case<Fixture>] = cases![
    a_statement_ends_with_its_time,
    a_statement_in_a_transaction_takes_it_along,
];

const SHORT: Duration = Duration::from_millis(60);

/// Computes for years.
fn endless() -> Command {
    Command::new(&counting(u64::MAX >> 1, "select count(*) from n"), [])
}

fn assert_out_of_time<T: std::fmt::Debug>(outcome: &Result<T, SqlError>) {
    let error = outcome.as_ref().expect_err("it has no end");
    let fault = error.as_fault().expect("a fault");
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded, "{fault}");
    assert_eq!(fault.execution(), Execution::MaybeExecuted, "{fault}");
}

/// More than any pool has, one after the other: none is left at work.
async fn a_statement_ends_with_its_time(fixture: Fixture) {
    let endless = endless();
    for _ in 0..20 {
        let started = Instant::now();
        let context = CallContext::with_budget(SHORT);
        assert_out_of_time(&fixture.sql.query(&context, &endless).await);
        assert!(started.elapsed() < SHORT + Duration::from_secs(1));
    }
    let started = Instant::now();
    fixture.query("select 1", []).await;
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

async fn a_statement_in_a_transaction_takes_it_along(fixture: Fixture) {
    fixture.execute("create table {t} (a int4)", []).await;
    let open = Open::begin(&fixture).await;
    open.execute("insert into {t} values (1)", []).await;
    let context = CallContext::with_budget(SHORT);
    let ended = fixture
        .sql
        .query_in(&context, &open.lease, &endless())
        .await;
    assert_out_of_time(&ended);
    let after = open.try_execute("insert into {t} values (2)", []).await;
    let after = after.expect_err("the transaction is over");
    let fault = after.as_fault().expect("a fault");
    assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
    let committed = open.commit().await;
    assert!(committed.is_err(), "what is over cannot be committed");
    assert_eq!(fixture.count().await, 0);
    fixture.remove().await;
}
