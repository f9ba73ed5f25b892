//! A job: an entry of `calls`, and its owner at work.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use wrt_command::{Command, CommandInterface};
use wrt_protocol::{Name, limits::BUDGET_MAX};
use wrt_runtime::{
    Deployments, JobError, Note, Ownership, Record, RecordError, State, Target, Term,
};

use crate::{
    Clock, JobSelection, Run,
    counts::Counts,
    plan::{Begun, Facts, Memory, Plan, plan},
    timing::Timing,
};

/// How often it is looked without being told: for a new revision, and for clocks that are set.
const LOOKED_EVERY: Duration = Duration::from_millis(500);
/// Pause before a note is read or written again that could not be.
const PAUSE: Duration = Duration::from_millis(500);
/// What a run may take beyond what its component may: to be admitted, and to say that its time was up.
const GRACE: Duration = Duration::from_secs(10);

/// An entry of `calls`.
pub(crate) struct Job {
    pub(crate) component: Name,
    pub(crate) selection: JobSelection,
    pub(crate) client: Arc<dyn Command>,
    pub(crate) deployments: Arc<dyn Deployments>,
    pub(crate) counts: Counts,
    /// What it is called as a work that one replica does.
    work: String,
    /// What this replica is called in notes.
    owner: String,
    timing: Option<Timing>,
    clock: Arc<dyn Clock>,
    ownership: Arc<dyn Ownership>,
    record: Arc<dyn Record>,
    /// What its owner has noted last; none in a replica that is not the owner.
    held: Mutex<Option<Held>>,
    /// Of its runs that must not overlap.
    one: Arc<Semaphore>,
    numbers: AtomicU64,
    /// The last of its runs that is known to have ended.
    ended: AtomicU64,
    changed: Notify,
}

/// The job, as its owner has it.
struct Held {
    term: Term,
    version: u64,
    memory: Option<Memory>,
}

/// A run that was begun, and has [ended](Self::end) or is dropped: then nobody knows whether it still runs.
pub(crate) struct InProgress {
    pub(crate) term: Term,
    job: Arc<Job>,
    number: u64,
    _one: Option<OwnedSemaphorePermit>,
}

impl InProgress {
    /// Notes that it is over, if the way in which it ended leaves no doubt; else what must not overlap with it
    /// waits for as long as it may take.
    pub(crate) fn end(self, is_certain: bool) {
        if is_certain || !self.job.selection.at_most_one {
            self.job.ended.fetch_max(self.number, Relaxed);
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.job.changed.notify_one();
    }
}

impl Job {
    /// The entry of `place` among those of its component.
    pub(crate) fn new(
        state: &impl State,
        clock: &Arc<dyn Clock>,
        target: Target<JobSelection>,
        place: usize,
    ) -> Self {
        let Target {
            component,
            selection,
        } = target;
        let work = match place {
            0 => component.to_string(),
            place => format!("{component}.{place}"),
        };
        let ownership = state.ownership();
        let timing = selection.schedule.as_ref();
        Self {
            client: state.component::<CommandInterface>(&component),
            deployments: state.deployments(),
            counts: Counts::default(),
            // It was looked at before.
            timing: timing.and_then(|times| Timing::new(times).ok()),
            clock: Arc::clone(clock),
            record: ownership.record(&work),
            ownership,
            work,
            owner: format!("{:016x}", rand::random::<u64>()),
            component,
            selection,
            held: Mutex::default(),
            one: Arc::new(Semaphore::new(1)),
            numbers: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            changed: Notify::new(),
        }
    }

    /// Whether there is anything that one replica does at a time.
    pub(crate) fn needs_an_owner(&self) -> bool {
        let is_at_deploy = self.selection.run == Run::Deploy;
        self.timing.is_some() || is_at_deploy || self.selection.at_most_one
    }

    /// What one run may take.
    pub(crate) fn takes_max(&self) -> Duration {
        let deployed = self.deployments.of(&self.component);
        let wall_time_max = deployed.map_or(BUDGET_MAX, |it| it.wall_time_max);
        wall_time_max.saturating_add(GRACE).min(BUDGET_MAX)
    }

