//! All or nothing, and apart from each other.

use wrt_conformance::{Case, cases};
use wrt_contract::{InterfaceError as _, Lease};
use wrt_protocol::Execution;

use super::fixture::{Fixture, assert_state, context, counting, number};
use crate::native::rows_body::RowsReader;
use crate::{Command, Isolation, Savepoint, SqlError, TransactionOptions, Value};

pub(super) const CASES: &[Case<Fixture>] = cases![
    what_is_committed_is_seen_then,
    what_is_rolled_back_has_not_happened,
    a_savepoint_is_a_way_back,
    after_an_error_there_is_only_the_way_back,
    a_transaction_that_failed_is_not_committed,
    one_that_only_reads_writes_nothing,
    one_that_reads_again_reads_the_same,
    each_level_of_isolation_is_taken,
    an_ended_transaction_does_nothing,
    a_stream_has_the_transaction_until_its_end,
    a_stream_that_breaks_off_ends_the_transaction,
    a_deferred_constraint_is_told_by_the_commit,
    many_transactions_add_up,
];

/// A transaction that is open.
pub(super) struct Open<'a> {
    fixture: &'a Fixture,
    pub(super) lease: Lease,
}

const PLAIN: TransactionOptions = TransactionOptions {
    isolation: None,
    read_only: false,
};

impl<'a> Open<'a> {
    pub(super) async fn begin(fixture: &'a Fixture) -> Self {
        Self::begin_with(fixture, PLAIN).await
    }

    async fn begin_with(fixture: &'a Fixture, options: TransactionOptions) -> Self {
        let lease = fixture.sql.begin(&context(), &options).await;
        let lease = lease.unwrap_or_else(|error| panic!("begin: {error}"));
        Self { fixture, lease }
    }

    pub(super) async fn try_execute(
        &self,
        text: &str,
        parameters: impl Into<Vec<Value>>,
    ) -> Result<u64, SqlError> {
        let command = self.fixture.command(text, parameters);
        let sql = &self.fixture.sql;
        sql.execute_in(&context(), &self.lease, &command).await
    }

