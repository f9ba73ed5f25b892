//! Keys and buckets are any text, and nothing in them is special.

use wrt_conformance::cases;

use super::{Case, Fixture, fixture::bytes};
use crate::limits::{BUCKET_BYTES_MAX, KEY_BYTES_MAX};

/// What services give a meaning to: patterns, separators, escapes, control characters, case.
const ODD: &[&str] = &[
    "*",
    "**",
    "a*",
    "a*b",
    "?",
    "[a]",
    "[^a]",
    "[",
    "]",
    "\\",
    "\\*",
    ":",
    "a:b",
    ":a:",
    "%",
    "%3A",
    "%25",
    ".",
    "..",
    "a.b",
    ".a",
    "a.",
    "a..b",
    ">",
    "a.>",
    "a.*",
    "$",
    "$KV",
    "$JS.API",
    "=",
    "=41",
    "=3D",
    "A",
    "a",
    " ",
    " a",
    "a ",
    "\t",
    "\r\n",
    "\0",
    "a\0b",
    "/",
    "a/b",
    "//",
    "-",
    "_",
    "{a}b",
    "{",
    "}",
    "\"",
    "'",
    "ü",
    "u\u{308}",
    "日本語",
    "🗝",
    "\u{feff}",
    "\u{7f}",
];

pub(super) const CASES: &[Case] = cases![
    any_text_is_a_key,
    the_longest_keys,
    a_delete_takes_its_key_literally,
    buckets_are_apart,
    any_text_is_a_bucket,
];

async fn any_text_is_a_key(store: Fixture) {
    for name in ODD {
        store.set(name, name).await;
    }
    for name in ODD {
        assert_eq!(store.get(name).await, Some(bytes(name)), "{name:?}");
    }
    let mut expected: Vec<_> = ODD.iter().map(|name| (*name).to_owned()).collect();
    expected.sort_unstable();
    assert_eq!(store.list().await, expected);
}

async fn the_longest_keys(store: Fixture) {
    let names = ["k", "*", ".", "ü", "🗝"].map(|part| part.repeat(KEY_BYTES_MAX / part.len()));
    for name in &names {
        assert_eq!(name.len(), KEY_BYTES_MAX);
        store.set(name, "value").await;
        assert!(store.exists(name).await, "{name:?}");
        assert_eq!(store.increment(&name[..name.len() - 4], 1).await, Ok(1));
    }
    let listed = store.list().await;
    assert!(
        names.iter().all(|name| listed.contains(name)),
        "not all are listed"
    );
}

async fn a_delete_takes_its_key_literally(store: Fixture) {
    let others = ["a", "ab", "a.b", "aXb"];
    for name in others {
        store.set(name, "value").await;
    }
    for pattern in ["*", "a*", "a?", "[a]", ">", "a.*", "a.>", "a\\", ""] {
        if !pattern.is_empty() {
            store.delete(pattern).await;
        }
    }
    assert_eq!(store.list().await, ["a", "a.b", "aXb", "ab"]);
}

async fn buckets_are_apart(store: Fixture) {
    // With any separator, some of these would meet if it were not escaped.
    let entries = [
        ("", "b:c"),
        (":b", "c"),
        ("", "b.c"),
        (".b", "c"),
        ("%3Ab", "c"),
        ("", "*"),
    ];
    for (suffix, name) in entries {
        store
            .beside(suffix)
            .set(name, format!("{suffix} {name}"))
            .await;
    }
    for (suffix, name) in entries {
        let expected = bytes(format!("{suffix} {name}"));
        assert_eq!(
            store.beside(suffix).get(name).await,
            Some(expected),
            "{suffix:?} {name:?}"
        );
    }
    assert_eq!(store.list().await, ["*", "b.c", "b:c"]);
    assert_eq!(store.beside(":b").list().await, ["c"]);
    store.beside(":b").delete("c").await;
    assert_eq!(store.list().await, ["*", "b.c", "b:c"]);
    assert!(store.beside("%3Ab").exists("c").await);
}

async fn any_text_is_a_bucket(store: Fixture) {
    let room = BUCKET_BYTES_MAX - store.bucket.as_str().len();
    let longest = "*".repeat(room);
    for suffix in [
        "*", "?", "[a]", "\\", ".", ">", " ", "\0", "A", "a", "ü", "🗝", &longest,
    ] {
        let beside = store.beside(suffix);
        assert!(
            beside.list().await.is_empty(),
            "{suffix:?} holds another bucket's keys"
        );
        beside.set("key", suffix).await;
        assert_eq!(beside.get("key").await, Some(bytes(suffix)), "{suffix:?}");
        assert_eq!(beside.list().await, ["key"], "{suffix:?}");
    }
    assert!(store.list().await.is_empty());
}
