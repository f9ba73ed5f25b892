use bytes::Bytes;

use super::*;
use crate::DesiredProvider;

fn app(name: &str, port: u16) -> DesiredApp {
    let mut app = DesiredApp::empty(Name::new(name).unwrap());
    let mut web = DesiredProvider::new("http-server");
    web.address = Some(format!("127.0.0.1:{port}"));
    app.providers.insert(Name::new("web").unwrap(), web);
    app
}

fn stored(revision: u64, at: i64, app: &DesiredApp) -> Entry {
    Entry {
        revision: Revision(revision),
        stored_at: StoredAt(at),
        app: Some(app.to_json().into()),
    }
}

fn removed(revision: u64, at: i64) -> Entry {
    Entry {
        revision: Revision(revision),
        stored_at: StoredAt(at),
        app: None,
    }
}

/// What bucket `bucket` has after its change `last`.
fn reading(bucket: i64, last: u64, entries: &[(&str, Entry)]) -> Reading {
    let entries = entries.iter();
    Reading {
        bucket: BucketId(bucket),
        last: Revision(last),
        messages: last,
        entries: entries
            .map(|(key, entry)| ((*key).to_owned(), entry.clone()))
            .collect(),
    }
}

/// Somebody who knows the shop in revision 20 of bucket 1, on port 1.
fn knows_shop() -> Known {
    let mut known = Known::default();
    known.take(&reading(
        1,
        20,
        &[("shop", stored(20, 200, &app("shop", 1)))],
    ));
    assert!(known.held.is_empty());
    known
}

/// What runs: apps with their ports. And what is held.
fn shown(known: &Known) -> (Vec<(String, String)>, Vec<String>) {
    let snapshot = known.snapshot();
    let port = |stored: &StoredApp| {
        let web = stored.app.providers.values().next().unwrap();
        web.address.clone().unwrap().split_off("127.0.0.1:".len())
    };
    let apps = snapshot.apps.iter();
    let apps = apps.map(|(name, stored)| (name.to_string(), port(stored)));
    (apps.collect(), snapshot.held.into_keys().collect())
}

#[track_caller]
fn check(known: &Known, apps: &[(&str, &str)], held: &[&str]) {
    let (running, holds) = shown(known);
    let held: Vec<_> = held.iter().map(|name| (*name).to_owned()).collect();
    let apps: Vec<_> = apps
        .iter()
        .map(|(name, port)| ((*name).to_owned(), (*port).to_owned()))
        .collect();
    assert_eq!((running, holds), (apps, held));
}

#[test]
fn only_a_mark_removes() {
    let mut known = knows_shop();
    known.take(&reading(1, 20, &[]));
    check(&known, &[("shop", "1")], &["shop"]);
    known.take(&reading(1, 21, &[("shop", removed(21, 210))]));
    check(&known, &[], &[]);
}

#[test]
fn a_bucket_that_was_made_anew_changes_only_what_was_stored_in_it() {
    let mut known = knows_shop();
    known.take_absence();
    check(&known, &[("shop", "1")], &["shop"]);
    known.take(&reading(2, 0, &[]));
    check(&known, &[("shop", "1")], &["shop"]);
    let blog = ("blog", stored(1, 300, &app("blog", 7)));
    known.take(&reading(2, 1, std::slice::from_ref(&blog)));
    check(&known, &[("blog", "7"), ("shop", "1")], &["shop"]);
    // It is restored, with other content and a lesser revision.
    let shop = ("shop", stored(2, 310, &app("shop", 2)));
    known.take(&reading(2, 2, &[blog.clone(), shop]));
    check(&known, &[("blog", "7"), ("shop", "2")], &[]);
    known.take(&reading(2, 3, &[blog, ("shop", removed(3, 320))]));
    check(&known, &[("blog", "7")], &[]);
}

