//! A node's own monotonic clock, and what it knows of another node's.

use std::time::Duration;

use tokio::time::Instant;
use wrt_protocol::NodeMicros;

/// Length of a window of [`ClockOffset`]. Two crystals drift apart by some 2 ms in two of these.
const WINDOW: Duration = Duration::from_secs(10);
/// Samples that a window holds at least, so that a slow beat still leaves a choice.
const WINDOW_SAMPLES_MIN: u32 = 8;

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
/// Windows turn when a heartbeat arrives and never because of silence: the samples from before a
/// long stop stay until enough new ones have come.
#[derive(Debug, Clone)]
pub struct ClockOffset {
    reference: Instant,
    window_started: Instant,
    window_samples: u32,
    current: i64,
    previous: Option<i64>,
}

impl ClockOffset {
    /// Starts with the first heartbeat of an incarnation.
    #[must_use]
    pub fn new(sent_at: NodeMicros, received: Instant) -> Self {
        Self {
            reference: received,
            window_started: received,
            window_samples: 1,
            current: signed(sent_at.0),
            previous: None,
        }
    }

    /// Takes one more heartbeat in.
    pub fn observe(&mut self, sent_at: NodeMicros, received: Instant) {
        let sample = signed(sent_at.0).saturating_sub(since(self.reference, received));
        let full = self.window_samples >= WINDOW_SAMPLES_MIN
            && received.saturating_duration_since(self.window_started) >= WINDOW;
        if full {
            self.previous = Some(self.current);
            self.current = sample;
            self.window_started = received;
            self.window_samples = 1;
        } else {
            self.current = self.current.max(sample);
            self.window_samples = self.window_samples.saturating_add(1);
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
