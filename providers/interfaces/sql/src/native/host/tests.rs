//! The glue as a guest meets it, without a guest.

use std::{sync::Arc, time::Duration};

use wrt_contract::{Gate, GateLimits};
use wrt_host::InstanceState;
use wrt_protocol::FaultKind;
use wrt_runtime::{Backend as _, FromEnv as _, Settings};
use wrt_test_kit::{linked_instance, unreachable};

use super::{
    bindings::wrt::sql::{
        databases::{
            HostDatabase as _, HostPrepared as _, HostRowStream as _, HostTransaction as _,
        },
        types::{Error, Host as _},
    },
    *,
};
use crate::{Sql, SqlDefault, SqliteConfig};

struct World {
    backend: SqlDefault,
    state: InstanceState,
}

const PLAIN: TransactionOptions = TransactionOptions {
    isolation: None,
    read_only: false,
};

impl World {
    async fn new() -> Self {
        let config = SqliteConfig::load(Settings::default()).expect("defaults");
        let backend = SqlDefault::connect_with(config).await.expect("sqlite");
        let gate = Gate::new(GateLimits::default());
        let sql: Arc<dyn Sql> = Arc::new(backend.provider(&gate));
        let state = linked_instance::<SqlInterface>(&[("default", &sql)]);
        Self { backend, state }
    }

    async fn open(&mut self) -> Resource<Database> {
        self.state.open("default".to_owned()).await.expect("open")
    }

    async fn execute(&mut self, text: &str) -> u64 {
        let database = self.open().await;
        let done =
            databases::HostDatabase::execute(&mut self.state, database, text.to_owned(), vec![]);
        done.await.expect("execute")
    }

    async fn count(&mut self) -> Value {
        let database = self.open().await;
        let text = "select count(*) from t".to_owned();
        let rows = databases::HostDatabase::query(&mut self.state, database, text, vec![]);
        rows.await.expect("count").rows[0][0].clone()
    }
}

fn told(state: &mut InstanceState, error: HostError) -> Error {
    state.convert_error(error).expect("no trap")
}

#[tokio::test]
async fn a_link_that_is_not_there_and_a_database_that_cannot_be_asked_are_told() {
    let mut state = linked_instance::<SqlInterface>(&[]);
    let error = state.open("default".to_owned()).await.expect_err("no link");
    assert!(matches!(told(&mut state, error), Error::NoSuchLink(_)));
    let nobody = unreachable::<SqlInterface>(FaultKind::Unavailable);
    let mut state = linked_instance::<SqlInterface>(&[("default", &nobody)]);
    let database = state.open("default".to_owned()).await.expect("open");
    let asked = databases::HostDatabase::query(&mut state, database, "select 1".into(), vec![]);
    let error = asked.await.expect_err("nobody is there");
    assert!(matches!(told(&mut state, error), Error::NotExecuted(_)));
}

#[tokio::test]
async fn a_statement_that_was_prepared_is_run_with_other_values() {
    let mut world = World::new().await;
    world.execute("create table t (a int4)").await;
    let database = world.open().await;
    let insert = "insert into t values ($1)".to_owned();
    let prepared = world
        .state
        .prepare(database, insert)
        .await
        .expect("prepare");
    let rep = prepared.rep();
    let types = world.state.parameter_types(Resource::new_borrow(rep)).await;
    assert_eq!(types.expect("types"), ["any"]);
    for number in 0..3 {
        let prepared = Resource::new_borrow(rep);
        let values = vec![Value::from(number)];
        let count = databases::HostPrepared::execute(&mut world.state, prepared, values).await;
        assert_eq!(count.expect("execute"), 1);
    }
    assert_eq!(world.count().await, Value::from(3_i64));
}

#[tokio::test]
async fn a_stream_gives_as_many_rows_as_are_asked_for() {
    let mut world = World::new().await;
    let database = world.open().await;
    let many = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5) select i from n";
    let rows = databases::HostDatabase::stream(&mut world.state, database, many.into(), vec![]);
    let rep = rows.await.expect("stream").rep();
    let mut lengths = Vec::new();
    for rows_max in [2, 0, 10, 10] {
        let rows = Resource::new_borrow(rep);
        lengths.push(world.state.next(rows, rows_max).await.expect("next").len());
    }
    assert_eq!(lengths, [2, 1, 2, 0]);
}