#[test]
fn a_removal_in_a_bucket_that_was_made_anew_removes() {
    let mut known = knows_shop();
    known.take(&reading(2, 1, &[("shop", removed(1, 300))]));
    check(&known, &[], &[]);
}

#[test]
fn a_copy_from_before_brings_nothing_back() {
    let old = || ("shop", stored(12, 120, &app("shop", 9)));
    let mut known = knows_shop();
    known.take(&reading(1, 12, &[old()]));
    check(&known, &[("shop", "1")], &["shop"]);
    let reason = known.snapshot().held["shop"].clone();
    assert!(reason.contains("12") && reason.contains("20"), "{reason}");
    // Neither does it take away, nor what was removed come back.
    known.take(&reading(1, 12, &[("shop", removed(11, 110))]));
    check(&known, &[("shop", "1")], &["shop"]);
    known.take(&reading(1, 21, &[("shop", removed(21, 210))]));
    check(&known, &[], &[]);
    known.take(&reading(1, 12, &[old()]));
    check(&known, &[], &["shop"]);
    // What is done to the copy since counts.
    known.take(&reading(
        1,
        13,
        &[("shop", stored(13, 400, &app("shop", 3)))],
    ));
    check(&known, &[("shop", "3")], &[]);
}

#[test]
fn the_clock_of_the_server_went_back() {
    let mut known = knows_shop();
    // In the same bucket no clock is asked.
    known.take(&reading(
        1,
        21,
        &[("shop", stored(21, 50, &app("shop", 2)))],
    ));
    check(&known, &[("shop", "2")], &[]);
    let mut known = knows_shop();
    known.take(&reading(1, 21, &[("shop", removed(21, 50))]));
    check(&known, &[], &[]);
    // In another one it is, until somebody does something after the first look.
    let mut known = knows_shop();
    known.take(&reading(2, 1, &[("shop", stored(1, 50, &app("shop", 2)))]));
    check(&known, &[("shop", "1")], &["shop"]);
    known.take(&reading(2, 2, &[("shop", stored(2, 51, &app("shop", 2)))]));
    check(&known, &[("shop", "2")], &[]);
}

