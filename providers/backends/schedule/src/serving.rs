//! The server at work.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wrt_runtime::{ServerLoad, Serving};

use crate::job::Job;

/// The jobs of a replica. Dropping it stops them and what they run.
pub(crate) struct Running {
    jobs: Vec<Arc<Job>>,
    _tasks: JoinSet<()>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Running {
    pub(crate) fn start(jobs: Vec<Arc<Job>>) -> Self {
        let (mut tasks, tracker) = (JoinSet::new(), TaskTracker::new());
        let stop = CancellationToken::new();
        for job in &jobs {
            if job.needs_an_owner() {
                let owned = Arc::clone(job).run(stop.clone());
                tasks.spawn(tracker.track_future(owned));
            }
        }
        tracker.close();
        Self {
            jobs,
            _tasks: tasks,
            tracker,
            stop,
        }
    }
}

impl Serving for Running {
    fn load(&self) -> ServerLoad {
        let counts = || self.jobs.iter().map(|job| &job.counts);
        ServerLoad {
            in_hand: counts().map(|it| it.in_hand.load(Relaxed)).sum(),
            handled: counts().map(|it| it.ran.load(Relaxed)).sum(),
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut all: Vec<(&'static str, u64)> = Vec::new();
        for (name, count) in self.jobs.iter().flat_map(|job| job.counts.told()) {
            match all.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += count,
                None => all.push((name, count)),
            }
        }
        all
    }

    fn drain(&self, patience: Duration) -> BoxFuture<'_, bool> {
        self.stop.cancel();
        Box::pin(async move { timeout(patience, self.tracker.wait()).await.is_ok() })
    }
}
