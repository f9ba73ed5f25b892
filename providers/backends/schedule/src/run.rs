//! One run.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::time::{Instant, sleep};
use wrt_command::{Exit, Start};
use wrt_contract::{CallContext, SpanKind};
use wrt_protocol::{Execution, Fault, FaultKind, Hop};
use wrt_runtime::Term;

use crate::{counts::InHand, job::Job, plan::Why};

/// How long a run that has not begun is tried again.
const TICK_PATIENCE: Duration = Duration::from_secs(60);
/// The same after a deploy: its component may have to be fetched and compiled.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(300);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Why there is no exit code.
enum NoExit {
    /// It did not begin, and it is too late now.
    NotBegun(Fault),
    /// Another revision has taken its place before it began.
    Replaced,
    Failed(Fault),
}

impl Job {
    /// Runs it for `why`, under `term` where only one may run. Whether it is certain that nothing of it runs any
    /// more.
    pub(crate) async fn run_for(&self, why: Why, term: Option<Term>) -> bool {
        let _in_hand = InHand::of(&self.counts);
        let component = &self.component;
        match self.attempts(why, term).await {
            Ok(exit) => {
                self.ended(why, exit);
                true
            }
            Err(NoExit::Replaced) => {
                tracing::info!(%component, ?why, "not run: another revision is deployed");
                true
            }
            Err(NoExit::NotBegun(fault)) => {
                self.counts.missed.fetch_add(1, Relaxed);
                tracing::warn!(%component, ?why, %fault, "missed: it could not begin in time");
                true
            }
            Err(NoExit::Failed(fault)) => {
                self.counts.ran.fetch_add(1, Relaxed);
                self.counts.failed.fetch_add(1, Relaxed);
                tracing::warn!(%component, ?why, %fault, "a run has not come to its end");
                is_over(&fault)
            }
        }
    }

    fn ended(&self, why: Why, Exit { code }: Exit) {
        let component = &self.component;
        self.counts.ran.fetch_add(1, Relaxed);
        if code == 0 {
            tracing::info!(%component, ?why, "has run");
        } else {
            self.counts.failed.fetch_add(1, Relaxed);
            tracing::warn!(%component, ?why, code, "a run has failed");
        }
    }

    async fn attempts(&self, why: Why, term: Option<Term>) -> Result<Exit, NoExit> {
        let patience = match why {
            Why::Deploy(_) => DEPLOY_PATIENCE,
            Why::Tick(_) => TICK_PATIENCE,
        };
        let began = Instant::now();
        loop {
            let mut start = Start::with(self.selection.arguments.clone());
            if let Why::Deploy(revision) = why {
                let deployed = self.deployments.of(&self.component);
                let deployed = deployed.filter(|it| it.revision == revision);
                start.specification = Some(deployed.ok_or(NoExit::Replaced)?.specification);
            }
            let fault = match self.attempt(&start, term.as_ref()).await {
                Ok(exit) => return Ok(exit),
                Err(fault) if fault.execution() != Execution::NotExecuted => {
                    return Err(NoExit::Failed(fault));
                }
                Err(fault) => fault,
            };
            if began.elapsed() >= patience || fault.kind() == FaultKind::Fenced {
                return Err(NoExit::NotBegun(fault));
            }
            tracing::debug!(component = %self.component, %fault, "tried again");
            sleep(PAUSE).await;
        }
    }

    /// Starts it once. Where only one may run it is stopped when that is somebody else's business.
    async fn attempt(&self, start: &Start, term: Option<&Term>) -> Result<Exit, Fault> {
        let budget = self.takes_max();
        let Some(term) = term else {
            let mut context = CallContext::with_budget(budget).for_operation();
            let mut span = context.begin_trace(SpanKind::Internal, || self.span_name());
            let ended = self.client.run(&context, start).await;
            span.judge(&ended);
            return ended;
        };
        let Some(context) = term.context(budget) else {
            let detail = "another replica runs it from now on";
            let kind = FaultKind::Fenced;
            return Err(Fault::not_executed(kind, Hop::Caller, detail));
        };
        let mut context = context.for_operation();
        let mut span = context.begin_trace(SpanKind::Internal, || self.span_name());
        let ended = tokio::select! {
            biased;
            ended = self.client.run(&context, start) => ended,
            () = term.over() => Err(stopped()),
        };
        span.judge(&ended);
        ended
    }

    fn span_name(&self) -> String {
        format!("run {}", self.component)
    }
}

/// Whether a run that has this fault is certain not to go on somewhere.
pub(crate) fn is_over(fault: &Fault) -> bool {
    match fault.execution() {
        Execution::NotExecuted | Execution::Executed => true,
        Execution::MaybeExecuted => fault.kind() == FaultKind::Crashed,
    }
}

/// Of a run that was under way when its owner lost the job.
pub(crate) fn stopped() -> Fault {
    let detail = "it was stopped: another replica runs it from now on";
    Fault::maybe_executed(FaultKind::Fenced, Hop::Caller, detail)
}