    pub(super) async fn execute(&self, text: &str, parameters: impl Into<Vec<Value>>) -> u64 {
        let count = self.try_execute(text, parameters).await;
        count.unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    async fn count(&self) -> i64 {
        let command = self.fixture.command("select count(*) from {t}", []);
        let sql = &self.fixture.sql;
        let rows = sql.query_in(&context(), &self.lease, &command).await;
        number(&rows.expect("count").rows)
    }

    pub(super) async fn savepoint(&self, what: Savepoint, name: &str) -> Result<(), SqlError> {
        let sql = &self.fixture.sql;
        sql.savepoint(&context(), &self.lease, &what, name).await
    }

    pub(super) async fn commit(&self) -> Result<(), SqlError> {
        self.fixture.sql.commit(&context(), &self.lease).await
    }

    async fn rollback(&self) -> Result<(), SqlError> {
        self.fixture.sql.rollback(&context(), &self.lease).await
    }
}

async fn with_table(fixture: &Fixture) {
    fixture
        .execute("create table {t} (a int4 primary key)", [])
        .await;
}

async fn what_is_committed_is_seen_then(fixture: Fixture) {
    with_table(&fixture).await;
    let open = Open::begin(&fixture).await;
    assert_eq!(open.execute("insert into {t} values (1), (2)", []).await, 2);
    assert_eq!(open.count().await, 2);
    assert_eq!(fixture.count().await, 0, "nobody else sees it");
    open.commit().await.expect("commit");
    assert_eq!(fixture.count().await, 2);
    fixture.remove().await;
}

async fn what_is_rolled_back_has_not_happened(fixture: Fixture) {
    with_table(&fixture).await;
    let open = Open::begin(&fixture).await;
    open.execute("insert into {t} values (1)", []).await;
    open.rollback().await.expect("rollback");
    assert_eq!(fixture.count().await, 0);
    fixture.remove().await;
}

async fn a_savepoint_is_a_way_back(fixture: Fixture) {
    with_table(&fixture).await;
    let open = Open::begin(&fixture).await;
    open.execute("insert into {t} values (1)", []).await;
    open.savepoint(Savepoint::Set, "here").await.expect("set");
    open.execute("insert into {t} values (2)", []).await;
    open.savepoint(Savepoint::RollbackTo, "here")
        .await
        .expect("back");
    assert_eq!(open.count().await, 1);
    open.execute("insert into {t} values (3)", []).await;
    open.savepoint(Savepoint::Release, "here")
        .await
        .expect("release");
    let gone = open.savepoint(Savepoint::RollbackTo, "here").await;
    assert_state("a savepoint that is forgotten", &gone, "3B001");
    open.rollback().await.expect("rollback");
    fixture.remove().await;
}

async fn after_an_error_there_is_only_the_way_back(fixture: Fixture) {
    with_table(&fixture).await;
    let open = Open::begin(&fixture).await;
    open.execute("insert into {t} values (1)", []).await;
    open.savepoint(Savepoint::Set, "here").await.expect("set");
    let twice = open.try_execute("insert into {t} values (1)", []).await;
    assert_state("a key twice", &twice, "23505");
    let next = open.try_execute("insert into {t} values (2)", []).await;
    assert_state("after an error", &next, "25P02");
    let set = open.savepoint(Savepoint::Set, "there").await;
    assert_state("after an error", &set, "25P02");
    open.savepoint(Savepoint::RollbackTo, "here")
        .await
        .expect("back");
    open.execute("insert into {t} values (3)", []).await;
    open.commit().await.expect("commit");
    assert_eq!(fixture.count().await, 2);
    fixture.remove().await;
}

/// The bug of many a driver: the database answers such a COMMIT with a word, and no error.
async fn a_transaction_that_failed_is_not_committed(fixture: Fixture) {
    with_table(&fixture).await;
    let open = Open::begin(&fixture).await;
    open.execute("insert into {t} values (1)", []).await;
    let wrong = open
        .try_execute("insert into {t}_never values (1)", [])
        .await;
    assert_state("no table", &wrong, "42P01");
    assert_state("commit", &open.commit().await, "25P02");
    assert_eq!(fixture.count().await, 0);
    fixture.remove().await;
}

async fn one_that_only_reads_writes_nothing(fixture: Fixture) {
    with_table(&fixture).await;
    let read_only = TransactionOptions {
        read_only: true,
        ..PLAIN
    };
    let open = Open::begin_with(&fixture, read_only).await;
    assert_eq!(open.count().await, 0);
    let written = open.try_execute("insert into {t} values (1)", []).await;
    assert_state("a write", &written, "25006");
    open.rollback().await.expect("rollback");
    // Its connection writes again.
    for number in 1..10 {
        let insert = "insert into {t} values ($1)";
        fixture.execute(insert, [Value::from(number)]).await;
    }
    fixture.remove().await;
}

async fn one_that_reads_again_reads_the_same(fixture: Fixture) {
    with_table(&fixture).await;
    let options = TransactionOptions {
        isolation: Some(Isolation::RepeatableRead),
        read_only: true,
    };
    let open = Open::begin_with(&fixture, options).await;
    assert_eq!(open.count().await, 0);
    fixture.execute("insert into {t} values (1)", []).await;
    assert_eq!(open.count().await, 0);
    open.commit().await.expect("commit");
    assert_eq!(fixture.count().await, 1);
    fixture.remove().await;
}

async fn each_level_of_isolation_is_taken(fixture: Fixture) {
    with_table(&fixture).await;
    let levels = [
        Isolation::ReadCommitted,
        Isolation::RepeatableRead,
        Isolation::Serializable,
    ];
    for (at, level) in (0_i32..).zip(levels) {
        let options = TransactionOptions {
            isolation: Some(level),
            ..PLAIN
        };
        let open = Open::begin_with(&fixture, options).await;
        open.execute("insert into {t} values ($1)", [at.into()])
            .await;
        open.commit().await.expect("commit");
    }
    assert_eq!(fixture.count().await, 3);
    fixture.remove().await;
}

async fn an_ended_transaction_does_nothing(fixture: Fixture) {
    with_table(&fixture).await;
    let open = Open::begin(&fixture).await;
    open.commit().await.expect("commit");
    let after = [
        open.try_execute("insert into {t} values (1)", [])
            .await
            .map(drop),
        open.commit().await,
        open.rollback().await,
        open.savepoint(Savepoint::Set, "here").await,
    ];
    for outcome in after {
        let error = outcome.expect_err("it is over");
        let fault = error.as_fault().expect("a fault");
        assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
    }
    assert_eq!(fixture.count().await, 0);
    fixture.remove().await;
}

async fn a_stream_has_the_transaction_until_its_end(fixture: Fixture) {
    with_table(&fixture).await;
    let open = Open::begin(&fixture).await;
    let many = Command::new(
        &counting(2000, "select i, cast($1 as text) from n"),
        ["x".repeat(200).into()],
    );
    let stream = fixture.sql.stream_in(&context(), &open.lease, &many).await;
    let mut reader = RowsReader::of(stream.expect("stream").1);
    assert!(!reader.next(1).await.expect("next").is_empty());
    let meanwhile = open.try_execute("insert into {t} values (1)", []).await;
    assert!(
        matches!(meanwhile, Err(SqlError::Misused(_))),
        "{meanwhile:?}"
    );
    while !reader.next(1000).await.expect("next").is_empty() {}
    open.execute("insert into {t} values (1)", []).await;
    open.commit().await.expect("commit");
    assert_eq!(fixture.count().await, 1);
    fixture.remove().await;
}

async fn a_stream_that_breaks_off_ends_the_transaction(fixture: Fixture) {
    with_table(&fixture).await;
    let open = Open::begin(&fixture).await;
    open.execute("insert into {t} values (1)", []).await;
    let endless = Command::new(&counting(u64::MAX >> 1, "select i from n"), []);
    let stream = fixture
        .sql
        .stream_in(&context(), &open.lease, &endless)
        .await;
    let mut reader = RowsReader::of(stream.expect("stream").1);
    assert!(!reader.next(1).await.expect("next").is_empty());
    drop(reader);
    assert!(open.commit().await.is_err(), "it was left in the middle");
    assert_eq!(fixture.count().await, 0);
    fixture.remove().await;
}

async fn a_deferred_constraint_is_told_by_the_commit(fixture: Fixture) {
    let create = "create table {t} (a int4 primary key, b int4 references {t} (a) \
        deferrable initially deferred)";
    fixture.execute(create, []).await;
    let open = Open::begin(&fixture).await;
    open.execute("insert into {t} values (1, 7)", []).await;
    assert_state("commit", &open.commit().await, "23503");
    assert_eq!(fixture.count().await, 0);
    fixture.remove().await;
}

async fn many_transactions_add_up(fixture: Fixture) {
    fixture.execute("create table {t} (a int8)", []).await;
    fixture.execute("insert into {t} values (0)", []).await;
    let one = async || {
        for _ in 0..5 {
            let open = Open::begin(&fixture).await;
            open.execute("update {t} set a = a + 1", []).await;
            open.commit().await.expect("commit");
        }
    };
    futures::join!(one(), one(), one(), one());
    assert_eq!(number(&fixture.query("select a from {t}", []).await), 20);
    fixture.remove().await;
}
