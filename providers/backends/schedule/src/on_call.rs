//! Runs that somebody asks for.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use wrt_command::Start;
use wrt_contract::{CallContext, async_trait};
use wrt_runtime::{JobError, Jobs};

use crate::{
    Schedule,
    counts::InHand,
    job::Job,
    run::{is_over, stopped},
};

#[async_trait]
impl Jobs for Schedule {
    async fn run(
        &self,
        context: &CallContext,
        component: &str,
        arguments: &[String],
    ) -> Result<u8, JobError> {
        let jobs = self.jobs.lock().clone();
        let job = jobs.iter().find(|job| job.component.as_str() == component);
        let job = job.ok_or_else(|| JobError::NoSuchComponent(component.to_owned()))?;
        let start = Start::with(arguments.to_vec());
        let ended = match job.selection.at_most_one {
            true => alone(job, context, &start).await,
            false => {
                let _in_hand = InHand::of(&job.counts);
                job.client
                    .run(context, &start)
                    .await
                    .map_err(JobError::Fault)
            }
        };
        if matches!(ended, Ok(_) | Err(JobError::Fault(_))) {
            job.counts.ran.fetch_add(1, Relaxed);
            if !matches!(ended, Ok(exit) if exit.code == 0) {
                job.counts.failed.fetch_add(1, Relaxed);
            }
        }
        Ok(ended?.code)
    }
}

/// Where this replica owns the job, and nothing of it runs.
async fn alone(
    job: &Arc<Job>,
    context: &CallContext,
    start: &Start,
) -> Result<wrt_command::Exit, JobError> {
    let begun = job.begin_by_hand(context.remaining()).await?;
    let _in_hand = InHand::of(&job.counts);
    // Under the caller's deadline, and the job's lease.
    let Some(owned) = begun.term.context(context.remaining()) else {
        begun.end(true);
        return Err(JobError::Elsewhere);
    };
    let context = owned.with_trace(context.trace().cloned()).for_operation();
    let ended = tokio::select! {
        biased;
        ended = job.client.run(&context, start) => ended,
        () = begun.term.over() => Err(stopped()),
    };
    begun.end(ended.as_ref().map_or_else(is_over, |_exit| true));
    ended.map_err(JobError::Fault)
}
