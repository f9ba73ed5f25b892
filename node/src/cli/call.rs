//! `wrt call`

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use wrt_contract::CallContext;
use wrt_protocol::{ActorAddress, Execution, Name, subject::Role};
use wrt_runtime::{JobError, JobsInterface, Runtime};

use super::{
    args::{CallArgs, LatticeArgs},
    exit::Failure,
    output::Output,
    whereabouts::{self, Whereabouts},
};
use crate::lattice::Lattice;

/// How long a replica is looked for that may run it: it moves when its node is lost.
const FOUND_WITHIN: Duration = Duration::from_secs(15);
/// Pause before all are asked again.
const PAUSE: Duration = Duration::from_millis(500);

pub async fn call(
    runtime: &Runtime,
    lattice: &LatticeArgs,
    arguments: CallArgs,
    output: Output,
) -> Result<ExitCode, Failure> {
    let lattice = lattice.connect(Role::Operator).await?;
    let code = run(runtime, &lattice, &arguments).await;
    lattice.close().await;
    let (code, component) = (code?, &arguments.component);
    let json = serde_json::json!({ "component": component, "code": code });
    output.result(&format!("{component} has ended with code {code}"), &json);
    Ok(ExitCode::from(code))
}

/// Asks one replica after the other for the one that may run it.
async fn run(runtime: &Runtime, lattice: &Lattice, arguments: &CallArgs) -> Result<u8, Failure> {
    let name = |text: &str| Name::new(text).map_err(|error| Failure::usage(error.to_string()));
    let (app, component) = (name(&arguments.app)?, name(&arguments.component)?);
    let deployed = whereabouts::deployed(lattice, &app).await?;
    let providers = whereabouts::who_offers::<JobsInterface>(runtime, &deployed, &component);
    let Some(provider) = providers.into_iter().next() else {
        return Err(Failure::failed(anyhow::anyhow!(
            "no provider of {app} runs a component {component} to its end: name it in the `calls` of one"
        )));
    };
    let actor = ActorAddress::provider(app.clone(), provider.clone());
    let patience = Duration::from_secs(arguments.timeout);
    let looking = Instant::now();
    loop {
        let mut last = None;
        for node in Whereabouts::of(lattice).await?.replicas(&actor) {
            let jobs = lattice.client::<JobsInterface>(node, actor.clone());
            let context = CallContext::with_budget(patience).for_operation();
            let ended = jobs.run(&context, component.as_str(), &arguments.arguments);
            match ended.await {
                Ok(code) => return Ok(code),
                Err(error) if is_for_another(&error) => last = Some(error),
                Err(error) => return Err(Failure::of_job(error)),
            }
        }
        if looking.elapsed() > FOUND_WITHIN.min(patience) {
            return Err(match last {
                Some(error) => Failure::of_job(error),
                None => Failure::failed(anyhow::anyhow!(
                    "no node runs the provider {provider} of {app} now, which runs {component}"
                )),
            });
        }
        sleep(PAUSE).await;
    }
}

/// Whether another replica may do it, or the same one soon.
fn is_for_another(error: &JobError) -> bool {
    match error {
        JobError::Elsewhere => true,
        JobError::Fault(fault) => fault.execution() == Execution::NotExecuted,
        JobError::NoSuchComponent(_) | JobError::IsRunning => false,
    }
}
