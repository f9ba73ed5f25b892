//! Whose first step the task that reads the bus takes itself.
//!
//! A task for each call costs those that are over at once more than they cost themselves: it wakes other
//! threads, which answer one by one what would have gone out in one message. So the reader takes the first
//! step of those that are used to be over with it, and soon. The others get tasks, from which it is learnt
//! as well what they are like. One that was quick until now, and is not this time, keeps the reader until
//! [`Watch`](crate::watch::Watch) sees it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;
use wrt_protocol::OperationName;

/// A step that takes longer is not quick.
const QUICK_MAX: Duration = Duration::from_micros(100);

/// How long the steps of a turn may take together, before what comes behind them gets tasks.
const TURN_MAX: Duration = Duration::from_millis(1);

/// Operations of an interface that are told apart. Others share a place.
const PLACES: usize = 32;

/// What the first steps of an interface's operations were like the last time.
#[derive(Default)]
pub(crate) struct Pace([AtomicBool; PLACES]);

/// The pace of one operation.
pub(crate) struct OperationPace {
    pace: Arc<Pace>,
    place: usize,
}

impl OperationPace {
    pub(crate) fn new(pace: Arc<Pace>, operation: &OperationName) -> Self {
        let mix = |sum: usize, byte: u8| sum.wrapping_mul(31).wrapping_add(byte.into());
        let place = operation.as_str().bytes().fold(0, mix) % PLACES;
        Self { pace, place }
    }

    /// Whether its calls are over with their first step, and soon.
    pub(crate) fn is_quick(&self) -> bool {
        self.pace.0[self.place].load(Relaxed)
    }

    /// Learns what a first step was like.
    pub(crate) fn note(&self, is_over: bool, took: Duration) {
        let is_quick = is_over && took <= QUICK_MAX;
        if is_quick != self.is_quick() {
            self.pace.0[self.place].store(is_quick, Relaxed);
        }
    }
}

/// The steps that a reader has taken: odd while it is in one.
#[derive(Default)]
pub(crate) struct Steps(AtomicU64);

impl Steps {
    /// Which step it is in.
    pub(crate) fn now(&self) -> Option<u64> {
        let steps = self.0.load(Relaxed);
        (!steps.is_multiple_of(2)).then_some(steps)
    }

    /// Only its reader writes it.
    fn change(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }
}

/// A turn of the task that reads: what it does from when it is woken until it waits.
pub(crate) struct Turn {
    steps: Arc<Steps>,
    /// When its first step began.
    began: Option<Instant>,
    is_closed: bool,
}

impl Turn {
    /// The first one of the reader that takes `steps`.
    pub(crate) fn first(steps: Arc<Steps>) -> Self {
        Self {
            steps,
            began: None,
            is_closed: false,
        }
    }

    /// The next one begins.
    pub(crate) fn renew(&mut self) {
        (self.began, self.is_closed) = (None, false);
    }

    /// Whether the first step of a call like that may be taken in it.
    pub(crate) fn admits(&self, pace: &OperationPace) -> bool {
        !self.is_closed && pace.is_quick()
    }

    /// Takes a step, which answers what is left to do.
    pub(crate) fn take<Rest>(
        &mut self,
        pace: &OperationPace,
        step: impl FnOnce() -> Option<Rest>,
    ) -> Option<Rest> {
        let began = Instant::now();
        self.steps.change();
        let rest = step();
        self.steps.change();
        let ended = Instant::now();
        pace.note(rest.is_none(), ended - began);
        let turn_began = *self.began.get_or_insert(began);
        self.is_closed |= ended - turn_began > TURN_MAX;
        rest
    }

    /// Something was given to another task, or woken. No step is taken behind it: the runtime lets the
    /// task that was woken last run on this thread and no other, and it would wait for as long as the
    /// step takes.
    pub(crate) fn handed_on(&mut self) {
        self.is_closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get() -> OperationPace {
        let operation = OperationName::new("get").expect("a legal name");
        OperationPace::new(Arc::default(), &operation)
    }

    #[test]
    fn quick_is_what_was_quick_the_last_time() {
        let pace = get();
        assert!(!pace.is_quick(), "nothing is known of it");
        for (is_over, took, is_quick) in [
            (true, QUICK_MAX, true),
            (true, QUICK_MAX * 2, false),
            (true, Duration::ZERO, true),
            (false, Duration::ZERO, false),
        ] {
            pace.note(is_over, took);
            assert_eq!(pace.is_quick(), is_quick, "{is_over} {took:?}");
        }
    }

    #[test]
    fn a_turn_takes_steps_for_a_while_and_none_behind_a_task() {
        let pace = get();
        pace.note(true, Duration::ZERO);
        let mut turn = Turn::first(Arc::default());
        assert!(turn.admits(&pace));
        turn.handed_on();
        assert!(!turn.admits(&pace));
        turn.renew();
        turn.began = Instant::now().checked_sub(TURN_MAX * 2);
        assert!(turn.admits(&pace));
        assert_eq!(turn.take(&pace, || None::<()>), None);
        assert!(!turn.admits(&pace));
    }

    #[test]
    fn a_step_shows_while_it_is_taken() {
        let (pace, steps) = (get(), Arc::<Steps>::default());
        let mut turn = Turn::first(Arc::clone(&steps));
        assert_eq!(steps.now(), None);
        turn.take(&pace, || {
            assert_eq!(steps.now(), Some(1));
            None::<()>
        });
        assert_eq!(steps.now(), None);
    }
}
