//! The epoch of an incarnation of a node: greater than that of any one before it, and another one
//! than that of any namesake.

use std::time::UNIX_EPOCH;

use wrt_protocol::Epoch;

/// Epochs of one millisecond. An epoch stays a number that every reader of JSON keeps whole, below
/// 2^53, until the year 2039.
const IN_A_MILLISECOND: u64 = 1 << 12;

/// The epoch after `before`, the last one that is known of this name. By the wall clock, so that it
/// grows where nothing is known; past `before`, so that it grows where the clock went back; and at
/// random within the millisecond, so that two that start at once differ.
pub fn next(before: Option<Epoch>) -> Epoch {
    after(before, since_1970_ms(), rand::random())
}

fn after(before: Option<Epoch>, now_ms: u64, random: u64) -> Epoch {
    let by_clock = now_ms.saturating_mul(IN_A_MILLISECOND);
    let least = before.map_or(0, |Epoch(before)| before.saturating_add(1));
    Epoch(
        by_clock
            .max(least)
            .saturating_add(random % IN_A_MILLISECOND),
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "an epoch grows across restarts of which nothing is kept: only a wall clock does"
)]
fn since_1970_ms() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_MS: u64 = 1_796_000_000_000;
    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn epochs_grow_whatever_the_clock_does() {
        let first = after(None, NOON_MS, u64::MAX);
        for now_ms in [NOON_MS - HOUR_MS, NOON_MS, NOON_MS + 1, 0] {
            let next = after(Some(first), now_ms, 0);
            assert!(next > first, "{now_ms}");
        }
        assert!(after(None, NOON_MS + 1, 0) > first, "without what was kept");
        assert!(first.0 < 1 << 53, "{first}");
    }

    #[test]
    fn two_of_one_millisecond_differ() {
        let [one, other] = [1, 2].map(|random| after(None, NOON_MS, random));
        assert_ne!(one, other);
    }
}
