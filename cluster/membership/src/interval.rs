//! How often a node beats, and how long it may be silent.

use std::time::Duration;

use wrt_protocol::limits::{
    DEAD_AFTER, HEARTBEAT_INTERVAL, HEARTBEATS_MISSED_SUSPECT, HEARTBEATS_PER_SECOND_MAX,
    MEMBERS_MAX,
};

/// How long a member must be silent to be declared dead while most members are silent, at the
/// shortest interval.
///
/// Long enough for a partition of the bus to heal and for clients to reconnect with backoff, so that
/// a hiccup of the bus moves nothing; bounded, so that the survivors of a real disaster take over
/// without an operator.
pub const MASS_DEATH_HOLD: Duration = Duration::from_secs(10);

/// Members for each one that was heard, at the most. Whatever its size, 100 members of a lattice or all
/// of them are heard in [`HEARTBEAT_INTERVAL`]; members beat unevenly.
const UNHEARD_FACTOR: usize = 4;

/// Time between two heartbeats of a node in a lattice of `members`: [`HEARTBEAT_INTERVAL`], or
/// longer, so that all of them together send at most [`HEARTBEATS_PER_SECOND_MAX`].
#[must_use]
pub fn heartbeat_interval(members: usize) -> Duration {
    let members = u64::try_from(members.min(MEMBERS_MAX)).unwrap_or(u64::MAX);
    let shared = Duration::from_millis(
        members
            .saturating_mul(1000)
            .div_ceil(u64::from(HEARTBEATS_PER_SECOND_MAX)),
    );
    shared.max(HEARTBEAT_INTERVAL)
}

/// Silence after which a node that beats at `interval` has missed a heartbeat: it is late by a quarter of
/// the interval.
#[must_use]
pub fn missed_after(interval: Duration) -> Duration {
    interval + interval / 4
}

/// Silence after which a node that beats at `interval` is suspect: so many heartbeats are missing,
/// and the last of them is late by a quarter of the interval.
#[must_use]
pub fn suspect_after(interval: Duration) -> Duration {
    interval * HEARTBEATS_MISSED_SUSPECT + interval / 4
}

/// Silence after which a node that beats at `interval` is dead: [`DEAD_AFTER`], longer in
/// proportion where the interval is.
#[must_use]
pub fn dead_after(interval: Duration) -> Duration {
    scaled(DEAD_AFTER, interval)
}

/// [`MASS_DEATH_HOLD`] for a node that beats at `interval`.
#[must_use]
pub fn mass_death_hold(interval: Duration) -> Duration {
    scaled(MASS_DEATH_HOLD, interval)
}

/// The interval that a peer claims, brought to what an honest one can be: a peer that claims an
/// hour would never be suspected.
#[must_use]
pub fn claimed_interval(millis: u32) -> Duration {
    Duration::from_millis(u64::from(millis))
        .clamp(HEARTBEAT_INTERVAL, heartbeat_interval(MEMBERS_MAX))
}

/// The interval that a peer claims, for somebody who has listened for an interval or more and heard so
/// many nodes: in a lattice that beats slower, more are heard in the meantime. So one who lies makes
/// nobody wait.
#[must_use]
pub fn plausible_interval(millis: u32, heard: usize) -> Duration {
    claimed_interval(millis).min(heartbeat_interval(heard.saturating_mul(UNHEARD_FACTOR)))
}

fn scaled(at_shortest: Duration, interval: Duration) -> Duration {
    at_shortest.mul_f64((interval.as_secs_f64() / HEARTBEAT_INTERVAL.as_secs_f64()).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bus_carries_a_bounded_number_of_heartbeats() {
        for (members, millis) in [
            (0, 250),
            (1, 250),
            (100, 250),
            (101, 253),
            (200, 500),
            (4096, 10_240),
            (usize::MAX, 10_240),
        ] {
            assert_eq!(
                heartbeat_interval(members),
                Duration::from_millis(millis),
                "{members} members"
            );
        }
        for members in 1..=MEMBERS_MAX {
            let all_per_second = members as f64 / heartbeat_interval(members).as_secs_f64();
            assert!(all_per_second <= f64::from(HEARTBEATS_PER_SECOND_MAX) + 1e-9);
        }
    }

    #[test]
    fn patience_grows_with_the_interval() {
        let shortest = HEARTBEAT_INTERVAL;
        assert_eq!(dead_after(shortest), DEAD_AFTER);
        assert_eq!(dead_after(shortest * 4), DEAD_AFTER * 4);
        assert_eq!(dead_after(shortest / 2), DEAD_AFTER);
        for interval in [shortest, shortest * 3, shortest * 40] {
            assert!(missed_after(interval) < suspect_after(interval));
            assert!(suspect_after(interval) < dead_after(interval));
            assert!(dead_after(interval) < mass_death_hold(interval));
        }
    }

    #[test]
    fn a_claimed_interval_is_an_honest_one() {
        assert_eq!(claimed_interval(0), HEARTBEAT_INTERVAL);
        assert_eq!(claimed_interval(u32::MAX), heartbeat_interval(MEMBERS_MAX));
        assert_eq!(claimed_interval(700), Duration::from_millis(700));
    }

    #[test]
    fn a_lie_is_not_plausible_and_the_truth_is() {
        assert_eq!(plausible_interval(u32::MAX, 1), HEARTBEAT_INTERVAL);
        assert_eq!(plausible_interval(u32::MAX, 20), HEARTBEAT_INTERVAL);
        for members in [1, 100, 200, 1000, MEMBERS_MAX] {
            let interval = heartbeat_interval(members);
            let millis = u32::try_from(interval.as_millis()).unwrap();
            assert_eq!(plausible_interval(millis, members), interval);
            // What is heard in the shortest interval lets one listen on.
            let heard = members.min(100);
            let listens = plausible_interval(millis, heard) * 2;
            assert!(listens >= interval.min(HEARTBEAT_INTERVAL * 4), "{members}");
        }
    }
}
