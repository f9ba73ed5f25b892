//! What others must know of a provider.

#![cfg(test)]

use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr};

use toml::{Table, toml};
use wasmtime::component::Linker;
use wrt_host::{Host, InstanceState, Package};
use wrt_runtime::{
    Backend, Complaint, Entry, Facts, Referred, Runtime, Serves, no_environment, runtime_value,
};

/// What the backend belongs to.
#[derive(Debug)]
struct ExampleShelf;

impl Host for ExampleShelf {
    fn describe(_: &mut Package) {}

    fn add_to_linker(_: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        Ok(())
    }
}

struct Shelf;

#[derive(confique::Config)]
struct ShelfOptions {
    #[config(env = "SHELF_ADDRESS", default = "127.0.0.1:80")]
    address: SocketAddr,
    #[config(env = "SHELF_DEDUPLICATE_FOR_MS")]
    deduplicate_for_ms: Option<u64>,
    #[allow(dead_code, reason = "nobody connects")]
    #[config(env = "SHELF_KEY")]
    key: String,
}

impl Backend for Shelf {
    const NAME: &'static str = "shelf";
    type ConnectOptions = ShelfOptions;
    type ConnectError = Infallible;

    async fn connect_with(_: ShelfOptions) -> Result<Self, Infallible> {
        Ok(Self)
    }

    fn address(options: &ShelfOptions) -> Option<String> {
        Some(options.address.to_string())
    }

    fn deduplicates_for_ms(options: &ShelfOptions) -> Option<u64> {
        options.deduplicate_for_ms
    }
}

impl Serves<ExampleShelf> for Shelf {
    fn serve(_: &mut Entry<Self>) {}
}

/// Checks settings of which `referred` are references to `X`.
fn check(
    table: Table,
    referred: &[&str],
    environment: &[(&str, &str)],
) -> Result<Facts, Vec<Complaint>> {
    let runtime: Runtime = runtime_value!({ ExampleShelf: Shelf }).expect("they go together");
    let entry = runtime.backend("shelf").expect("it was named");
    let referred = referred
        .iter()
        .map(|field| ((*field).to_owned(), Referred::Variable("X".to_owned())));
    let referred: BTreeMap<_, _> = referred.collect();
    let environment: BTreeMap<_, _> = environment.iter().copied().collect();
    let lookup = |variable: &str| environment.get(variable).map(|&text| text.to_owned());
    match environment.is_empty() {
        true => entry.check(table, &referred, &[], no_environment()),
        false => entry.check(table, &referred, &[], &lookup),
    }
}

fn facts(address: &str, deduplicates_for_ms: Option<u64>) -> Facts {
    Facts {
        called: Vec::new(),
        address: Some(address.to_owned()),
        deduplicates_for_ms,
    }
}

#[test]
fn they_come_from_the_manifest_and_from_an_environment_that_is_known() {
    let key = || toml! { key = "k" };
    assert_eq!(check(key(), &[], &[]), Ok(facts("127.0.0.1:80", None)));
    let known = [
        ("SHELF_ADDRESS", "0.0.0.0:81"),
        ("SHELF_DEDUPLICATE_FOR_MS", "60000"),
    ];
    assert_eq!(
        check(key(), &[], &known),
        Ok(facts("0.0.0.0:81", Some(60_000)))
    );
    assert_eq!(check(key(), &["address"], &[]), Ok(facts("env X", None)));
}

/// A reference among them hid all of them.
#[test]
fn they_are_told_also_where_another_setting_is_a_reference() {
    let table = toml! {
        address = "127.0.0.1:82"
        deduplicate_for_ms = 1000
    };
    assert_eq!(
        check(table, &["key"], &[]),
        Ok(facts("127.0.0.1:82", Some(1000)))
    );
    let neither = Table::new();
    assert_eq!(
        check(neither, &["address", "key"], &[]),
        Ok(facts("env X", None))
    );
}

/// The backend paid for it, and no caller tried again.
#[test]
fn what_every_caller_must_know_is_no_reference() {
    let complaints = check(toml! { key = "k" }, &["deduplicate_for_ms"], &[]);
    let complaints = complaints.expect_err("nobody would know it");
    let [Complaint::Setting(error)] = complaints.as_slice() else {
        panic!("{complaints:?}");
    };
    assert_eq!(error.field(), Some("deduplicate_for_ms"));
    assert!(
        error.to_string().contains("write the value itself"),
        "{error}"
    );
}
