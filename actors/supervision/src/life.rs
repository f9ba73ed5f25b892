//! A child of the supervisor, as a table.
//!
//! | | run | stop | it ended | time to restart |
//! |---|---|---|---|---|
//! | absent | begin: running | answer: absent | | |
//! | running | replace: running | tell: stopping | restart later: failed | |
//! | failed | note: failed | finish: absent | | begin: running |
//! | stopping | note: replacing | tell: stopping | finish: absent | |
//! | replacing | note: replacing | tell: stopping | finish, begin: running | |
//!
//! An empty field is an event that comes too late, and changes nothing.

/// Where a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// There is none.
    Absent,
    /// Its actor lives, whatever the replica does.
    Running,
    /// Its actor failed; a timer restarts it.
    Failed,
    /// Its actor has been told to stop.
    Stopping,
    /// The same, and another is to run when it has.
    Replacing,
}

/// What happens to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It is to run, from a new start.
    Run,
    /// It is to stop.
    Stop,
    /// Its actor is gone.
    Ended,
    /// The timer of a failed one went off.
    RestartDue,
}

/// What the supervisor does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Nothing,
    /// Spawn its actor.
    Begin,
    /// Give the new start to its actor.
    Replace,
    /// Keep the new start for when an actor is spawned.
    Note,
    /// Tell its actor to stop.
    Tell,
    /// Set the timer.
    RestartLater,
    /// Clean up after it, and answer those who wait for its end.
    Finish,
    /// The same, and spawn an actor for the start that was kept.
    FinishAndBegin,
}

impl Life {
    /// What becomes of it, and what is to be done.
    pub(crate) fn next(self, event: Event) -> (Self, Step) {
        match (self, event) {
            (Self::Absent, Event::Run) | (Self::Failed, Event::RestartDue) => {
                (Self::Running, Step::Begin)
            }
            (Self::Running, Event::Run) => (Self::Running, Step::Replace),
            (Self::Failed, Event::Run) => (Self::Failed, Step::Note),
            (Self::Stopping | Self::Replacing, Event::Run) => (Self::Replacing, Step::Note),
            (Self::Absent | Self::Failed, Event::Stop) | (Self::Stopping, Event::Ended) => {
                (Self::Absent, Step::Finish)
            }
            (Self::Running | Self::Stopping | Self::Replacing, Event::Stop) => {
                (Self::Stopping, Step::Tell)
            }
            (Self::Running, Event::Ended) => (Self::Failed, Step::RestartLater),
            (Self::Replacing, Event::Ended) => (Self::Running, Step::FinishAndBegin),
            (Self::Absent | Self::Failed, Event::Ended)
            | (
                Self::Absent | Self::Running | Self::Stopping | Self::Replacing,
                Event::RestartDue,
            ) => (self, Step::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Event::*, Life::*, *};

    fn after(events: &[Event]) -> (Life, Step) {
        let start = (Absent, Step::Nothing);
        events
            .iter()
            .fold(start, |(life, _), event| life.next(*event))
    }

    #[test]
    fn the_last_wish_decides_what_is_left_when_an_actor_has_ended() {
        for (wishes, left) in [
            (&[Run][..], Failed),
            (&[Run, Stop], Absent),
            (&[Run, Stop, Run], Running),
            (&[Run, Stop, Run, Stop], Absent),
            (&[Run, Stop, Run, Run], Running),
        ] {
            let (life, _) = after(wishes).0.next(Ended);
            assert_eq!(life, left, "{wishes:?}");
        }
    }

    #[test]
    fn a_failed_one_stops_at_once_and_runs_when_its_time_has_come() {
        assert_eq!(after(&[Run, Ended, Stop]), (Absent, Step::Finish));
        assert_eq!(after(&[Run, Ended, Run]), (Failed, Step::Note));
        assert_eq!(
            after(&[Run, Ended, Run, RestartDue]),
            (Running, Step::Begin)
        );
    }

    #[test]
    fn an_actor_is_spawned_only_where_none_lives() {
        let lives = [Absent, Running, Failed, Stopping, Replacing];
        for life in lives {
            for event in [Run, Stop, Ended, RestartDue] {
                let (_, step) = life.next(event);
                let spawns = matches!(step, Step::Begin | Step::FinishAndBegin);
                let none_lives = matches!(life, Absent | Failed) || event == Ended;
                assert!(!spawns || none_lives, "{life:?} {event:?}");
            }
        }
    }
}
