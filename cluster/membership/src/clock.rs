//! A node's own monotonic clock, and what it knows of another node's.

use std::time::Duration;

use tokio::time::Instant;
use wrt_protocol::NodeMicros;

/// Length of a window of [`ClockOffset`]. Two crystals drift apart by some 2 ms in two of these.
const WINDOW: Duration = Duration::from_secs(10);
/// What the time between two heartbeats can add to a window. So a window holds at least eight, and
/// neither a slow beat nor a long stop leaves it with a few that were all held up.
const WINDOW_GAP_MAX: Duration = Duration::from_millis(1250);

/// This node's monotonic clock: what [`NodeMicros`] means here.
#[derive(Debug, Clone, Copy)]
pub struct NodeClock {
    started: Instant,
}

impl NodeClock {
    /// A clock that is at zero now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> NodeMicros {
        self.at(Instant::now())
    }

    /// The time at `instant`; zero for one before the start.
    #[must_use]
    pub fn at(&self, instant: Instant) -> NodeMicros {
        NodeMicros(micros(instant.saturating_duration_since(self.started)))
    }

    /// When the clock was at zero.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }
}

/// An estimate of a peer's [`NodeClock`] from its heartbeats.
///
/// Each heartbeat says when it was sent on the peer's clock, and arrives later: `sent_at - received`
/// is the offset less the delay. So the greatest of them is the best, and the estimate is never
/// ahead of the peer's clock. A heartbeat that was held up anywhere (the peer or this node was
/// stopped, a buffer was full) gives a lesser value and is passed over.
///
/// The greatest is taken over the current window and the one before it, so that drift is forgotten.
/// Silence does not fill a window, and heartbeats that arrive all at once do not either: the samples
/// from before a long stop stay until enough new ones have come, one by one.
#[derive(Debug, Clone)]
pub struct ClockOffset {
    reference: Instant,
    received: Instant,
    window_filled: Duration,
    current: i64,
    previous: Option<i64>,
}

impl ClockOffset {
    /// Starts with the first heartbeat of an incarnation.
    #[must_use]
    pub fn new(sent_at: NodeMicros, received: Instant) -> Self {
        Self {
            reference: received,
            received,
            window_filled: Duration::ZERO,
            current: signed(sent_at.0),
            previous: None,
        }
    }

    /// Takes one more heartbeat in.
    pub fn observe(&mut self, sent_at: NodeMicros, received: Instant) {
        let sample = signed(sent_at.0).saturating_sub(since(self.reference, received));
        let gap = received.saturating_duration_since(self.received);
        self.received = received;
        self.window_filled += gap.min(WINDOW_GAP_MAX);
        if self.window_filled >= WINDOW {
            self.window_filled = Duration::ZERO;
            self.previous = Some(self.current);
            self.current = sample;
        } else {
            self.current = self.current.max(sample);
        }
    }

    /// What the peer's clock shows at `now`, less the delay of the fastest recent heartbeat.
    #[must_use]
    pub fn peer_now(&self, now: Instant) -> NodeMicros {
        at(self.reference, self.best(), now)
    }

    /// An exact one, for this node itself.
    pub(crate) fn exact(clock: NodeClock) -> Self {
        Self::new(NodeMicros(0), clock.started)
    }

    /// The peer's clock at [`ClockOffset::reference`].
    pub(crate) fn best(&self) -> i64 {
        self.previous
            .map_or(self.current, |previous| previous.max(self.current))
    }

    /// The instant that the estimate counts from; the same for one incarnation.
    pub(crate) fn reference(&self) -> Instant {
        self.reference
    }
}

/// A clock that showed `offset` at `reference`, at `now`.
pub(crate) fn at(reference: Instant, offset: i64, now: Instant) -> NodeMicros {
    let micros = since(reference, now).saturating_add(offset);
    NodeMicros(u64::try_from(micros).unwrap_or(0))
}

