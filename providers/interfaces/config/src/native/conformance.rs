//! What every provider of the interface does, as code: one suite, run over the provider of fixed
//! values, over the generated client and dispatcher, over each backend, and behind the bus.
//!
//! The interface only reads, so whoever runs the suite first puts [`values`] where the provider finds
//! them, and nothing else.

use std::{collections::BTreeMap, sync::Arc};

use wrt_contract::CallContext;

use crate::{
    ConfigError, ConfigStore,
    limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX},
};

/// What the provider serves while the suite runs. The keys are such that every service takes them.
#[must_use]
pub fn values() -> BTreeMap<String, String> {
    let long = "x".repeat(VALUE_BYTES_MAX);
    let values = [
        ("greeting", "hello"),
        ("empty", ""),
        ("http.timeout_ms", "250"),
        ("a/b-c_d", "punctuation"),
        ("UPPER", "case counts"),
        ("upper", "so this is another"),
        (
            "text",
            "two lines\nand \u{1F980} \"quotes\" and \u{0} nothing",
        ),
        ("padded", "  as it is  "),
        ("long", &long),
    ];
    let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    values.map(own).into()
}

/// Runs every case, one after the other.
///
/// # Panics
/// With the case that failed.
pub async fn run(store: Arc<dyn ConfigStore>) {
    let store = &*store;
    each_value_is_read_as_it_was_written(store).await;
    a_key_without_a_value_has_none(store).await;
    all_are_listed_once_and_sorted(store).await;
    a_key_over_the_limit_is_refused(store).await;
}

async fn get(store: &dyn ConfigStore, key: &str) -> Option<String> {
    let value = store.get(&CallContext::default(), key).await;
    value.unwrap_or_else(|error| panic!("get {key:?}: {error}"))
}

async fn each_value_is_read_as_it_was_written(store: &dyn ConfigStore) {
    for (key, value) in values() {
        assert_eq!(get(store, &key).await, Some(value), "{key}");
    }
}

async fn a_key_without_a_value_has_none(store: &dyn ConfigStore) {
    // Some are no keys at any service, or patterns there: they are asked for all the same.
    let longest = "k".repeat(KEY_BYTES_MAX);
    let absent = [
        "absent",
        "Greeting",
        "greeting ",
        "greet",
        "",
        "*",
        ">",
        "a/*",
        "http.",
        ".timeout_ms",
        "http..timeout_ms",
        "http",
        "\u{e9}",
        "two words",
        "line\nbreak",
        "../greeting",
        &longest,
    ];
    for key in absent {
        assert_eq!(get(store, key).await, None, "{key:?}");
    }
}

async fn all_are_listed_once_and_sorted(store: &dyn ConfigStore) {
    let listed = store.get_all(&CallContext::default()).await;
    let listed = listed.unwrap_or_else(|error| panic!("get all: {error}"));
    let expected: Vec<_> = values().into_iter().collect();
    assert!(
        listed == expected,
        "{:?}",
        listed.iter().map(|(key, _)| key).collect::<Vec<_>>()
    );
}

async fn a_key_over_the_limit_is_refused(store: &dyn ConfigStore) {
    let key = "k".repeat(KEY_BYTES_MAX + 1);
    let refused = store.get(&CallContext::default(), &key).await;
    let max = KEY_BYTES_MAX as u64;
    assert!(
        matches!(&refused, Err(ConfigError::OverLimit { actual, max: told, .. })
            if *actual == max + 1 && *told == max),
        "{refused:?}"
    );
}
