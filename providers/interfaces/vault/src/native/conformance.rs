//! What every vault does, as code.

mod fixture;

use std::{collections::BTreeSet, sync::Arc};

use wrt_conformance::{Case, cases, run_cases};

use self::fixture::{Fixture, value};
use crate::{
    Cursor, Limit, SecretValue, Vault, VaultError, Version,
    limits::{
        NAME_BYTES_MAX, PAGE_NAMES_MAX, VALUE_BYTES_MAX, VALUE_BYTES_PORTABLE, VERSIONS_KEPT,
    },
};

const CASES: &[Case<Fixture>] = cases![
    what_was_never_set_is_not_there,
    a_value_is_read_as_it_was_set,
    values_of_any_bytes_and_sizes_come_back,
    a_value_over_the_limit_is_refused,
    each_value_has_a_version_of_its_own,
    versions_are_told_newest_first,
    a_version_of_another_secret_or_none_is_not_found,
    the_newest_sixteen_values_stay,
    a_deleted_secret_is_gone_with_its_versions,
    a_secret_can_be_set_again_after_it_was_deleted,
    to_delete_what_is_not_there_is_no_error,
    names_of_any_kind_are_told_apart,
    lockers_are_apart,
    a_listing_has_each_name_once_and_ends,
    a_long_listing_comes_in_pages,
    a_cursor_that_no_listing_gave_is_refused,
];

/// Runs every case, each in a locker of its own.
///
/// # Panics
/// With the cases that failed.
pub async fn run(vault: Arc<dyn Vault>) {
    let fixture = |case: &str| Fixture::new(case, Arc::clone(&vault));
    run_cases(CASES, fixture).await;
}

async fn what_was_never_set_is_not_there(vault: Fixture) {
    assert_eq!(vault.get("nobody").await, None);
    assert!(!vault.exists("nobody").await);
    assert_eq!(vault.versions("nobody").await, []);
    assert_eq!(vault.names().await, BTreeSet::new());
}

async fn a_value_is_read_as_it_was_set(vault: Fixture) {
    let version = vault.set("password", b"hush").await;
    let read = vault.get("password").await.expect("it was set");
    assert_eq!(read.value.expose(), b"hush");
    assert_eq!(read.version, version);
    assert!(vault.exists("password").await);
}

async fn values_of_any_bytes_and_sizes_come_back(vault: Fixture) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let largest: Vec<u8> = every_byte
        .iter()
        .copied()
        .cycle()
        .take(VALUE_BYTES_PORTABLE)
        .collect();
    for bytes in [
        &b""[..],
        b"\0",
        "\u{1F511} \n\t\"".as_bytes(),
        b" spaces ",
        &every_byte,
        &largest,
    ] {
        vault.set("any", bytes).await;
        let read = vault.get("any").await.expect("it was set");
        assert_eq!(read.value.expose(), bytes);
    }
}

async fn a_value_over_the_limit_is_refused(vault: Fixture) {
    let error = SecretValue::new(vec![0; VALUE_BYTES_MAX + 1]).expect_err("too large");
    assert!(
        matches!(
            error,
            VaultError::OverLimit {
                limit: Limit::ValueBytes,
                ..
            }
        ),
        "{error}"
    );
    // One that the interface takes is taken, or refused in the same words.
    let largest = SecretValue::new(vec![7; VALUE_BYTES_MAX]).expect("as large as may be");
    match vault.try_set("largest", largest.clone()).await {
        Ok(_version) => assert_eq!(vault.get("largest").await.map(|it| it.value), Some(largest)),
        Err(VaultError::OverLimit {
            limit: Limit::ValueBytes,
            ..
        }) => {
            assert!(!vault.exists("largest").await);
        }
        Err(error) => panic!("refused in other words: {error}"),
    }
}

async fn each_value_has_a_version_of_its_own(vault: Fixture) {
    let first = vault.set("key", b"same").await;
    let second = vault.set("key", b"same").await;
    let of_another = vault.set("other", b"same").await;
    assert_eq!(BTreeSet::from([&first, &second, &of_another]).len(), 3);
    for (version, expected) in [(&first, &b"same"[..]), (&second, b"same")] {
        let read = vault.get_version("key", version).await.expect("it was set");
        assert_eq!((read.value.expose(), &read.version), (expected, version));
    }
    assert_eq!(vault.get("key").await.map(|it| it.version), Some(second));
}

async fn versions_are_told_newest_first(vault: Fixture) {
    let mut expected = Vec::new();
    for value in [b"one", b"two", b"six"] {
        expected.insert(0, vault.set("key", value).await);
    }
    assert_eq!(vault.versions("key").await, expected);
}