/// The connection is wanted back before the time of the transaction is over.
#[tokio::test]
async fn a_transaction_that_is_dropped_is_rolled_back() {
    let mut world = World::new().await;
    world.execute("create table t (a int4)").await;
    let database = world.open().await;
    let begun = databases::HostDatabase::begin(&mut world.state, database, PLAIN).await;
    let rep = begun.expect("begin").rep();
    let insert = "insert into t values (1)".to_owned();
    let transaction = Resource::new_borrow(rep);
    let done = databases::HostTransaction::execute(&mut world.state, transaction, insert, vec![]);
    assert_eq!(done.await.expect("execute"), 1);
    let all = 8;
    let backend = world.backend.clone();
    let is_free = async |count| {
        while backend.free_connections() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // That of the statement before comes back in its own time.
    let limit = Duration::from_secs(10);
    let one_is_taken = tokio::time::timeout(limit, is_free(all - 1)).await;
    one_is_taken.expect("the transaction has one");
    databases::HostTransaction::drop(&mut world.state, Resource::new_own(rep))
        .await
        .expect("drop");
    let given_back = tokio::time::timeout(limit, is_free(all)).await;
    given_back.expect("it comes back");
    assert_eq!(world.count().await, Value::from(0_i64));
}

#[tokio::test]
async fn a_transaction_ends_once() {
    let mut world = World::new().await;
    world.execute("create table t (a int4)").await;
    let database = world.open().await;
    let begun = databases::HostDatabase::begin(&mut world.state, database, PLAIN).await;
    let rep = begun.expect("begin").rep();
    for name in ["one", "two"] {
        let transaction = Resource::new_borrow(rep);
        let made = world.state.savepoint(transaction, name.to_owned()).await;
        made.expect("savepoint");
    }
    world
        .state
        .commit(Resource::new_own(rep))
        .await
        .expect("commit");
    let again = world.state.commit(Resource::new_own(rep)).await;
    assert!(
        matches!(again, Err(HostError::Trap(_))),
        "it is no handle any more"
    );
}

#[tokio::test]
async fn handles_are_bounded() {
    let mut world = World::new().await;
    let error = loop {
        match world.state.open("default".to_owned()).await {
            Ok(_held) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(told(&mut world.state, error), Error::OverLimit(_)));
}

mod of_wasi {
    use super::{
        super::wasi::bindings::wasi::sql::{
            readwrite::{self, Host as _},
            types::{DataType, HostError as _, Row},
        },
        *,
    };

    async fn run(world: &mut World, text: &str, params: &[&str]) -> Result<Vec<Row>, String> {
        let connection = HostConnection::open(&mut world.state).await;
        let params = params.iter().map(|it| (*it).to_owned()).collect();
        let statement = HostStatement::prepare(&mut world.state, text, params).await;
        let rows = readwrite::Host::query(&mut world.state, connection, statement).await;
        match rows.expect("no trap") {
            Ok(rows) => Ok(rows),
            Err(error) => Err(world.state.trace(error).await.expect("no trap")),
        }
    }

    // Words for what always succeeds.
    struct HostConnection;
    struct HostStatement;

    impl HostConnection {
        async fn open(state: &mut InstanceState) -> Resource<Database> {
            let opened = super::super::wasi::bindings::wasi::sql::types::HostConnection::open(
                state,
                "default".to_owned(),
            );
            opened.await.expect("no trap").expect("open")
        }
    }

    impl HostStatement {
        async fn prepare(
            state: &mut InstanceState,
            text: &str,
            params: Vec<String>,
        ) -> Resource<super::super::wasi::Statement> {
            let prepared = super::super::wasi::bindings::wasi::sql::types::HostStatement::prepare(
                state,
                text.to_owned(),
                params,
            );
            prepared.await.expect("no trap").expect("prepare")
        }
    }

    #[tokio::test]
    async fn cells_come_row_after_row() {
        let mut world = World::new().await;
        world
            .execute("create table t (a int4, b text, c date, d bool, e bytea, f float8, g text[])")
            .await;
        let connection = HostConnection::open(&mut world.state).await;
        let insert = "insert into t values (?, ?, ?, ?, x'00ff', ?, '[\"x\"]'), (?, null, null, null, null, null, null)";
        let values = ["7", "it's ?", "2024-02-29", "1", "0.5", "8"];
        let values = values.map(str::to_owned).to_vec();
        let statement = HostStatement::prepare(&mut world.state, insert, values).await;
        let count = world
            .state
            .exec(connection, statement)
            .await
            .expect("no trap");
        assert_eq!(count.ok(), Some(2));
        let cells = run(
            &mut world,
            "select * from t where a >= ? order by a",
            &["7"],
        )
        .await;
        let cells = cells.expect("query");
        let names: Vec<_> = cells.iter().map(|it| it.field_name.as_str()).collect();
        assert_eq!(names[..8], ["a", "b", "c", "d", "e", "f", "g", "a"]);
        assert_eq!(names.len(), 14);
        let shown: Vec<_> = cells[..8]
            .iter()
            .map(|it| format!("{:?}", it.value))
            .collect();
        let expected = [
            DataType::Int32(7),
            DataType::Str("it's ?".into()),
            DataType::Date("2024-02-29".into()),
            DataType::Boolean(true),
            DataType::Binary(vec![0, 255]),
            DataType::Double(0.5),
            DataType::Str("{\"x\"}".into()),
            DataType::Int32(8),
        ];
        assert_eq!(shown, expected.map(|value| format!("{value:?}")));
        assert!(matches!(cells[8].value, DataType::Null));
    }

    /// The name of its column is a part of each cell.
    #[tokio::test]
    async fn a_long_name_in_many_rows_is_refused() {
        let mut world = World::new().await;
        let name = "n".repeat(50_000);
        let numbers =
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)";
        let text = format!("{numbers} select i as {name} from n");
        let words = run(&mut world, &text, &[]).await.unwrap_err();
        assert!(words.contains("50000000, of at most"), "{words}");
    }

    #[tokio::test]
    async fn an_error_has_its_words() {
        let mut world = World::new().await;
        let words = run(&mut world, "select * from never", &[])
            .await
            .unwrap_err();
        assert!(words.starts_with("42P01: "), "{words}");
        let none = run(&mut world, "select ?", &[]).await.unwrap_err();
        assert!(none.starts_with("07001: "), "{none}");
    }
}
