//! A value stays a value, whatever stands in it.

use wrt_conformance::{Case, cases};

use super::fixture::{Fixture, assert_state, number};
use crate::{Array, Other, Scalar, Value};

pub(super) const CASES: &[Case<Fixture>] = cases![
    a_parameter_is_never_part_of_the_statement,
    a_parameter_that_is_compared_matches_itself_alone,
    an_element_of_an_array_is_one,
    a_text_in_place_of_a_number_is_no_code,
    a_savepoints_name_is_a_name,
];

/// What has been written into forms.
const NASTY: &[&str] = &[
    "'; drop table {t}; --",
    "'); drop table {t}; --",
    "\\'; drop table {t}; --",
    "' or '1'='1",
    "' or 1=1 --",
    "\" or \"\"=\"",
    "$1",
    "$$; drop table {t}; $$",
    "$tag$",
    "?",
    ":name",
    "/*",
    "*/ drop table {t}",
    "--",
    "%' or '%'='",
    "\u{2019}; drop table {t}",
    "{\"a\", \"b\"}",
    "NULL",
    "\\x00",
    "E'\\''",
];

fn nasty(fixture: &Fixture) -> Vec<String> {
    let with_table = |text: &&str| text.replace("{t}", &fixture.table);
    NASTY.iter().map(with_table).collect()
}

async fn a_parameter_is_never_part_of_the_statement(fixture: Fixture) {
    fixture.execute("create table {t} (a text)", []).await;
    for text in nasty(&fixture) {
        let insert = "insert into {t} values ($1)";
        assert_eq!(fixture.execute(insert, [text.as_str().into()]).await, 1);
        let read = fixture.query("select a from {t} where a = $1", [text.as_str().into()]);
        assert_eq!(read.await, [[Value::from(text.as_str())]]);
    }
    assert_eq!(
        fixture.count().await,
        i64::try_from(NASTY.len()).expect("few")
    );
    fixture.remove().await;
}

async fn a_parameter_that_is_compared_matches_itself_alone(fixture: Fixture) {
    fixture.execute("create table {t} (a text)", []).await;
    fixture
        .execute("insert into {t} values ('secret'), ('other')", [])
        .await;
    for text in nasty(&fixture) {
        let rows = fixture.query(
            "select count(*) from {t} where a = $1 or a like $1",
            [text.as_str().into()],
        );
        assert_eq!(number(&rows.await), 0, "{text}");
        let delete = "delete from {t} where a = $1";
        assert_eq!(
            fixture.execute(delete, [text.as_str().into()]).await,
            0,
            "{text}"
        );
    }
    fixture.remove().await;
}

async fn an_element_of_an_array_is_one(fixture: Fixture) {
    fixture.execute("create table {t} (a text[])", []).await;
    let elements: Vec<_> = nasty(&fixture).into_iter().map(Scalar::Text).collect();
    let array = Value::Array(Array {
        lengths: vec![u32::try_from(elements.len()).expect("few")],
        elements,
    });
    fixture
        .execute("insert into {t} values ($1)", [array.clone()])
        .await;
    assert_eq!(fixture.query("select a from {t}", []).await, [[array]]);
    fixture.remove().await;
}

async fn a_text_in_place_of_a_number_is_no_code(fixture: Fixture) {
    fixture.execute("create table {t} (a int4)", []).await;
    fixture.execute("insert into {t} values (1), (2)", []).await;
    let text = |text: &str| {
        Value::Scalar(Scalar::Other(Other {
            type_name: String::new(),
            text: text.to_owned(),
        }))
    };
    let delete = "delete from {t} where a = $1";
    for nasty in ["1 or 1=1", "1; drop table {t}", "a"] {
        // A database refuses it, or finds nothing that is equal to it.
        match fixture.try_execute(delete, [text(nasty)]).await {
            Ok(count) => assert_eq!(count, 0, "{nasty}"),
            refused => assert_state(nasty, &refused, "22P02"),
        }
    }
    assert_eq!(fixture.execute(delete, [text("1")]).await, 1);
    assert_eq!(fixture.count().await, 1);
    fixture.remove().await;
}

async fn a_savepoints_name_is_a_name(fixture: Fixture) {
    use super::transactions::Open;
    fixture.execute("create table {t} (a int4)", []).await;
    let open = Open::begin(&fixture).await;
    for name in ["a\"; drop table {t}; --", "x y", "commit", "'"] {
        let name = name.replace("{t}", &fixture.table);
        open.savepoint(crate::Savepoint::Set, &name)
            .await
            .expect("set");
        open.execute("insert into {t} values (1)", []).await;
        let back = open.savepoint(crate::Savepoint::RollbackTo, &name).await;
        back.expect("back");
    }
    open.commit().await.expect("commit");
    assert_eq!(fixture.count().await, 0);
    fixture.remove().await;
}