async fn a_version_of_another_secret_or_none_is_not_found(vault: Fixture) {
    vault.set("key", b"mine").await;
    let of_another = vault.set("other", b"yours").await;
    let never_given = [
        "0",
        "18446744073709551616",
        "latest",
        "../other",
        "\u{1F980}",
        " ",
    ];
    let never_given = never_given.map(|text| Version::new(text).expect("legal"));
    for version in never_given.iter().chain([&of_another]) {
        assert_eq!(vault.get_version("key", version).await, None, "{version}");
    }
}

async fn the_newest_sixteen_values_stay(vault: Fixture) {
    let mut versions = Vec::new();
    for number in 0..VERSIONS_KEPT + 4 {
        versions.push(vault.set("key", number.to_string().as_bytes()).await);
    }
    for (number, version) in versions.iter().enumerate().skip(4) {
        let read = vault.get_version("key", version).await;
        let read = read.unwrap_or_else(|| panic!("value {number} is gone"));
        assert_eq!(read.value.expose(), number.to_string().as_bytes());
    }
}

async fn a_deleted_secret_is_gone_with_its_versions(vault: Fixture) {
    let version = vault.set("key", b"hush").await;
    vault.set("other", b"stays").await;
    vault.delete("key").await;
    assert_eq!(vault.get("key").await, None);
    assert_eq!(vault.get_version("key", &version).await, None);
    assert_eq!(vault.versions("key").await, []);
    assert!(!vault.exists("key").await);
    assert_eq!(vault.names().await, BTreeSet::from(["other".to_owned()]));
}

async fn a_secret_can_be_set_again_after_it_was_deleted(vault: Fixture) {
    let before = vault.set("key", b"old").await;
    vault.delete("key").await;
    let after = vault.set("key", b"new").await;
    assert_ne!(before, after);
    assert_eq!(
        vault.get("key").await.map(|it| it.value),
        Some(value(b"new"))
    );
    assert_eq!(vault.get_version("key", &before).await, None);
    assert_eq!(vault.versions("key").await, [after]);
}

async fn to_delete_what_is_not_there_is_no_error(vault: Fixture) {
    vault.delete("nobody").await;
    vault.set("key", b"hush").await;
    vault.delete("key").await;
    vault.delete("key").await;
}

async fn names_of_any_kind_are_told_apart(vault: Fixture) {
    let longest = "n".repeat(64);
    let names = [
        "name",
        "Name",
        "NAME",
        "na-me",
        "na_me",
        "na.me",
        "na/me",
        "na me",
        " name",
        "name ",
        "-",
        "--",
        "-2d",
        "..",
        "*",
        "na\0me",
        "na\nme",
        "n\u{e4}me",
        "na\u{308}me",
        "\u{1F511}",
        "%6e",
        "0",
        &longest,
    ];
    for name in names {
        vault.set(name, name.as_bytes()).await;
    }
    for name in names {
        let read = vault.get(name).await;
        assert_eq!(
            read.map(|it| it.value),
            Some(value(name.as_bytes())),
            "{name:?}"
        );
    }
    assert_eq!(vault.names().await, names.map(str::to_owned).into());
    // One that the interface takes is taken, or refused in the same words.
    let longest = "\u{1F511}".repeat(NAME_BYTES_MAX / 4);
    match vault.try_set(&longest, value(b"hush")).await {
        Ok(_version) => assert!(vault.exists(&longest).await),
        Err(VaultError::OverLimit {
            limit: Limit::NameBytes,
            ..
        }) => {}
        Err(error) => panic!("refused in other words: {error}"),
    }
}

async fn lockers_are_apart(vault: Fixture) {
    let other = vault.beside("-2");
    vault.set("key", b"here").await;
    assert_eq!(other.get("key").await, None);
    assert_eq!(other.names().await, BTreeSet::new());
    other.set("key", b"there").await;
    other.delete("key").await;
    assert_eq!(
        vault.get("key").await.map(|it| it.value),
        Some(value(b"here"))
    );
}

async fn a_listing_has_each_name_once_and_ends(vault: Fixture) {
    let expected: BTreeSet<_> = (0..7).map(|number| format!("key-{number}")).collect();
    for name in &expected {
        vault.set(name, b"a").await;
        vault.set(name, b"b").await;
    }
    assert_eq!(vault.names().await, expected);
}

async fn a_long_listing_comes_in_pages(vault: Fixture) {
    let expected: BTreeSet<_> = (0..30).map(|number| format!("key-{number}")).collect();
    for name in &expected {
        vault.set(name, b"a").await;
    }
    let mut cursor = None;
    let mut found = BTreeSet::new();
    loop {
        let page = vault.page(cursor).await.expect("a page");
        assert!(page.names.len() <= PAGE_NAMES_MAX);
        found.extend(page.names.iter().map(ToString::to_string));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, expected);
}

async fn a_cursor_that_no_listing_gave_is_refused(vault: Fixture) {
    vault.set("key", b"a").await;
    let long = Cursor::new(&"x".repeat(NAME_BYTES_MAX + 1)).expect("a cursor may be longer");
    assert_eq!(vault.page(Some(long)).await, Err(VaultError::BadCursor));
}
