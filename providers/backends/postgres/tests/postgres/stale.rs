//! Types that change under statements which are kept prepared.

use wrt_contract::{CallContext, Lease};
use wrt_sql::{Command, Savepoint, Sql as _, SqlError, Value};
use wrt_test_servers::PostgresServer;

use super::{connections::PLAIN, support::World};

/// Writes, reads, and what is run as the body of another statement, because an `inet` has no word here.
fn statements(table: &str) -> [String; 4] {
    [
        format!("insert into {table} (a) values ($1)"),
        format!("select count(*) from {table} where a = $1"),
        format!("select d from {table} where a = $1"),
        format!("insert into {table} (a) values ($1) returning d"),
    ]
}

struct Change {
    from: &'static str,
    to: &'static str,
    before: Value,
    after: Value,
    /// What goes to no place of the new type.
    wrong: Value,
}

fn change(
    (from, before): (&'static str, impl Into<Value>),
    (to, after): (&'static str, impl Into<Value>),
    wrong: impl Into<Value>,
) -> Change {
    Change {
        from,
        to,
        before: before.into(),
        after: after.into(),
        wrong: wrong.into(),
    }
}

impl Change {
    /// Makes a table, and has each of its statements prepared.
    async fn prepare(&self, world: &World, table: &str) {
        let create = format!("create table {table} (a {}, d inet)", self.from);
        world.ask(&create).await;
        for text in statements(table) {
            run(world, None, &text, &self.before).await.expect(&text);
        }
    }

    /// By a connection that is not the provider's.
    async fn make(&self, world: &World, table: &str) {
        let to = self.to;
        let alter = format!("alter table {table} alter a type {to} using a::text::{to}");
        world.ask(&alter).await;
    }

    fn name(&self) -> String {
        format!("{} to {}", self.from, self.to)
    }
}

/// All is done by one connection.
async fn world() -> World {
    let server = PostgresServer::start().expect("postgres");
    World::of(server, |config| config.connections_max = 1).await
}

async fn run(
    world: &World,
    lease: Option<&Lease>,
    text: &str,
    value: &Value,
) -> Result<(), SqlError> {
    let (context, provider) = (CallContext::default(), &world.provider);
    let command = Command::new(text, [value.clone()]);
    let is_count = text.starts_with("insert") && !text.contains("returning");
    match (lease, is_count) {
        (None, true) => provider.execute(&context, &command).await.map(drop),
        (None, false) => provider.query(&context, &command).await.map(drop),
        (Some(lease), true) => {
            let done = provider.execute_in(&context, lease, &command).await;
            done.map(drop)
        }
        (Some(lease), false) => {
            let rows = provider.query_in(&context, lease, &command).await;
            rows.map(drop)
        }
    }
}

async fn begin(world: &World) -> Lease {
    let context = CallContext::default();
    world.provider.begin(&context, &PLAIN).await.expect("begin")
}

async fn commit(world: &World, lease: &Lease) {
    let context = CallContext::default();
    let done = world.provider.commit(&context, lease).await;
    done.expect("commit");
}

/// What the provider's connection has prepared with that in it.
async fn prepared(world: &World, text: &str) -> Vec<Vec<Value>> {
    let look =
        "select name from pg_prepared_statements where strpos(statement, $1) > 0 order by name";
    world.query(look, [text.into()]).await
}

/// They were refused for as long as the statement was kept.
#[tokio::test(flavor = "multi_thread")]
async fn values_of_a_new_type_are_taken_by_a_statement_that_was_kept() {
    let world = world().await;
    let changes = [
        change(("text", "7"), ("int4", 8), true),
        change(("int4", 7), ("int8", 5_000_000_000_i64), true),
        change(("int4", 1), ("bool", true), 1),
        change(("text", "7"), ("bytea", vec![8_u8]), 7),
    ];
    for (number, change) in changes.iter().enumerate() {
        for in_transaction in [false, true] {
            let (table, name) = (format!("t{number}_{in_transaction}"), change.name());
            change.prepare(&world, &table).await;
            let lease = match in_transaction {
                true => Some(begin(&world).await),
                false => None,
            };
            change.make(&world, &table).await;
            for text in statements(&table) {
                let taken = run(&world, lease.as_ref(), &text, &change.after).await;
                taken.unwrap_or_else(|error| panic!("{name}: {text}: {error}"));
            }
            if let Some(lease) = &lease {
                commit(&world, lease).await;
            }
            let count = format!("select count(*) from {table}");
            assert_eq!(world.ask(&count).await, ["4"], "{name}: each once");
            for text in statements(&table) {
                for _ in 0..2 {
                    let refused = run(&world, None, &text, &change.wrong).await.unwrap_err();
                    assert_eq!(refused.state(), Some("42804"), "{name}: {text}: {refused}");
                }
            }
            assert_eq!(world.ask(&count).await, ["4"], "{name}");
        }
    }
    world.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_prepared_anew_once_and_not_when_it_was_just_now() {
    let world = world().await;
    world.ask("create table t (a int4, d inet)").await;
    for (text, are_prepared) in statements("t").iter().zip([1, 1, 2, 2]) {
        let refuse = async || {
            let refused = run(&world, None, text, &true.into()).await.unwrap_err();
            assert_eq!(refused.state(), Some("42804"), "{text}: {refused}");
            let names = prepared(&world, text).await;
            assert_eq!(names.len(), are_prepared, "{text}: {names:?}");
            names
        };
        let just_now = refuse().await;
        let kept = refuse().await;
        let is_anew = kept.iter().all(|name| !just_now.contains(name));
        assert!(is_anew, "{text}: {just_now:?}, {kept:?}");
        run(&world, None, text, &7.into()).await.expect(text);
        assert_eq!(prepared(&world, text).await, kept, "{text}");
    }
}

/// What is refused here leaves the server's transaction as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_goes_on_from_a_savepoint_after_a_value_that_does_not_fit() {
    let world = world().await;
    let context = CallContext::default();
    let change = change(("text", "7"), ("int4", 8), true);
    change.prepare(&world, "t").await;
    let lease = begin(&world).await;
    change.make(&world, "t").await;
    let savepoint = async |what| {
        let done = world.provider.savepoint(&context, &lease, &what, "s").await;
        done.expect("savepoint");
    };
    savepoint(Savepoint::Set).await;
    for text in statements("t") {
        for _ in 0..2 {
            let refused = run(&world, Some(&lease), &text, &change.wrong).await;
            assert_eq!(refused.unwrap_err().state(), Some("42804"), "{text}");
            let failed = run(&world, Some(&lease), &text, &change.after).await;
            assert_eq!(failed.unwrap_err().state(), Some("25P02"), "{text}");
            savepoint(Savepoint::RollbackTo).await;
        }
        let taken = run(&world, Some(&lease), &text, &change.after).await;
        taken.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    commit(&world, &lease).await;
    assert_eq!(world.ask("select a from t").await, ["7", "7", "8"]);
    world.is_at_rest().await;
}

/// A text is read by the server, which refused it as the type of the time when the statement was prepared.
#[tokio::test(flavor = "multi_thread")]
async fn texts_are_read_as_the_type_that_a_column_has_now() {
    let world = world().await;
    let changes = [
        change(("int4", 7), ("text", "eight"), 7),
        change(("text", "7"), ("int4", "8"), true),
        change(("int4", 7), ("jsonb", "[8]"), 7),
    ];
    for (number, change) in changes.iter().enumerate() {
        let (table, name) = (format!("t{number}"), change.name());
        change.prepare(&world, &table).await;
        change.make(&world, &table).await;
        for text in statements(&table) {
            let taken = run(&world, None, &text, &change.after).await;
            taken.unwrap_or_else(|error| panic!("{name}: {text}: {error}"));
        }
        let count = format!("select count(*) from {table}");
        assert_eq!(world.ask(&count).await, ["4"], "{name}: each once");
        for text in statements(&table) {
            for _ in 0..2 {
                let refused = run(&world, None, &text, &change.wrong).await.unwrap_err();
                assert_eq!(refused.state(), Some("42804"), "{name}: {text}: {refused}");
            }
        }
    }
    world.is_at_rest().await;
}

/// The server has refused it, and with it the transaction: the next one has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_ends_a_transaction_is_read_in_the_next_one() {
    let world = world().await;
    let change = change(("int4", 7), ("text", "eight"), 7);
    change.prepare(&world, "t").await;
    change.make(&world, "t").await;
    for text in statements("t") {
        let lease = begin(&world).await;
        let refused = run(&world, Some(&lease), &text, &change.after).await;
        assert_eq!(refused.unwrap_err().state(), Some("22P02"), "{text}");
        let context = CallContext::default();
        let done = world.provider.rollback(&context, &lease).await;
        done.expect("rollback");
        let lease = begin(&world).await;
        let taken = run(&world, Some(&lease), &text, &change.after).await;
        taken.unwrap_or_else(|error| panic!("{text}: {error}"));
        commit(&world, &lease).await;
    }
    assert_eq!(world.ask("select count(*) from t").await, ["4"]);
    world.is_at_rest().await;
}

/// What fails while it runs has run, whatever its state.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_while_it_runs_is_not_sent_again() {
    let world = world().await;
    world
        .ask("create table t (a int8); create sequence begun")
        .await;
    let divide = "1 / ($1::int8 + 0 * nextval('begun'))";
    let texts = [
        format!("insert into t (a) select {divide}"),
        format!("insert into t (a) select {divide} returning a"),
        format!("select {divide}"),
    ];
    for (number, text) in (1..).zip(&texts) {
        run(&world, None, text, &1.into()).await.expect(text);
        let refused = run(&world, None, text, &0.into()).await.unwrap_err();
        assert_eq!(refused.state(), Some("22012"), "{text}: {refused}");
        let begun = world.ask("select last_value from begun").await;
        assert_eq!(begun, [(2 * number).to_string()], "{text}");
    }
    world.is_at_rest().await;
}
