//! Parts of objects.

use wrt_conformance::cases;

use super::{
    Case, Fixture,
    fixture::{compare, pattern},
};
use crate::ByteRange;

pub(super) const CASES: &[Case] = cases![a_range_has_both_its_ends, of_nothing_there_is_no_part];

const SIZE: u64 = 1_000_003;

async fn a_range_has_both_its_ends(store: Fixture) {
    store.make().await;
    store
        .try_write("object", pattern(SIZE))
        .await
        .expect("write");
    for (start, end, expected) in [
        (0, 0, 0..1),
        (0, SIZE - 1, 0..SIZE),
        (0, u64::MAX, 0..SIZE),
        (1, 2, 1..3),
        (SIZE - 1, SIZE - 1, SIZE - 1..SIZE),
        (SIZE - 2, SIZE + 7, SIZE - 2..SIZE),
        (SIZE, u64::MAX, SIZE..SIZE),
        (SIZE + 1, SIZE + 1, SIZE..SIZE),
        (u64::MAX, u64::MAX, SIZE..SIZE),
        // Where chunks end, whichever length a provider gives them.
        (65_535, 65_536, 65_535..65_537),
        (131_071, 131_071, 131_071..131_072),
        (131_072, 262_143, 131_072..262_144),
        (524_287, 786_433, 524_287..786_434),
    ] {
        let range = ByteRange::new(start, end).expect("a legal range");
        let body = store.open("object", range).await;
        let body = body.unwrap_or_else(|error| panic!("{start} to {end}: {error}"));
        let length = expected.end - expected.start;
        assert_eq!(body.length(), Some(length), "{start} to {end}");
        compare(body, expected).await;
    }
    store.remove().await;
}

async fn of_nothing_there_is_no_part(store: Fixture) {
    store.make().await;
    store.write("empty", "").await;
    for (start, end) in [(0, 0), (0, u64::MAX), (7, 9)] {
        let range = ByteRange::new(start, end).expect("a legal range");
        let body = store.open("empty", range).await.expect("open");
        assert_eq!(body.length(), Some(0), "{start} to {end}");
        compare(body, 0..0).await;
    }
    store.remove().await;
}
