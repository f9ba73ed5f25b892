//! Containers and objects have any names, and nothing in them is special.

use wrt_conformance::cases;

use super::{Case, Fixture, fixture::object_name};
use crate::limits::{CONTAINER_BYTES_MAX, OBJECT_BYTES_MAX};

pub(super) const CASES: &[Case] = cases![
    any_text_is_an_object,
    the_longest_names,
    an_object_is_deleted_by_its_name_and_by_no_pattern,
    any_text_is_a_container,
];

/// What services give a meaning to: paths, patterns, separators, escapes, control characters, case.
const ODD: &[&str] = &[
    "/",
    "//",
    "/a",
    "a/",
    "a/b",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    ".a",
    "a.",
    "a.b",
    "a..b",
    "*",
    "a*",
    "**",
    "?",
    "[a]",
    "\\",
    ">",
    "a.>",
    "$O",
    "$",
    "%",
    "%2F",
    "%00",
    "=",
    "=41",
    "_",
    "__",
    "_41",
    "-",
    "--",
    "A",
    "a",
    " ",
    " a",
    "a ",
    "\t",
    "\r\n",
    "\0",
    "a\0b",
    "\"",
    "'",
    "<x>",
    "{}",
    "ü",
    "u\u{308}",
    "日本語",
    "🗝",
    "\u{feff}",
    "\u{7f}",
    "#",
    "&x=1",
    "~",
    "C:\\x",
];

async fn any_text_is_an_object(store: Fixture) {
    store.make().await;
    for name in ODD {
        store.write(name, name).await;
    }
    for name in ODD {
        assert_eq!(store.read(name).await, name.as_bytes(), "{name:?}");
    }
    let mut expected: Vec<_> = ODD.iter().map(|name| (*name).to_owned()).collect();
    expected.sort_unstable();
    assert_eq!(store.list().await, expected);
    store.remove().await;
}

async fn the_longest_names(store: Fixture) {
    store.make().await;
    let names =
        ["k", "*", ".", "/", "ü", "🗝"].map(|part| part.repeat(OBJECT_BYTES_MAX / part.len()));
    for name in &names {
        assert_eq!(object_name(name).as_str().len(), OBJECT_BYTES_MAX);
        store.write(name, "bytes").await;
        assert_eq!(store.read(name).await, "bytes", "{name:?}");
    }
    assert_eq!(store.list().await.len(), names.len());
    store.remove().await;
}

async fn an_object_is_deleted_by_its_name_and_by_no_pattern(store: Fixture) {
    store.make().await;
    for name in ["a", "ab", "a.b", "a/b"] {
        store.write(name, "bytes").await;
    }
    store
        .delete(&["*", "a*", "a?", ">", "a.*", "a.>", "a/", "a/*", "%"])
        .await;
    assert_eq!(store.list().await, ["a", "a.b", "a/b", "ab"]);
    store.delete(&["a"]).await;
    assert_eq!(store.list().await, ["a.b", "a/b", "ab"]);
    store.remove().await;
}

async fn any_text_is_a_container(store: Fixture) {
    let room = CONTAINER_BYTES_MAX - store.container.as_str().len();
    let longest = "*".repeat(room);
    let suffixes = [
        "*", "/", "..", "\\", ".", ">", " ", "\0", "_", "A", "a", "ü", "🗝", &longest,
    ];
    for suffix in suffixes {
        let beside = store.beside(suffix);
        assert!(!beside.exists().await, "{suffix:?} is another container");
        beside.make().await;
        beside.write("object", suffix).await;
    }
    assert!(!store.exists().await);
    for suffix in suffixes {
        let beside = store.beside(suffix);
        assert_eq!(beside.read("object").await, suffix.as_bytes(), "{suffix:?}");
        assert_eq!(beside.list().await, ["object"], "{suffix:?}");
        beside.remove().await;
    }
}