fn since(reference: Instant, at: Instant) -> i64 {
    match at.checked_duration_since(reference) {
        Some(after) => signed(micros(after)),
        None => -signed(micros(reference.saturating_duration_since(at))),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A peer may claim any number; one beyond 292,000 years is taken as that.
fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A peer whose clock is `ahead` micros of ours, and drifts by `drift_ppm`.
    struct Peer {
        began: Instant,
        ahead: u64,
        drift_ppm: i64,
    }

    impl Peer {
        fn at(&self, micros_since: u64) -> NodeMicros {
            let drift = signed(micros_since) * self.drift_ppm / 1_000_000;
            NodeMicros((self.ahead + micros_since).saturating_add_signed(drift))
        }

        fn instant(&self, micros_since: u64) -> Instant {
            self.began + Duration::from_micros(micros_since)
        }
    }

    const BEAT: u64 = 250_000;
    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_stop_of_either_side_spoils_nothing() {
        let peer = Peer {
            began: Instant::now(),
            ahead: 7 * SECOND,
            drift_ppm: 0,
        };
        let mut offset = ClockOffset::new(peer.at(0), peer.instant(400));
        for beat in 1..100 {
            offset.observe(peer.at(beat * BEAT), peer.instant(beat * BEAT + 300));
        }
        // The peer is stopped between reading its clock and sending, for a minute.
        let (sent, received) = (100 * BEAT, 100 * BEAT + 60 * SECOND);
        offset.observe(peer.at(sent), peer.instant(received));
        let error = peer.at(received).0 - offset.peer_now(peer.instant(received)).0;
        assert_eq!(error, 300, "after a stop of the peer");
        // Then this node is: what was sent meanwhile arrives at once.
        let resumed = received + 60 * SECOND;
        for beat in 0..240 {
            offset.observe(peer.at(received + beat * BEAT), peer.instant(resumed));
            let error = peer.at(resumed).0 - offset.peer_now(peer.instant(resumed)).0;
            assert_eq!(error, 300, "after {beat} late heartbeats");
        }
    }

    #[test]
    fn absurd_claims_do_not_overflow() {
        let now = Instant::now();
        for first in [0, 1, u64::MAX] {
            let mut offset = ClockOffset::new(NodeMicros(first), now);
            for next in [u64::MAX, 0, u64::MAX] {
                offset.observe(NodeMicros(next), now + Duration::from_secs(1));
                let _any = offset.peer_now(now + Duration::from_secs(u64::from(u32::MAX)));
                let _any = offset.peer_now(now);
            }
        }
    }

    #[test]
    fn own_clock_is_exact() {
        let clock = NodeClock::start();
        let later = clock.started() + Duration::from_millis(1500);
        assert_eq!(clock.at(later), NodeMicros(1_500_000));
        assert_eq!(ClockOffset::exact(clock).peer_now(later), clock.at(later));
    }

    proptest! {
        /// Without drift the estimate is behind by the least delay of the two windows, never ahead.
        #[test]
        fn behind_by_the_least_delay(
            ahead in 0..1_000 * SECOND,
            delays in proptest::collection::vec(0..5 * SECOND, 1..60),
        ) {
            let peer = Peer { began: Instant::now(), ahead, drift_ppm: 0 };
            let mut offset = ClockOffset::new(peer.at(0), peer.instant(delays[0]));
            let mut last = delays[0];
            // Sixty beats are 15 s, so that no sample is older than two windows; the bus keeps order.
            let mut least = delays[0];
            for (beat, delay) in (1..).zip(&delays[1..]) {
                let sent = beat * BEAT;
                last = last.max(sent + delay);
                least = least.min(last - sent);
                offset.observe(peer.at(sent), peer.instant(last));
            }
            let estimate = offset.peer_now(peer.instant(last)).0;
            prop_assert_eq!(peer.at(last).0 - estimate, least);
        }

        /// With drift it is off by what two windows and a beat let build up, and no more.
        #[test]
        fn drift_is_forgotten(drift_ppm in -100..100_i64, delay in 0..2_000_u64) {
            let peer = Peer { began: Instant::now(), ahead: SECOND, drift_ppm };
            let mut offset = ClockOffset::new(peer.at(0), peer.instant(delay));
            for beat in 1..4 * 3600 {
                offset.observe(peer.at(beat * BEAT), peer.instant(beat * BEAT + delay));
            }
            let now = (4 * 3600 - 1) * BEAT + delay;
            let error = signed(peer.at(now).0) - signed(offset.peer_now(peer.instant(now)).0);
            let built_up = 21 * drift_ppm.abs() + 1;
            prop_assert!((error - signed(delay)).abs() <= built_up, "off by {error} us");
        }
    }
}