#[test]
fn what_cannot_be_read_leaves_the_last_form_that_could() {
    let later = || Entry {
        app: Some(Bytes::from_static(br#"{"version":9}"#)),
        ..stored(21, 210, &app("shop", 1))
    };
    let mut known = knows_shop();
    for _look in 0..2 {
        known.take(&reading(1, 21, &[("shop", later())]));
        check(&known, &[("shop", "1")], &["shop"]);
        let reason = known.snapshot().held["shop"].clone();
        assert!(reason.contains("form 9"), "{reason}");
        // Also when the node is started again meanwhile.
        let (again, unreadable) = Known::from_json(&known.to_json()).unwrap();
        assert_eq!(unreadable, []);
        known = again;
    }
    known.take(&reading(
        1,
        22,
        &[("shop", stored(22, 220, &app("shop", 2)))],
    ));
    check(&known, &[("shop", "2")], &[]);
    // Somebody who knows nothing has nothing to run, and says so.
    let mut known = Known::default();
    known.take(&reading(1, 21, &[("shop", later())]));
    check(&known, &[], &["shop"]);
}

#[test]
fn the_same_app_under_another_revision_is_no_news() {
    let mut known = knows_shop();
    known.take(&reading(
        1,
        12,
        &[("shop", stored(12, 120, &app("shop", 1)))],
    ));
    check(&known, &[("shop", "1")], &[]);
}

#[test]
fn the_kept_form_reads_back() {
    let mut known = knows_shop();
    known.take(&reading(
        1,
        22,
        &[
            ("shop", stored(20, 200, &app("shop", 1))),
            ("blog", removed(22, 220)),
        ],
    ));
    let (read, unreadable) = Known::from_json(&known.to_json()).unwrap();
    assert_eq!((read, unreadable), (known, Vec::new()));
    assert!(Known::from_json(b"[]").is_err());
}

#[test]
fn a_kept_app_of_another_form_is_told_and_the_others_are_read() {
    let json = String::from_utf8(knows_shop().to_json()).unwrap();
    let other = json.replace(r#""version":2"#, r#""version":1"#);
    assert_ne!(json, other);
    let (known, unreadable) = Known::from_json(other.as_bytes()).unwrap();
    assert!(known.is_empty());
    assert_eq!(unreadable.len(), 1);
    assert!(unreadable[0].1.contains("form 1"), "{unreadable:?}");
}

#[test]
fn removals_are_bounded() {
    let mut known = knows_shop();
    let names: Vec<_> = (0..=REMOVED_APPS_MAX).map(|n| format!("app-{n}")).collect();
    let mut entries: Vec<_> = (300..)
        .zip(&names)
        .map(|(n, name)| (name.as_str(), removed(n, i64::try_from(n).unwrap())))
        .collect();
    entries.push(("shop", stored(20, 200, &app("shop", 1))));
    known.take(&reading(1, 9_999, &entries));
    assert_eq!(known.apps.len(), REMOVED_APPS_MAX + 1);
    check(&known, &[("shop", "1")], &[]);
}

fn cordoned(revision: u64, at: i64, keeps: &[&str]) -> Entry {
    let cordon = Cordon {
        keeps: keeps.iter().map(|it| it.parse().unwrap()).collect(),
    };
    Entry {
        revision: Revision(revision),
        stored_at: StoredAt(at),
        app: Some(cordon.to_json().into()),
    }
}

fn cordons(known: &Known) -> Vec<String> {
    let snapshot = known.snapshot();
    snapshot.cordons.nodes().map(ToString::to_string).collect()
}

/// A cordon is lifted by who lifts it, and not by a bucket that is lost, nor by a start anew.
#[test]
fn a_cordon_stays_until_somebody_takes_it_away() {
    let mut known = knows_shop();
    let shop = || ("shop", stored(20, 200, &app("shop", 1)));
    known.take(&reading(
        1,
        21,
        &[
            shop(),
            ("node.a", cordoned(21, 210, &["component/shop/cart"])),
        ],
    ));
    check(&known, &[("shop", "1")], &[]);
    assert_eq!(cordons(&known), ["a"]);
    known.take_absence();
    assert_eq!(cordons(&known), ["a"]);
    check(&known, &[("shop", "1")], &["node.a", "shop"]);
    known.take(&reading(2, 1, &[]));
    check(&known, &[("shop", "1")], &["node.a", "shop"]);

    let (mut kept, unreadable) = Known::from_json(&known.to_json()).unwrap();
    assert_eq!(unreadable, []);
    assert_eq!(kept.snapshot().cordons, known.snapshot().cordons);
    let a = node_of_key("node.a").unwrap();
    let keeps = kept.snapshot().cordons.of(&a).unwrap().keeps.len();
    assert_eq!(keeps, 1);
    kept.take(&reading(2, 2, &[("node.a", removed(2, 300))]));
    assert_eq!(cordons(&kept), [""; 0]);
    // What is older than its removal brings it not back.
    kept.take(&reading(1, 21, &[("node.a", cordoned(21, 210, &[]))]));
    assert_eq!(cordons(&kept), [""; 0]);
}

#[test]
fn a_cordon_that_cannot_be_read_is_none_and_is_told() {
    let mut known = Known::default();
    let mut later = cordoned(1, 10, &[]);
    later.app = Some(Bytes::from_static(br#"{"version":9}"#));
    known.take(&reading(1, 1, &[("node.a", later)]));
    assert_eq!(cordons(&known), [""; 0]);
    let reason = known.snapshot().held["node.a"].clone();
    assert!(reason.contains("form 9"), "{reason}");
    // What an earlier build has kept has none.
    let earlier = br#"{"seen":null,"apps":[]}"#;
    assert!(Known::from_json(earlier).unwrap().0.is_empty());
}
