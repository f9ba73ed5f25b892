use bytes::Bytes;
use wrt_protocol::Name;

use super::*;
use crate::{DesiredComponent, store::Entry};

const BUCKET: BucketId = BucketId(7);
const SECOND: i64 = 1_000_000_000;
/// When the component was last noted upon.
const TOUCHED_AT: StoredAt = StoredAt(1000 * SECOND);
/// Longer than code waits for its app.
const LATER: StoredAt = StoredAt(2000 * SECOND);

fn digest() -> Digest {
    Digest::of(b"code")
}

fn app(name: &str, digests: &[Digest]) -> Bytes {
    let mut app = DesiredApp::empty(Name::new(name).unwrap());
    for (n, digest) in digests.iter().enumerate() {
        let component = DesiredComponent {
            digest: *digest,
            environment: BTreeMap::new(),
            placement: crate::PlacementRule::default(),
            links: BTreeMap::new(),
            limits: wrt_protocol::ComponentLimits::default(),
        };
        let name = Name::new(&format!("c{n}")).unwrap();
        app.components.insert(name, component);
    }
    app.to_json().into()
}

fn reading(entries: &[(&str, u64, Option<Bytes>)]) -> Reading {
    let entry = |(name, revision, app): &(&str, u64, Option<Bytes>)| {
        let entry = Entry {
            revision: Revision(*revision),
            stored_at: StoredAt(i64::try_from(*revision).unwrap() * SECOND),
            app: app.clone(),
        };
        ((*name).to_owned(), entry)
    };
    Reading {
        bucket: BUCKET,
        last: Revision(50),
        messages: 1,
        entries: entries.iter().map(entry).collect(),
    }
}

fn claim(revision: u64, is_named: bool) -> Claim {
    Claim {
        bucket: BUCKET,
        revision: Revision(revision),
        is_named,
    }
}

fn notes(claims: &[(&str, Claim)]) -> HashMap<String, String> {
    let note = |(app, claim): &(&str, Claim)| (format!("{PREFIX}{app}"), claim.note());
    claims.iter().map(note).collect()
}

fn is_nobodys(reading: &Reading, claims: &[(&str, Claim)], now: StoredAt) -> bool {
    let released = BTreeSet::new();
    let evidence = Evidence::of(reading, &released, now).unwrap();
    evidence.is_nobodys(digest(), &Claims::of(&notes(claims)), TOUCHED_AT)
}

#[test]
fn a_claim_is_over_when_its_app_has_changed_or_gone_since() {
    let shop = [("shop", claim(5, true))];
    let named = reading(&[("shop", 5, Some(app("shop", &[digest()])))]);
    assert!(!is_nobodys(&named, &shop, LATER), "it is named");
    let changed = reading(&[("shop", 6, Some(app("shop", &[])))]);
    assert!(is_nobodys(&changed, &shop, TOUCHED_AT), "another revision");
    let removed = reading(&[("shop", 6, None)]);
    assert!(is_nobodys(&removed, &shop, TOUCHED_AT), "its mark");
}

/// Each of these would take code from nodes that run it.
#[test]
fn silence_is_no_evidence() {
    let shop = [("shop", claim(5, true))];
    assert!(!is_nobodys(&reading(&[]), &shop, LATER), "emptied");
    let behind = reading(&[("shop", 4, Some(app("shop", &[])))]);
    assert!(!is_nobodys(&behind, &shop, LATER), "brought back");
    let mut other = reading(&[("shop", 6, Some(app("shop", &[])))]);
    other.bucket = BucketId(8);
    assert!(!is_nobodys(&other, &shop, LATER), "of before it was lost");
    let both = [("shop", claim(5, true)), ("blog", claim(6, true))];
    let one_gone = reading(&[("blog", 7, None)]);
    assert!(!is_nobodys(&one_gone, &both, LATER), "the other one's too");

    let unreadable = reading(&[("later", 9, Some(Bytes::from_static(br#"{"version":99}"#)))]);
    let released = BTreeSet::new();
    let told = Evidence::of(&unreadable, &released, LATER).err();
    assert_eq!(told, Some(vec!["later".to_owned()]));
}

#[test]
fn what_is_made_anew_counts_by_the_servers_time() {
    let mut other = reading(&[("shop", 1500, None)]);
    other.bucket = BucketId(8);
    assert!(is_nobodys(&other, &[("shop", claim(5, true))], LATER));
}

#[test]
fn what_is_pushed_waits_for_its_app() {
    let pushed = [("shop", claim(40, false))];
    let empty = reading(&[]);
    assert!(!is_nobodys(&empty, &pushed, TOUCHED_AT), "up is under way");
    assert!(is_nobodys(&empty, &pushed, LATER), "up was killed");
    let mut behind = empty;
    behind.last = Revision(39);
    assert!(!is_nobodys(&behind, &pushed, LATER), "behind");
}

#[test]
fn what_an_earlier_build_has_pushed_goes_when_it_is_released_by_name() {
    let removed = reading(&[("shop", 6, None)]);
    assert!(!is_nobodys(&removed, &[], LATER));
    let released = BTreeSet::from([digest()]);
    let evidence = Evidence::of(&removed, &released, LATER).unwrap();
    assert!(evidence.is_nobodys(digest(), &Claims::default(), TOUCHED_AT));
}

#[test]
fn notes_are_read_back_and_unknown_ones_keep() {
    let mut notes = notes(&[("shop", claim(5, true)), ("blog", claim(6, false))]);
    let claims = Claims::of(&notes);
    assert_eq!(claims.of_apps["shop"], claim(5, true));
    assert_eq!(claims.of_apps["blog"], claim(6, false));
    notes.insert(format!("{PREFIX}later"), "leased 1 2".to_owned());
    assert!(Claims::of(&notes).has_more);
}

#[test]
fn claims_that_are_over_make_room_for_others() {
    let changed = reading(&[("shop", 6, None)]);
    let released = BTreeSet::new();
    let evidence = Evidence::of(&changed, &released, LATER).unwrap();
    let mut before = notes(&[("shop", claim(5, true)), ("held", claim(5, true))]);
    before.insert("of-others".to_owned(), "x".to_owned());
    let after = Claims::noted(&before, "blog", claim(9, true), TOUCHED_AT, Some(&evidence));
    let expected = notes(&[("held", claim(5, true)), ("blog", claim(9, true))]);
    assert_eq!(Claims::of(&after), Claims::of(&expected));
    assert!(after.contains_key("of-others"));
}

#[test]
fn code_of_too_many_is_kept() {
    let gone = reading(&[("shop", 60, None)]);
    let released = BTreeSet::new();
    let evidence = Evidence::of(&gone, &released, LATER).unwrap();
    let mut notes = HashMap::new();
    for n in 0..=CLAIMS_PER_COMPONENT_MAX {
        let app = format!("app-{n}");
        notes = Claims::noted(&notes, &app, claim(5, true), TOUCHED_AT, Some(&evidence));
    }
    let claims = Claims::of(&notes);
    assert_eq!(claims.of_apps.len(), CLAIMS_PER_COMPONENT_MAX);
    assert!(claims.has_more);
}
