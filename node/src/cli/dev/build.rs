//! A command that builds, under way.

use std::{
    io,
    os::fd::AsFd as _,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use super::plan::Step;

/// What a build may take to end that is asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A build, with all that it starts: it has a process group of its own. Dropped, it is killed.
pub struct Build {
    child: Child,
    /// None once it has ended: the number may be another one's by then.
    group: Option<Pid>,
    started: Instant,
}

/// How a build ended.
pub struct Ended {
    pub took: Duration,
    pub result: io::Result<ExitStatus>,
}

impl Build {
    /// Starts it. What it prints goes to standard error, as it comes: standard output is for results.
    pub fn start(step: &Step) -> anyhow::Result<Self> {
        let stderr = io::stderr().as_fd().try_clone_to_owned();
        let mut command = Command::new("sh");
        command
            .args(["-c", &step.command])
            .current_dir(&step.folder)
            .stdin(Stdio::null())
            .stdout(stderr.context("no standard error")?)
            .process_group(0);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start `{}`", step.command))?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self {
            child,
            group: id.and_then(Pid::from_raw),
            started,
        })
    }

    /// How long it has been going on.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Asks it to end, and kills what does not.
    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        // What it has started may take longer than the one that is waited for.
        let _ended = tokio::time::timeout(STOP_PATIENCE, self.child.wait()).await;
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It is fine when nobody is left of it.
            let _nobody = kill_process_group(group, signal);
        }
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Waits for the end of the build under way, and takes it out; for ever where there is none. Cancel safe.
pub async fn ended(building: &mut Option<(usize, Build)>) -> (usize, Ended) {
    let Some((at, build)) = building else {
        return std::future::pending().await;
    };
    let result = build.child.wait().await;
    let (at, took) = (*at, build.started.elapsed());
    build.group = None;
    *building = None;
    (at, Ended { took, result })
}
