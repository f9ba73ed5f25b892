//! The suite over SQLite, from wherever it can be called, and the WIT.

use std::sync::Arc;

use wrt_contract::{Gate, GateLimits, Interface as _};
use wrt_sql::{SqlDefault, SqlInterface, WrtSql, conformance};
use wrt_test_kit::{
    Served::{By, Locally},
    WitCoverage, by_default, everywhere_with_leases,
};

const A_HANDLE: &str = "the handle has it";
const A_LINK: &str = "a database is a link, and opening one is no call";

const COVERAGE: WitCoverage = WitCoverage {
    folders: &[
        "../../../wit/sql",
        "../../../wit/deps/sql-0.2.0-draft",
        "../../../wit/deps/wasmcloud-postgres-0.1.1-draft",
    ],
    not_served: &[],
    table: &[
        ("databases.[static]database.open", Locally(A_LINK)),
        ("databases.[method]database.query", By("query")),
        ("databases.[method]database.execute", By("execute")),
        ("databases.[method]database.batch", By("batch")),
        ("databases.[method]database.stream", By("stream")),
        ("databases.[method]database.prepare", By("describe")),
        ("databases.[method]database.begin", By("begin")),
        (
            "databases.[method]prepared.parameter-types",
            Locally(A_HANDLE),
        ),
        ("databases.[method]prepared.columns", Locally(A_HANDLE)),
        ("databases.[method]prepared.query", By("query")),
        ("databases.[method]prepared.execute", By("execute")),
        ("databases.[method]row-stream.columns", Locally(A_HANDLE)),
        (
            "databases.[method]row-stream.next",
            Locally("a stream is a body on its way"),
        ),
        ("databases.[method]transaction.query", By("query-in")),
        ("databases.[method]transaction.execute", By("execute-in")),
        ("databases.[method]transaction.stream", By("stream-in")),
        ("databases.[method]transaction.savepoint", By("savepoint")),
        ("databases.[method]transaction.rollback-to", By("savepoint")),
        ("databases.[method]transaction.release", By("savepoint")),
        ("databases.[static]transaction.commit", By("commit")),
        ("databases.[static]transaction.rollback", By("rollback")),
        (
            "types.[static]statement.prepare",
            Locally("no database sees it before it is run"),
        ),
        ("types.[method]error.trace", Locally(A_HANDLE)),
        ("types.[static]connection.open", Locally(A_LINK)),
        ("readwrite.query", By("query")),
        ("readwrite.exec", By("execute")),
        ("query.query", By("query")),
        ("query.query-batch", By("batch")),
        ("prepared.prepare", By("describe")),
        ("prepared.exec", By("execute")),
    ],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms() {
    let database = by_default::<SqlDefault>().await;
    let provider = database.provider(&Gate::new(GateLimits::default()));
    everywhere_with_leases::<SqlInterface>(Arc::new(provider), conformance::run).await;
}

#[test]
fn each_function_is_served_and_each_interface_is_listed() {
    COVERAGE.check::<WrtSql, SqlInterface>();
}

/// A statement that was sent once more could have happened twice.
#[test]
fn only_what_runs_nothing_is_idempotent() {
    let operations = SqlInterface::OPERATIONS.iter();
    let again = operations.filter(|operation| operation.idempotent || operation.keyed);
    let again: Vec<_> = again.map(|operation| operation.name.as_str()).collect();
    assert_eq!(again, ["describe"]);
}