    /// Sees to the job whenever this replica owns it, until it is told to stop and nothing is in hand.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut runs = JoinSet::new();
        while !stop.is_cancelled() {
            let owned = tokio::select! {
                () = stop.cancelled() => break,
                owned = self.ownership.own(&self.work) => owned,
            };
            let term = owned.term();
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                // Before it looks at what the end of its term has stopped.
                () = term.over() => {
                    let component = &self.component;
                    tracing::warn!(%component, "the job is another replica's from now on");
                }
                never = self.own(&term, &mut runs) => match never {},
            }
            self.held.lock().await.take();
            if stop.is_cancelled() {
                while runs.join_next().await.is_some() {}
                if self.selection.at_most_one {
                    // One that somebody has called for.
                    let _ended = self.one.acquire().await;
                }
                owned.give_back().await;
            }
        }
        while runs.join_next().await.is_some() {}
    }

    /// What an owner does, for as long as it is polled.
    async fn own(self: &Arc<Self>, term: &Term, runs: &mut JoinSet<()>) -> Infallible {
        let (version, memory) = self.taken_up().await;
        *self.held.lock().await = Some(Held {
            term: term.clone(),
            version,
            memory,
        });
        loop {
            let wait = self.look(runs).await;
            tokio::select! {
                () = sleep(wait) => {}
                () = self.changed.notified() => {}
                Some(_ended) = runs.join_next(), if !runs.is_empty() => {}
            }
        }
    }

    /// What the owner before has noted, as soon as that can be read.
    async fn taken_up(&self) -> (u64, Option<Memory>) {
        let mut is_told = false;
        loop {
            match self.record.read().await {
                Ok(note) => return self.memory(note),
                Err(error) if !is_told => {
                    is_told = true;
                    self.tell_that_it_waits(&error);
                }
                Err(_told) => {}
            }
            sleep(PAUSE).await;
        }
    }

    fn memory(&self, note: Note) -> (u64, Option<Memory>) {
        let memory = note.text.and_then(|text| {
            let read = serde_json::from_str(&text);
            let component = &self.component;
            read.inspect_err(|error| {
                tracing::warn!(%component, %error, "what was noted of the job cannot be read");
            })
            .ok()
        });
        (note.version, memory)
    }

    fn tell_that_it_waits(&self, error: &RecordError) {
        tracing::warn!(component = %self.component, %error, "the job waits");
    }

    /// Decides once, notes it, and then does it. Answers for how long nothing else is due.
    async fn look(self: &Arc<Self>, runs: &mut JoinSet<()>) -> Duration {
        let mut held = self.held.lock().await;
        let Some(held) = held.as_mut() else {
            return LOOKED_EVERY;
        };
        let one = self.selection.at_most_one;
        let one = one.then(|| Arc::clone(&self.one).try_acquire_owned().ok());
        let is_running = matches!(one, Some(None));
        let plan = self.decide(held, is_running);
        if let Some(note) = &plan.note
            && !self.noted(held, note.clone()).await
        {
            // Somebody else has decided: look at that first.
            return Duration::ZERO;
        }
        self.tell(&plan);
        let Some(why) = plan.start else {
            return self.until_next_tick();
        };
        let run = InProgress {
            term: held.term.clone(),
            job: Arc::clone(self),
            number: self.numbers.load(Relaxed),
            _one: one.flatten(),
        };
        let job = Arc::clone(self);
        runs.spawn(async move {
            let term = job.selection.at_most_one.then(|| run.term.clone());
            let is_certain = job.run_for(why, term).await;
            run.end(is_certain);
        });
        Duration::ZERO
    }

    fn decide(&self, held: &Held, is_running: bool) -> Plan {
        let at_deploy = self.selection.run == Run::Deploy;
        let deployed = at_deploy.then(|| self.deployments.of(&self.component));
        let facts = Facts {
            owner: &self.owner,
            now: self.clock.unix_ms().div_euclid(1000),
            timing: self.timing.as_ref(),
            revision: deployed.flatten().map(|it| it.revision),
            at_most_one: self.selection.at_most_one,
            is_running,
            ended: Some(self.ended.load(Relaxed)),
            takes_max: i64::try_from(self.takes_max().as_secs()).unwrap_or(i64::MAX),
            number: self.numbers.fetch_add(1, Relaxed) + 1,
        };
        plan(held.memory.as_ref(), &facts)
    }

    /// Writes what is to be noted; whether it is. It goes on until that is known.
    async fn noted(&self, held: &mut Held, memory: Memory) -> bool {
        let memory = Memory {
            by: self.owner.clone(),
            writes: memory.writes.wrapping_add(1),
            ..memory
        };
        let text = serde_json::to_string(&memory).expect("numbers, texts and options of them");
        let mut is_told = false;
        loop {
            match self.record.write(&text, held.version).await {
                Ok(Some(version)) => {
                    (held.version, held.memory) = (version, Some(memory));
                    return true;
                }
                Ok(None) => {
                    (held.version, held.memory) = self.taken_up().await;
                    return false;
                }
                Err(error) if !is_told => {
                    is_told = true;
                    self.tell_that_it_waits(&error);
                }
                Err(_told) => {}
            }
            sleep(PAUSE).await;
        }
    }

    fn tell(&self, plan: &Plan) {
        let component = &self.component;
        if plan.missed > 0 {
            self.counts.missed.fetch_add(plan.missed, Relaxed);
            let missed = plan.missed;
            tracing::warn!(%component, missed, "missed: nobody was there to run it in time");
        }
        if plan.skipped > 0 {
            self.counts.skipped.fetch_add(plan.skipped, Relaxed);
            tracing::warn!(%component, "skipped: it is still running");
        }
        if plan.is_lost {
            self.counts.lost.fetch_add(1, Relaxed);
            tracing::warn!(
                %component,
                "its owner was lost while it ran: nobody knows how that has ended"
            );
        }
    }

    fn until_next_tick(&self) -> Duration {
        let now = self.clock.unix_ms();
        let timing = self.timing.as_ref();
        let next = timing.and_then(|it| it.next_after(now.div_euclid(1000)));
        let next = next.map(|at| at.saturating_mul(1000).saturating_sub(now));
        let next = next.and_then(|wait_ms| u64::try_from(wait_ms).ok());
        next.map_or(LOOKED_EVERY, |wait_ms| {
            LOOKED_EVERY.min(Duration::from_millis(wait_ms))
        })
    }

    /// Begins a run that somebody asks for, of a job that runs once at a time.
    pub(crate) async fn begin_by_hand(
        self: &Arc<Self>,
        budget: Duration,
    ) -> Result<InProgress, JobError> {
        let mut held = self.held.lock().await;
        let held = held.as_mut().ok_or(JobError::Elsewhere)?;
        let one = Arc::clone(&self.one).try_acquire_owned();
        let one = one.map_err(|_taken| JobError::IsRunning)?;
        let now = self.clock.unix_ms().div_euclid(1000);
        let memory = held.memory.clone().unwrap_or_else(|| Memory {
            decided_until: now,
            timing: self.timing.as_ref().map(|it| it.text().to_owned()),
            ..Memory::default()
        });
        let ended = self.ended.load(Relaxed);
        let has_ended = |begun: &Begun| begun.by == self.owner && begun.number <= ended;
        let may_run = |begun: &Begun| begun.until > now && !has_ended(begun);
        if memory.begun.as_ref().is_some_and(may_run) {
            return Err(JobError::IsRunning);
        }
        let run = InProgress {
            term: held.term.clone(),
            job: Arc::clone(self),
            number: self.numbers.fetch_add(1, Relaxed) + 1,
            _one: Some(one),
        };
        let takes_max = i64::try_from(budget.as_secs()).unwrap_or(i64::MAX);
        let begun = Begun {
            by: self.owner.clone(),
            number: run.number,
            until: now.saturating_add(takes_max).saturating_add(1),
            is_told: false,
        };
        let note = Memory {
            begun: Some(begun),
            ..memory
        };
        match self.noted(held, note).await {
            true => Ok(run),
            false => Err(JobError::Elsewhere),
        }
    }
}
