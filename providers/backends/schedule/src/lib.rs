//! Runs components to their end: when they are deployed, at times of the clock, or when somebody asks.
//!
//! ```text
//!   the app's revision ──┐                   lease of the lattice: one replica owns a job
//!   the wall clock ──────┼─ plan (pure) ──> note, by compare-and-set ──> Command::run ──> component
//!   wrt call ────────────┘                   "up to this tick all is decided"
//! ```
//!
//! | what | is promised |
//! |---|---|
//! | a tick | is taken by one replica, and once: it is noted before it runs, by compare-and-set. So it does not run twice, and may not have come to its end where its node is lost |
//! | a tick that nobody took in time (`late_ms_max`) | is missed: told in the log and counted, as are those that came while the app was down or all its nodes were |
//! | a tick that comes while `at_most_one` still runs | is skipped: told and counted |
//! | a run whose owner was lost | is told and counted (`lost`) by the next one: nobody knows how it has ended |
//! | `run = "deploy"` | once for each revision of the app, when the component of that revision is there; not for one that another has replaced before |
//! | `at_most_one` | runs of one entry of `calls` do not overlap, whatever starts them. The owner stops what it runs when it loses the lease; the next one waits for as long as what its predecessor had begun may take, as does everybody after a run whose answer was lost |
//! | a run that has not begun (no replica is ready, no room) | is tried again, for a minute, or five after a deploy |
//! | an exit code other than 0, a trap, a time that is up | is told and counted (`failed`), and not tried again |
//!
//! Time zones are those of the IANA database, as `chrono-tz` has it built in. A time that a day does not have,
//! because clocks are put forward, comes when they have been; one that a day has twice comes once, unless the
//! pattern means each hour or each minute.
//!
//! Invariants:
//! - what is due is decided by one pure function ([`plan`]); nothing else looks at patterns or notes;
//! - a clock that is set back runs nothing again: ticks up to the noted one are over.
//!
//! Start reading at [`Schedule`], then [`JobSelection`].

mod clock;
mod counts;
mod job;
mod on_call;
mod plan;
mod run;
mod selection;
mod serving;
mod timing;

use std::{convert::Infallible, sync::Arc};

use parking_lot::Mutex;
use wrt_command::{CommandInterface, WasiCli};
use wrt_runtime::{
    Entry, InProcess, JobsInterface, SelectionError, Server, Serves, Serving, State, Target,
};

pub use clock::{Clock, SystemClock};
use job::Job;
pub use selection::{JobSelection, Run, Times};
use serving::Running;

/// Runs components to their end.
pub struct Schedule {
    clock: Arc<dyn Clock>,
    /// Those of the server, for whoever asks for one by hand.
    jobs: Mutex<Vec<Arc<Job>>>,
}

impl Schedule {
    /// One that looks at `clock`.
    #[must_use]
    pub fn by(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            jobs: Mutex::default(),
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::by(Arc::new(SystemClock))
    }
}

impl InProcess for Schedule {
    const NAME: &'static str = "schedule";
}

impl Serves<WasiCli> for Schedule {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<JobsInterface>(|schedule| schedule);
        entry.calls();
    }
}

impl Server for Schedule {
    type Calls = CommandInterface;
    type Selection = JobSelection;

    fn check_selections(selections: &[JobSelection]) -> Result<(), SelectionError> {
        selections
            .iter()
            .enumerate()
            .try_for_each(|(at, selection)| selection.check(at))
    }

    async fn serve<S: State>(
        self: Arc<Self>,
        state: &S,
        targets: Vec<Target<JobSelection>>,
    ) -> Result<Box<dyn Serving>, Infallible> {
        let mut jobs: Vec<Arc<Job>> = Vec::new();
        for target in targets {
            let same = jobs.iter().filter(|job| job.component == target.component);
            let place = same.count();
            jobs.push(Arc::new(Job::new(state, &self.clock, target, place)));
        }
        (*self.jobs.lock()).clone_from(&jobs);
        Ok(Box::new(Running::start(jobs)))
    }
}
